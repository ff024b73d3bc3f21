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
    port_host.on_kick = NULL;
    port_host.on_point = NULL;
    port_host.on_yield = NULL;
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

static u64 left_by_hardware;

/* Hardware changes the entry whenever it can, to the last moment. */
static void change_before_each_step(const void *word)
{
    if (word != reached_late)
        return;
    *reached_late ^= EPT_DIRTY;
    left_by_hardware = *reached_late;
}

static void compare_with_last(u64 *entry, u64 old, u64 value)
{
    if (entry != reached_late)
        return;
    assert_int_equal(old, left_by_hardware);
    assert_int_equal(value, EPT_EMPTY);
    reached_late = NULL;
}

static void test_P4_nothing_comes_between_the_look_and_the_write(void **state)
{
    add_ram(vm, 0, 0, 512 * 4, LEVEL_4K);
    assert_int_equal(fault(vm, 3, ACCESS_WRITE), FAULT_INSTALLED);
    reached_late = entry_at(vm, 3, LEVEL_4K);
    port_host.on_point = change_before_each_step;
    port_host.on_pte = compare_with_last;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_null(reached_late);
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
    port_host.on_kick = count_tables;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(tables_at_flush, tables);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
    assert_int_equal(port_host.kicks, 1);
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

static u64 zap(u64 first, u64 end, struct tlb_gather *gather)
{
    return spt_zap_range(&vm->spt, vm->spt.base->page, (gfn_t){ first }, (gfn_t){ end }, ZAP_MAPPED, NULL, gather).v;
}

static void test_H1_an_empty_table_goes_too(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    struct spt_iter it;
    gfn_t gfn = { 5ull << 18 };

    /* As a fault leaves it that lost the race for the last step. */
    assert_int_equal(table_cache_fill(&cache, 2), 0);
    rwlock_lock(&vm->spt.lock);
    spt_iter_start(&it, &vm->spt, vm->spt.base->page, gfn);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spt_link_table(&it, NULL, &cache, NULL), 0);
        spt_iter_down(&it, gfn);
    }
    rwlock_unlock(&vm->spt.lock);
    assert_int_equal(vm_memory_get_stats(vm).tables, 3);
    assert_sound();
    rwlock_lock(&vm->spt.lock);
    assert_int_equal(zap(gfn.v, gfn.v + 1, &gather), gfn.v + 1);
    rwlock_unlock(&vm->spt.lock);
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
    port_host.yields = port_host.kicks = 0;
    port_host.on_yield = fault_again_while_yielding;
    spt_zap_all(&vm->spt, (gfn_t){ 0 }, (gfn_t){ 512ull * REGIONS });
    port_host.on_yield = NULL;
    assert_true(port_host.kicks >= REGIONS / 128 && port_host.kicks <= REGIONS / 128 + 1);
    /* Behind the last step nobody waits for anything. */
    assert_int_equal(port_host.yields, port_host.kicks - 1);
    for (u64 i = 1; i < REGIONS; i++)
        assert_int_equal(mapped_level(vm, 512 * i + i % 512), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_sound();
}

static void test_H4_zapping_needs_exclusive_ownership(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    assert_true(ASSERTS(zap(0, 4, &gather)));
    rwlock_lock_shared(&vm->spt.lock);
    assert_true(ASSERTS(zap(0, 4, &gather)));
    /* Also where there is nothing to take. */
    assert_true(ASSERTS(zap(512, 516, &gather)));
    rwlock_unlock_shared(&vm->spt.lock);
    rwlock_lock(&vm->spt.lock);
    port_host_processor = 1;
    assert_true(ASSERTS(zap(0, 4, &gather)));
    port_host_processor = 0;
    rwlock_unlock(&vm->spt.lock);
    assert_int_equal(mapped_level(vm, 0), LEVEL_4K);
}

/* One entry after the other is taken; if the processor has just changed it, again. */
static u64 *changes_late;
static int looks_before;

static void set_accessed(const void *word)
{
    if (word == changes_late && looks_before-- == 0)
        *(u64 *)word |= EPT_ACCESSED | EPT_DIRTY;
}

static u64 taken;

static void note_taken(u64 *entry, u64 old, u64 value)
{
    if (table_with(entry)->role.level == LEVEL_4K)
        taken = old;
}

static void test_P4_zap_takes_what_hardware_has_just_changed(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 600, LEVEL_4K);
    assert_int_equal(fault(vm, 7, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 8, ACCESS_READ), FAULT_INSTALLED);
    changes_late = entry_at(vm, 7, LEVEL_4K);
    looks_before = 1;
    taken = 0;
    rwlock_lock(&vm->spt.lock);
    port_host.on_pte = note_taken;
    /* The walk reads the entry, then it changes, then comes the exchange. */
    port_host.on_point = set_accessed;
    assert_int_equal(zap(7, 8, &gather), 8);
    assert_true(looks_before < 0);
    port_host.on_point = NULL;
    port_host.on_pte = NULL;
    rwlock_unlock(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_true(taken & EPT_DIRTY);
    assert_int_equal(mapped_level(vm, 7), 0);
    assert_int_equal(mapped_level(vm, 8), LEVEL_4K);
}

