/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt.c, mm/spt_map.c: the accounting of every change of an entry, and what it demands. */
#include "tests/unit/mm_support.h"

#include "mm/pte.h"

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

static void test_H7_replacing_entries_is_accounted(void **state)
{
    TLB_GATHER(gather, vm);
    struct backing *backing = new_backing(1024, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
    assert_int_equal(vm_memory_get_stats(vm).tables, 3);

    /* A large leaf becomes a table … */
    struct spt_iter it = iter_at(vm, 0, LEVEL_2M);
    u64 leaf = it.old;
    struct shadow_page *page = shadow_page_alloc();
    spt_place_table(&it, page);
    assert_true(spt_set_entry(&it, ept_table(page->frame), &gather));
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
    assert_int_equal(vm_memory_get_stats(vm).tables, 4);
    assert_sound();

    /* … with something in it, and then a leaf again. */
    assert_int_equal(fault(vm, 7, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 7), LEVEL_4K);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_sound();
    assert_true(spt_set_entry(&it, leaf, &gather));
    assert_true(gather.needs_flush);
    assert_int_equal(gather.count, 1);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
    assert_int_equal(vm_memory_get_stats(vm).tables, 3);
    assert_sound();

    /* A leaf by one of another frame. */
    assert_true(spt_set_entry(&it, ept_leaf((pfn_t){ 0 }, LEVEL_2M, EPT_READ), &gather));
    assert_true(gather.needs_flush);
    assert_true(spt_set_entry(&it, leaf, &gather));
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
    assert_sound();
}

static void test_H7_a_table_by_another_table(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    struct spt_iter it = iter_at(vm, 0, LEVEL_2M);
    struct shadow_page *page = shadow_page_alloc();
    spt_place_table(&it, page);
    assert_true(spt_set_entry(&it, ept_table(page->frame), &gather));
    assert_true(gather.needs_flush);
    assert_int_equal(gather.count, 1);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).tables, 4);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);

    /* The same table again, with the A bit that hardware sets: nothing is replaced. */
    assert_true(spt_set_entry(&it, it.old | EPT_ACCESSED, NULL));
    assert_int_equal(vm_memory_get_stats(vm).tables, 4);
    assert_sound();
}

static void test_H7_a_lost_race_changes_nothing(void **state)
{
    struct spt_iter it;

    spt_iter_start(&it, &vm->spt, (gfn_t){ 0 });
    it.old = ept_leaf((pfn_t){ 7 }, LEVEL_4K, EPT_READ);
    assert_false(spt_set_entry(&it, EPT_SUPPRESS_VE | 0x1000, NULL));
    assert_int_equal(it.old, EPT_EMPTY);
    assert_int_equal(vm->spt.root->present, 0);
}

static void test_P5_removal_without_a_gather_asserts(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    struct spt_iter it = iter_at(vm, 0, LEVEL_4K);
    u64 leaf = it.old;
    /* Less permission needs one too. */
    u64 read_only = leaf & ~EPT_WRITE;
    assert_true(ASSERTS(spt_set_entry(&it, read_only, NULL)));
    it.old = pte_read(spt_iter_entry(&it));
    assert_true(spt_set_entry(&it, leaf, NULL));
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_SPURIOUS);
}

static void test_P6_an_upgrade_needs_no_flush(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    struct spt_iter it = iter_at(vm, 0, LEVEL_4K);
    assert_true(spt_set_entry(&it, it.old & ~EPT_WRITE, &gather));
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_int_equal(port_host.flushes, 1);

    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(fault(vm, 0, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(port_host.flushes, 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_int_equal(fault(vm, 0, ACCESS_WRITE), FAULT_SPURIOUS);
}

static void test_a_large_leaf_without_the_permission_gives_way(void **state)
{
    struct backing *backing = new_backing(512, 0);
    TLB_GATHER(gather, vm);
    TABLE_CACHE(cache);
    enum level level;
    pfn_t pfn;

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 512, backing, 0, 0, LEVEL_2M), 0);
    assert_int_equal(backing_lookup(backing, 9, &pfn, &level), 0);
    backing_put(backing);
    struct spt_mapping mapping = { .gfn = { 9 }, .pfn = pfn, .level = LEVEL_2M, .permissions = EPT_READ };
    assert_int_equal(table_cache_fill(&cache, spt_missing_tables(&vm->spt, mapping.gfn, LEVEL_2M)), 0);
    assert_int_equal(spt_map(&vm->spt, &mapping, EPT_READ, &cache, &gather), 0);
    assert_false(gather.needs_flush);
    assert_int_equal(spt_map(&vm->spt, &mapping, EPT_READ, &cache, &gather), -EEXIST);

    /* Smaller and writable: the large page goes, and that needs a table and a flush. */
    mapping.level = LEVEL_4K;
    mapping.permissions = EPT_PERMISSIONS;
    assert_int_equal(spt_missing_tables(&vm->spt, mapping.gfn, LEVEL_4K), 1);
    assert_int_equal(spt_map(&vm->spt, &mapping, EPT_WRITE, &cache, &gather), -EAGAIN);
    assert_int_equal(mapped_level(vm, 9), LEVEL_2M);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    assert_int_equal(spt_map(&vm->spt, &mapping, EPT_WRITE, &cache, &gather), 0);
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_int_equal(mapped_level(vm, 9), LEVEL_4K);
    assert_int_equal(mapped_level(vm, 10), 0);
}

static void test_H3_tables_are_recorded_where_they_are(void **state)
{
    add_ram(vm, 0, (3ull << 27) + (5ull << 18) + (7ull << 9), 512, LEVEL_4K);
    assert_int_equal(fault(vm, (3ull << 27) + (5ull << 18) + (7ull << 9) + 9, ACCESS_READ), FAULT_INSTALLED);
    u64 gfn = (3ull << 27) + (5ull << 18) + (7ull << 9) + 9;
    const struct shadow_page *child = table_with(entry_at(vm, gfn, LEVEL_4K));
    assert_int_equal(child->gfn.v, gfn - 9);
    assert_int_equal(child->role.level, LEVEL_4K);
    assert_int_equal(shadow_page_end(child).v, gfn - 9 + 512);
    assert_ptr_equal(child->parent, table_with(entry_at(vm, gfn, LEVEL_2M)));
    assert_int_equal(child->parent->gfn.v, gfn >> 18 << 18);
    assert_int_equal(child->parent->role.level, LEVEL_2M);
    assert_ptr_equal(child->parent->parent->parent, vm->spt.root);
    assert_int_equal(child->role.levels, vm->spt.root->role.levels);
    assert_int_equal(child->present, 1);
}

#define SPT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPT_TEST(test_H7_replacing_entries_is_accounted),
        SPT_TEST(test_H7_a_table_by_another_table),
        SPT_TEST(test_H7_a_lost_race_changes_nothing),
        SPT_TEST(test_P5_removal_without_a_gather_asserts),
        SPT_TEST(test_P6_an_upgrade_needs_no_flush),
        SPT_TEST(test_a_large_leaf_without_the_permission_gives_way),
        SPT_TEST(test_H3_tables_are_recorded_where_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
