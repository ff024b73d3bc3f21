/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_zap.c: what goes, what stays, and what is left behind: nothing. */
#include "tests/unit/mm_support.h"

static struct vm_memory *vm;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    return 0;
}

static int finish(void **state)
{
    port_host.on_pte = NULL;
    port_host.on_flush = NULL;
    assert_sound();
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

static u64 *reached_late;
static u64 last_seen_of_late;

/* A processor that cached the way to the table sets D in an entry after the table's parent lost its entry. */
static void set_dirty_through_stale_entry(u64 *entry, u64 old, u64 value)
{
    if (reached_late != NULL && ept_is_present(old) && !ept_is_present(value) &&
        table_with(entry)->role.level == LEVEL_2M)
        __atomic_fetch_or(reached_late, EPT_DIRTY, __ATOMIC_RELAXED);
    if (entry == reached_late) {
        last_seen_of_late = old;
        reached_late = NULL;
    }
}

static void test_P4_late_dirty_bits_are_seen(void **state)
{
    add_ram(vm, 0, 0, 512 * 4, LEVEL_4K);
    assert_int_equal(fault(vm, 3, ACCESS_WRITE), FAULT_INSTALLED);
    reached_late = entry_at(vm, 3, LEVEL_4K);
    last_seen_of_late = 0;
    port_host.on_pte = set_dirty_through_stale_entry;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_true(ept_is_present(last_seen_of_late));
    assert_true(last_seen_of_late & EPT_DIRTY);
}

static u64 tables_at_flush;

static void count_tables(struct vm_memory *flushed)
{
    tables_at_flush = frame_get_stats().used[FRAME_TABLE];
}

static void test_P2_unlinked_tables_live_until_the_flush(void **state)
{
    add_ram(vm, 0, 0, 512 * 4, LEVEL_4K);
    for (u64 i = 0; i < 4; i++)
        assert_int_equal(fault(vm, 512 * i, ACCESS_READ), FAULT_INSTALLED);
    u64 tables = vm_memory_get_stats(vm).tables;
    assert_int_equal(tables, 3 + 4);
    port_host.on_flush = count_tables;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(tables_at_flush, tables);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
    assert_int_equal(port_host.flushes, 1);
}

static void test_H1_zap_reclaims_every_child(void **state)
{
    add_ram(vm, 0, 0, 512 * 6, LEVEL_4K);
    add_ram(vm, 1, 1ull << 27, 512 * 3, LEVEL_4K);
    for (u64 gfn = 0; gfn < 512 * 6; gfn += 100)
        assert_int_equal(fault(vm, gfn, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, (1ull << 27) + 600, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).tables, 3 + 6 + 3);
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_sound();
    assert_int_equal(vm_memory_get_stats(vm).tables, 1 + 3);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_sound();
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
}

static void test_H1_tables_that_became_empty_go(void **state)
{
    /* Two slots share a 4K table: it goes with the second one. */
    add_ram(vm, 0, 0, 100, LEVEL_4K);
    add_ram(vm, 1, 100, 100, LEVEL_4K);
    assert_int_equal(fault(vm, 99, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 100, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).tables, 4);
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(vm_memory_get_stats(vm).tables, 4);
    assert_int_equal(mapped_level(vm, 99), 0);
    assert_int_equal(mapped_level(vm, 100), LEVEL_4K);
    assert_sound();
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
}

static void test_H1_an_empty_table_goes_too(void **state)
{
    TLB_GATHER(gather, vm);
    struct spt_iter it;
    gfn_t gfn = { 5ull << 18 };

    /* As a fault leaves it that lost the race for the last step. */
    spt_iter_start(&it, &vm->spt, gfn);
    for (int i = 0; i < 2; i++) {
        struct shadow_page *page = shadow_page_alloc();

        spt_place_table(&it, page);
        assert_true(spt_set_entry(&it, ept_table(page->frame), NULL));
        spt_iter_down(&it, gfn);
    }
    assert_int_equal(vm_memory_get_stats(vm).tables, 3);
    assert_sound();
    assert_int_equal(spt_zap_range(&vm->spt, gfn, (gfn_t){ gfn.v + 1 }, &gather).v, gfn.v + 1);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
}

static void test_zap_takes_exactly_the_range(void **state)
{
    u64 seed = 41;

    for (unsigned round = 0; round < 60; round++) {
        bool mapped[512 * 4] = { false };
        u64 first = random_below(&seed, 512 * 4);
        u64 end = first + 1 + random_below(&seed, 512 * 4 - first);

        add_ram(vm, 0, 0, 512 * 4, LEVEL_4K);
        for (unsigned i = 0; i < 100; i++) {
            u64 gfn = random_below(&seed, 512 * 4);

            fault(vm, gfn, ACCESS_READ);
            mapped[gfn] = true;
        }
        spt_zap_all(&vm->spt, (gfn_t){ first }, (gfn_t){ end });
        assert_sound();
        u64 used_tables[4] = { 0 };
        for (u64 gfn = 0; gfn < 512 * 4; gfn++) {
            bool stays = mapped[gfn] && (gfn < first || gfn >= end);

            assert_int_equal(mapped_level(vm, gfn), stays ? LEVEL_4K : 0);
            used_tables[gfn / 512] |= stays;
        }
        u64 tables = used_tables[0] + used_tables[1] + used_tables[2] + used_tables[3];
        assert_int_equal(vm_memory_get_stats(vm).tables, tables == 0 ? 1 : 3 + tables);
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    }
}

static void test_zap_of_a_part_of_a_large_page_takes_all_of_it(void **state)
{
    struct backing *backing = new_backing(1024, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 600, ACCESS_READ), FAULT_INSTALLED);
    spt_zap_all(&vm->spt, (gfn_t){ 100 }, (gfn_t){ 101 });
    assert_int_equal(mapped_level(vm, 5), 0);
    assert_int_equal(mapped_level(vm, 600), LEVEL_2M);
    assert_sound();
}

static void fault_again_while_yielding(void)
{
    assert_sound();
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], vm_memory_get_stats(vm).tables);
    /* What is zapped already may come back behind the walk; nothing is counted twice. */
    fault(vm, 0, ACCESS_READ);
}

static void test_C8_zap_goes_on_where_it_yielded(void **state)
{
    enum { REGIONS = 700 };

    add_ram(vm, 0, 0, 512ull * REGIONS, LEVEL_4K);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(fault(vm, 512 * i + i % 512, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).tables, REGIONS + 2 + 2);
    port_host.yields = port_host.flushes = 0;
    port_host.on_yield = fault_again_while_yielding;
    spt_zap_all(&vm->spt, (gfn_t){ 0 }, (gfn_t){ 512ull * REGIONS });
    port_host.on_yield = NULL;
    assert_true(port_host.flushes >= REGIONS / 128 && port_host.flushes <= REGIONS / 128 + 1);
    assert_int_equal(port_host.yields, port_host.flushes);
    for (u64 i = 1; i < REGIONS; i++)
        assert_int_equal(mapped_level(vm, 512 * i + i % 512), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_sound();
}

#define SPT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPT_TEST(test_P4_late_dirty_bits_are_seen),
        SPT_TEST(test_P2_unlinked_tables_live_until_the_flush),
        SPT_TEST(test_H1_zap_reclaims_every_child),
        SPT_TEST(test_H1_tables_that_became_empty_go),
        SPT_TEST(test_H1_an_empty_table_goes_too),
        SPT_TEST(test_zap_takes_exactly_the_range),
        SPT_TEST(test_zap_of_a_part_of_a_large_page_takes_all_of_it),
        SPT_TEST(test_C8_zap_goes_on_where_it_yielded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