/* A step ends after a bounded number of tables, and, after some progress, if somebody waits for the lock. */
static void test_R8_a_step_is_bounded_and_gives_way(void **state)
{
    enum { REGIONS = 200, END = 512 * REGIONS };
    TLB_GATHER(gather, vm);
    bool yields = spt_yield_on_contention;

    add_ram(vm, 0, 0, END, LEVEL_4K);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(fault(vm, 512 * i, ACCESS_READ), FAULT_INSTALLED);
    rwlock_lock(&vm->spt.lock);
    spt_yield_on_contention = true;
    vm->spt.lock.writer_in++;
    u64 next = zap(0, END, &gather);
    vm->spt.lock.writer_in--;
    assert_int_equal(next, 512);
    assert_int_equal(gather.count, 1);
    vm->spt.lock.reader_in += 1u << 8;
    next = zap(next, END, &gather);
    assert_int_equal(next, 512 * 2);
    assert_int_equal(gather.count, 2);
    spt_yield_on_contention = false;
    next = zap(next, END, &gather);
    assert_int_equal(next, 512 * 130);
    assert_int_equal(gather.count, 130);
    vm->spt.lock.reader_in -= 1u << 8;
    spt_yield_on_contention = true;
    assert_int_equal(zap(next, END, &gather), END);
    spt_yield_on_contention = yields;
    rwlock_unlock(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
}

static bool somebody_waits;

static void come_and_wait(u64 *entry, u64 old, u64 value)
{
    if (!somebody_waits)
        vm->spt.lock.reader_in += 1u << 8;
    somebody_waits = true;
}

static void go_away(void)
{
    if (somebody_waits)
        vm->spt.lock.reader_in -= 1u << 8;
    somebody_waits = false;
}

static void test_R8_steps_that_end_early_share_a_flush(void **state)
{
    enum { REGIONS = 20 };

    add_ram(vm, 0, 0, 512 * REGIONS, LEVEL_4K);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(fault(vm, 512 * i, ACCESS_READ), FAULT_INSTALLED);
    port_host.kicks = port_host.yields = 0;
    port_host.on_pte = come_and_wait;
    port_host.on_yield = go_away;
    spt_zap_all(&vm->spt, (gfn_t){ 0 }, (gfn_t){ 512 * REGIONS });
    go_away();
    assert_true(port_host.yields >= REGIONS - 1);
    assert_int_equal(port_host.kicks, 1);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
}

/* A step goes through all trees: each gets a part of what one step may do. */
static void test_R8_trees_share_a_step(void **state)
{
    enum { REGIONS = 100, ROOTS = 4 };
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 512 * REGIONS, LEVEL_4K);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(fault(vm, 512 * i, ACCESS_READ), FAULT_INSTALLED);
    rwlock_lock(&vm->spt.lock);
    vm->spt.root_count += ROOTS - 1;
    u64 next = zap(0, 512 * REGIONS, &gather);
    vm->spt.root_count -= ROOTS - 1;
    rwlock_unlock(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_int_equal(next, 512 * ZAP_STEP / ROOTS);
}

/* What a tree cannot map begins again with its first entry, if one does not look. */
static void test_zap_beyond_the_tree_takes_nothing(void **state)
{
    u64 end = spt_root_end(vm->spt.base).v;

    add_ram(vm, 0, 0, 512, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    spt_zap_all(&vm->spt, (gfn_t){ end }, (gfn_t){ end + 1 });
    assert_int_equal(mapped_level(vm, 0), LEVEL_4K);
}

/* Where a walk for `gfn` in the tree that is being taken apart ends. */
static u64 dying_entry(u64 gfn)
{
    const struct list_node *node = vm->spt.dying.next;
    struct spt_iter it;

    assert_ptr_not_equal(node, &vm->spt.dying);
    spt_iter_start(&it, &vm->spt, container_of(node, struct spt_root, link)->page, (gfn_t){ gfn });
    while (ept_is_table(it.old, it.level))
        spt_iter_down(&it, (gfn_t){ gfn });
    return it.old;
}

static bool zapped_while_dying;

static void zap_while_dying(void)
{
    enum { LAST = 512 * 299 };

    port_host.on_yield = NULL;
    assert_true(ept_is_present(dying_entry(LAST)));
    assert_true(ept_is_present(dying_entry(LAST - 512)));
    spt_zap_all(&vm->spt, (gfn_t){ LAST }, (gfn_t){ LAST + 1 });
    assert_false(ept_is_present(dying_entry(LAST)));
    assert_true(ept_is_present(dying_entry(LAST - 512)));
    zapped_while_dying = true;
}

static void test_G3_zap_finds_what_is_dying(void **state)
{
    add_ram(vm, 0, 0, 512 * 300, LEVEL_4K);
    for (u64 i = 0; i < 300; i++)
        assert_int_equal(fault(vm, 512 * i, ACCESS_READ), FAULT_INSTALLED);
    zapped_while_dying = false;
    port_host.on_yield = zap_while_dying;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_true(zapped_while_dying);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
}

#define SPT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPT_TEST(test_P4_late_dirty_bits_are_seen),
        SPT_TEST(test_P4_nothing_comes_between_the_look_and_the_write),
        SPT_TEST(test_P2_unlinked_tables_live_until_the_flush),
        SPT_TEST(test_H1_zap_reclaims_every_child),
        SPT_TEST(test_H1_tables_that_became_empty_go),
        SPT_TEST(test_H1_an_empty_table_goes_too),
        SPT_TEST(test_zap_takes_exactly_the_range),
        SPT_TEST(test_zap_of_a_part_of_a_large_page_takes_all_of_it),
        SPT_TEST(test_H4_zapping_needs_exclusive_ownership),
        SPT_TEST(test_P4_zap_takes_what_hardware_has_just_changed),
        SPT_TEST(test_R8_a_step_is_bounded_and_gives_way),
        SPT_TEST(test_R8_trees_share_a_step),
        SPT_TEST(test_R8_steps_that_end_early_share_a_flush),
        SPT_TEST(test_zap_beyond_the_tree_takes_nothing),
        SPT_TEST(test_G3_zap_finds_what_is_dying),
        SPT_TEST(test_C8_zap_goes_on_where_it_yielded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
