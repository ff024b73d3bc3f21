/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt.c, mm/spt_map.c, mm/spt_split.c: the accounting of every change of an entry, and what it demands. */
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
    port_host.on_kick = NULL;
    port_host.on_point = NULL;
    assert_sound();
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* The entry where `it` stands, whatever it is, becomes an empty table. */
static void link_table(struct spt_iter *it, struct table_cache *cache, struct tlb_gather *gather)
{
    rwlock_lock(&vm->spt.lock);
    assert_int_equal(spt_link_table(it, NULL, cache, gather), 0);
    rwlock_unlock(&vm->spt.lock);
    assert_true(ept_is_table(it->old, it->level));
}

/* For a hook: the entry that hardware changes, and how often. */
static u64 *entry_to_change;
static int attempts_to_change;

static void test_H7_replacing_entries_is_accounted(void **state)
{
    TABLE_CACHE(cache);
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
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    link_table(&it, &cache, &gather);
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
    rwlock_lock(&vm->spt.lock);
    assert_true(spt_set_entry(&it, leaf, &gather));
    rwlock_unlock(&vm->spt.lock);
    assert_true(gather.needs_flush);
    assert_int_equal(gather.count, 1);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
    assert_int_equal(vm_memory_get_stats(vm).tables, 3);
    assert_sound();

    /* A leaf by one of another frame, with the same permissions (P6). */
    assert_true(spt_set_entry(&it, ept_leaf((pfn_t){ 0 }, LEVEL_2M, EPT_PERMISSIONS), &gather));
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_true(spt_set_entry(&it, leaf, &gather));
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
    assert_sound();
}

static void test_H7_a_table_by_another_table(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    struct spt_iter it = iter_at(vm, 0, LEVEL_2M);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    link_table(&it, &cache, &gather);
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

static void test_H1_replacing_takes_all_below(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 512 * 3, LEVEL_4K);
    add_ram(vm, 1, 1ull << 18, 4, LEVEL_4K);
    for (u64 gfn = 0; gfn < 512 * 3; gfn += 512)
        assert_int_equal(fault(vm, gfn, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1ull << 18, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).tables, 2 + 4 + 2);
    struct spt_iter it = iter_at(vm, 0, LEVEL_1G);
    rwlock_lock(&vm->spt.lock);
    assert_true(spt_set_entry(&it, EPT_EMPTY, &gather));
    rwlock_unlock(&vm->spt.lock);
    assert_int_equal(gather.count, 4);
    tlb_gather_finish(&gather);
    assert_int_equal(vm_memory_get_stats(vm).tables, 2 + 2);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_int_equal(mapped_level(vm, 1ull << 18), LEVEL_4K);
    assert_sound();
}

static void test_G1_nothing_is_linked_below_a_dying_table(void **state)
{
    TABLE_CACHE(cache);
    struct spt_iter it;

    assert_int_equal(table_cache_fill(&cache, 2), 0);
    spt_iter_start(&it, &vm->spt, vm->spt.base->page, (gfn_t){ 0 });
    struct shadow_page *taken = container_of(cache.pages.next, struct shadow_page, link);
    vm->spt.generation++;
    assert_true(ASSERTS(spt_link_table(&it, NULL, &cache, NULL)));
    vm->spt.generation--;
    table_cache_return(&cache, taken);
    assert_int_equal(*spt_iter_entry(&it), EPT_EMPTY);
}

static void test_H7_a_lost_race_changes_nothing(void **state)
{
    TLB_GATHER(gather, vm);
    struct spt_iter it;

    spt_iter_start(&it, &vm->spt, vm->spt.base->page, (gfn_t){ 0 });
    it.old = ept_leaf((pfn_t){ 7 }, LEVEL_4K, EPT_READ);
    assert_false(spt_set_entry(&it, EPT_SUPPRESS_VE | 0x1000, &gather));
    tlb_gather_finish(&gather);
    assert_int_equal(it.old, EPT_EMPTY);
    assert_int_equal(vm->spt.base->page->present, 0);
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
    assert_true(spt_set_entry(&it, (it.old & ~EPT_WRITE) | EPT_ACCESSED | EPT_DIRTY, &gather));
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_int_equal(port_host.kicks, 1);

    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(fault(vm, 0, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(port_host.kicks, 1);
    /* What was noted in the leaf is still there (C10). */
    assert_true(*entry_at(vm, 0, LEVEL_4K) & EPT_DIRTY);
    assert_true(*entry_at(vm, 0, LEVEL_4K) & EPT_ACCESSED);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_int_equal(fault(vm, 0, ACCESS_WRITE), FAULT_SPURIOUS);
}

static int map(struct spt_mapping *mapping, u64 needed, struct table_cache *cache, struct tlb_gather *gather)
{
    rwlock_lock_shared(&vm->spt.lock);
    int error = spt_map(&vm->spt, vm->spt.base, mapping, needed, cache, gather);
    rwlock_unlock_shared(&vm->spt.lock);
    return error;
}

static void test_a_large_leaf_without_the_permission_is_split(void **state)
{
    struct backing *backing = new_backing(512, 0);
    TLB_GATHER(gather, vm);
    TABLE_CACHE(cache);
    struct backing_page found;

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 512, backing, 0, 0, LEVEL_2M), 0);
    assert_int_equal(backing_lookup(backing, 9, &found), 0);
    backing_put(backing);
    struct spt_mapping mapping = { .gfn = { 9 }, .pfn = found.pfn, .level = LEVEL_2M, .permissions = EPT_READ };
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    assert_int_equal(map(&mapping, EPT_READ, &cache, &gather), -EAGAIN);
    assert_int_equal(mapped_level(vm, 9), 0);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    assert_int_equal(map(&mapping, EPT_READ, &cache, &gather), 0);
    assert_int_equal(cache.count, 0);
    assert_false(gather.needs_flush);
    assert_int_equal(map(&mapping, EPT_READ, &cache, &gather), -EEXIST);

    /* Smaller and writable: the large page becomes a table, and that needs one, and a flush. What else it maps stays. */
    mapping.level = LEVEL_4K;
    mapping.permissions = EPT_PERMISSIONS;
    assert_int_equal(map(&mapping, EPT_WRITE, &cache, &gather), -EAGAIN);
    assert_int_equal(mapped_level(vm, 9), LEVEL_2M);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    assert_int_equal(map(&mapping, EPT_WRITE, &cache, &gather), 0);
    assert_true(gather.needs_flush);
    tlb_gather_finish(&gather);
    assert_int_equal(mapped_level(vm, 9), LEVEL_4K);
    assert_int_equal(mapped_level(vm, 10), LEVEL_4K);
    assert_false(*entry_at(vm, 10, LEVEL_4K) & EPT_WRITE);
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
    assert_int_equal(child->role.view, 0);
    assert_int_equal(child->references, 1);
    assert_int_equal(child->generation, vm->spt.generation);
    const struct shadow_page *above = table_with(entry_at(vm, gfn, LEVEL_2M));
    assert_int_equal(above->gfn.v, gfn >> 18 << 18);
    assert_int_equal(above->role.level, LEVEL_2M);
    assert_int_equal(above->references, 1);
    above = table_with(entry_at(vm, gfn, LEVEL_1G));
    assert_int_equal(above->gfn.v, gfn >> 27 << 27);
    assert_int_equal(above->role.level, LEVEL_1G);
    above = table_with(entry_at(vm, gfn, LEVEL_512G));
    assert_ptr_equal(above, vm->spt.base->page);
    assert_int_equal(above->gfn.v, 0);
    assert_int_equal(above->role.level, LEVEL_512G);
    assert_int_equal(child->present, 1);
}

static void unlink_table(struct spt_iter it, struct tlb_gather *gather)
{
    spt_table_put(&vm->spt, shadow_page_of(ept_frame(it.old)), gather);
}

static void test_H4_unlinking_needs_exclusive_ownership(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 0, ACCESS_READ), FAULT_INSTALLED);
    struct spt_iter it = iter_at(vm, 0, LEVEL_2M);
    assert_true(ASSERTS(unlink_table(it, &gather)));
    assert_int_equal(table_with(entry_at(vm, 0, LEVEL_4K))->references, 1);
    rwlock_lock_shared(&vm->spt.lock);
    assert_true(ASSERTS(unlink_table(it, &gather)));
    rwlock_unlock_shared(&vm->spt.lock);
    rwlock_lock(&vm->spt.lock);
    /* Somebody has it: not enough. */
    port_host_processor = 1;
    assert_true(ASSERTS(unlink_table(it, &gather)));
    port_host_processor = 0;
    assert_int_equal(gather.count, 0);
    rwlock_unlock(&vm->spt.lock);
}

static u64 *large_leaf, large_leaf_taken;

/* From the first change on nothing leads to the table; the processor has a pointer to it, and writes. */
static void write_through_the_pointer(u64 *entry, u64 old, u64 value)
{
    if (entry == large_leaf)
        large_leaf_taken = old;
    else
        *large_leaf |= EPT_DIRTY;
}

static void test_P4_large_leaves_of_an_unlinked_table_are_taken(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 1024, LEVEL_2M);
    assert_int_equal(fault(vm, 600, ACCESS_WRITE), FAULT_INSTALLED);
    large_leaf = entry_at(vm, 600, LEVEL_2M);
    large_leaf_taken = 0;
    rwlock_lock(&vm->spt.lock);
    struct spt_iter it = iter_at(vm, 0, LEVEL_1G);
    port_host.on_pte = write_through_the_pointer;
    assert_true(spt_set_entry(&it, EPT_EMPTY, &gather));
    port_host.on_pte = NULL;
    rwlock_unlock(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_true(large_leaf_taken & EPT_DIRTY);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
}

/* One root: nobody else can have the table, so nobody looks for it. */
static void test_H6_one_root_looks_nothing_up(void **state)
{
    struct backing *backing = new_backing(1024, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, 1024), 0);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, 1024, LEVEL_4K), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1024);
    vm_memory_zap(vm, (gfn_t){ 0 }, 1024);
    assert_int_equal(fault(vm, 3, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_null(vm->spt.hash);
    assert_int_equal(vm_memory_get_stats(vm).lookups, 0);
}

static void test_split_maps_the_same(void **state)
{
    struct backing *backing = new_backing(1024, 0);
    enum level level;
    pfn_t before, after;

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, MEMSLOT_READ_ONLY, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 600, ACCESS_READ), FAULT_INSTALLED);
    u64 large = *entry_at(vm, 0, LEVEL_2M) | EPT_ACCESSED;
    *entry_at(vm, 0, LEVEL_2M) = large;
    assert_true(ept_walk(vm, (gfn_t){ 0 }, EPT_READ, &before, &level));
    port_host.kicks = 0;
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 511 }, 1, LEVEL_4K), 0);
    assert_int_equal(port_host.kicks, 1);
    for (u64 gfn = 0; gfn < 512; gfn++) {
        assert_true(ept_walk(vm, (gfn_t){ gfn }, EPT_READ | EPT_EXECUTE, &after, &level));
        assert_int_equal(level, LEVEL_4K);
        assert_int_equal(after.v, before.v + gfn);
        assert_false(ept_walk(vm, (gfn_t){ gfn }, EPT_WRITE, &after, &level));
        assert_true(*entry_at(vm, gfn, LEVEL_4K) & EPT_ACCESSED);
    }
    assert_int_equal(mapped_level(vm, 600), LEVEL_2M);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
}

/* Pages that are missing in a table of small ones come back, all of them, though each lies in a large piece. */
static void test_populate_maps_every_page_between_small_ones(void **state)
{
    struct backing *backing = new_backing(1024, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, 1024), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, 512, LEVEL_4K), 0);
    vm_memory_zap(vm, (gfn_t){ 3 }, 100);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, 1024), 0);
    for (u64 gfn = 0; gfn < 1024; gfn++)
        assert_int_equal(mapped_level(vm, gfn), gfn < 512 ? LEVEL_4K : LEVEL_2M);
}

static void steal_leaf(const void *word)
{
    u64 *entry = (u64 *)word;

    /* Right before the exchange: hardware notes an access in the large leaf. */
    if (entry == entry_to_change && attempts_to_change-- > 0)
        *entry ^= EPT_DIRTY;
}

static void test_R3_a_split_that_loses_gives_the_table_back(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    struct backing *backing = new_backing(512, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 512, backing, 0, 0, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    struct spt_iter it = iter_at(vm, 0, LEVEL_2M);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    rwlock_lock_shared(&vm->spt.lock);
    entry_to_change = spt_iter_entry(&it);
    attempts_to_change = 1;
    port_host.on_point = steal_leaf;
    assert_int_equal(spt_split_leaf(&it, NULL, ARM_NONE, &cache, &gather), 1);
    assert_true(ept_is_leaf(it.old, LEVEL_2M));
    assert_true(it.old & EPT_DIRTY);
    assert_int_equal(cache.count, 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    /* The dirty bit goes on in all its parts (C10). */
    assert_int_equal(spt_split_leaf(&it, NULL, ARM_NONE, &cache, &gather), 0);
    port_host.on_point = NULL;
    rwlock_unlock_shared(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_true(*entry_at(vm, 77, LEVEL_4K) & EPT_DIRTY);
}

#define SPT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPT_TEST(test_H7_replacing_entries_is_accounted),
        SPT_TEST(test_H7_a_table_by_another_table),
        SPT_TEST(test_H1_replacing_takes_all_below),
        SPT_TEST(test_G1_nothing_is_linked_below_a_dying_table),
        SPT_TEST(test_H7_a_lost_race_changes_nothing),
        SPT_TEST(test_P5_removal_without_a_gather_asserts),
        SPT_TEST(test_P6_an_upgrade_needs_no_flush),
        SPT_TEST(test_a_large_leaf_without_the_permission_is_split),
        SPT_TEST(test_H3_tables_are_recorded_where_they_are),
        SPT_TEST(test_H4_unlinking_needs_exclusive_ownership),
        SPT_TEST(test_P4_large_leaves_of_an_unlinked_table_are_taken),
        SPT_TEST(test_H6_one_root_looks_nothing_up),
        SPT_TEST(test_split_maps_the_same),
        SPT_TEST(test_populate_maps_every_page_between_small_ones),
        SPT_TEST(test_R3_a_split_that_loses_gives_the_table_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
