/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_collapse.c through vm_memory_recover(): which tables become one leaf, what the leaf says, and what stays. */
#include "tests/unit/collapse_support.h"

enum { GB = 1 << 18, RAM_GB = GB + 1024 + 8192 };

static u64 faults(void)
{
    return vm_memory_get_stats(vm).faults_installed;
}

/* What children may be besides what a split makes. */
static void as_split(void)
{
}

static void some_noted(void)
{
    *entry_at(vm, 3, LEVEL_4K) |= EPT_ACCESSED;
    *entry_at(vm, 511, LEVEL_4K) |= EPT_ACCESSED | EPT_DIRTY;
}

static void protected(void)
{
    vm_memory_write_protect(vm, (gfn_t){ 0 }, REGION);
}

static void some_given_back(void)
{
    protected();
    for (u64 gfn = 0; gfn < REGION; gfn += 17)
        assert_int_equal(fault_by(&base, gfn, ACCESS_WRITE), FAULT_SPURIOUS);
}

static void most_absent(void)
{
    vm_memory_zap(vm, (gfn_t){ 0 }, 37);
    vm_memory_zap(vm, (gfn_t){ 39 }, 400);
}

static void test_C4_equal_children_become_one_leaf(void **state)
{
    static void (*const variants[])(void) = { as_split, some_noted, protected, some_given_back, most_absent };

    show(0, 0, 0, PAGES, 0);
    for (unsigned i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        vm_memory_zap(vm, (gfn_t){ 0 }, PAGES);
        map_small(0, PAGES);
        variants[i]();
        u64 before = faults(), tables = tables_of(vm), collapses = vm_memory_get_stats(vm).collapses;
        struct recover_result result = recover_all();

        assert_int_equal(result.collapsed, 2);
        assert_int_equal(*entry_at(vm, 0, LEVEL_2M),
                         large_leaf(0, ALL) | (variants[i] == some_noted ? EPT_ACCESSED | EPT_DIRTY : 0));
        assert_int_equal(*entry_at(vm, REGION, LEVEL_2M), large_leaf(REGION, ALL));
        for (u64 gfn = 0; gfn < PAGES; gfn++)
            assert_int_equal(may(&base, gfn), ALL);
        assert_int_equal(tables_of(vm), tables - 2);
        struct vm_memory_stats stats = vm_memory_get_stats(vm);
        assert_int_equal(stats.collapses, collapses + 2);
        assert_int_equal(stats.mapped[LEVEL_4K], 0);
        assert_int_equal(stats.mapped[LEVEL_2M], 2);
        assert_int_equal(faults(), before);
        assert_all_sound(vm);
        /* There is nothing left to do. */
        port_host.kicks = 0;
        result = recover_all();
        assert_int_equal(result.collapsed + result.different + result.edges + result.scattered, 0);
        assert_int_equal(port_host.kicks, 0);
    }
}

/* Each of 512 children can be the one that differs, in each of these bits. */
static void test_C4_one_child_that_differs(void **state)
{
    static const u64 deviations[] = { PAGE_SIZE,      REGION * PAGE_SIZE, EPT_EXECUTE, EPT_READ | EPT_WRITE,
                                      EPT_IGNORE_PAT, EPT_TYPE_WB,        1ull << 51 };

    show_small();
    for (unsigned i = 0; i < sizeof(deviations) / sizeof(deviations[0]); i++) {
        for (u64 gfn = 0; gfn < REGION; gfn += i == 0 ? 1 : 73) {
            u64 *entry = entry_at(vm, gfn, LEVEL_4K), good = *entry;

            *entry ^= deviations[i];
            u64 bad = *entry;
            struct recover_result result = recover(0, REGION);
            assert_int_equal(result.collapsed, 0);
            assert_int_equal(result.different, 1);
            assert_ptr_equal(entry_at(vm, gfn, LEVEL_4K), entry);
            assert_int_equal(*entry, bad);
            *entry = good;
        }
    }
    assert_level(&base, 0, PAGES, LEVEL_4K);
    assert_int_equal(recover_all().collapsed, 2);
}

/* What the slot does not permit, and a child does: it has just become read-only, and somebody will come to see to that. */
static void test_C4_a_child_that_permits_more(void **state)
{
    show(0, 0, 0, PAGES, MEMSLOT_READ_ONLY);
    map_small(0, PAGES);
    static const u64 more[] = { EPT_WRITE, EPT_MAY_WRITE, EPT_WRITE | EPT_MAY_WRITE };

    for (unsigned i = 0; i < 3; i++) {
        u64 *entry = entry_at(vm, 100, LEVEL_4K), good = *entry;

        *entry |= more[i];
        assert_int_equal(recover_all().different, 1);
        assert_int_equal(level_of(&base, 100), LEVEL_4K);
        *entry = good;
        map_small(REGION, REGION);
    }
    recover_all();
    assert_int_equal(*entry_at(vm, 0, LEVEL_2M), large_leaf(0, ACCESS_READ | ACCESS_EXECUTE));
}

/* A large piece that others read too is one large leaf, which nobody writes through. */
static void test_C4_a_shared_piece_is_not_writable(void **state)
{
    struct backing *clone = clone_of(backing);

    show_small();
    assert_int_equal(recover_all().collapsed, 2);
    assert_int_equal(*entry_at(vm, 0, LEVEL_2M), large_leaf(0, ACCESS_READ | ACCESS_EXECUTE));
    backing_put(clone);
}

static void test_C4_nothing_to_do_without_children(void **state)
{
    TABLE_CACHE(cache);

    show(0, 0, 0, PAGES, 0);
    assert_int_equal(table_cache_fill(&cache, 4), 0);
    /* A marker of a device from before there was memory is no child. */
    map_small(0, REGION);
    rwlock_lock_shared(&vm->spt.lock);
    struct spt_iter it = iter_at(vm, REGION, LEVEL_2M);
    assert_int_equal(spt_link_table(&it, NULL, &cache, NULL), 0);
    rwlock_unlock_shared(&vm->spt.lock);
    *entry_at(vm, REGION + 3, LEVEL_4K) = ept_marker(1);
    struct recover_result result = recover_all();
    assert_int_equal(result.collapsed, 1);
    assert_int_equal(result.absent, 1);
    assert_int_equal(level_of(&base, REGION), 0);
    /* With one child there is something. */
    assert_int_equal(fault_by(&base, REGION + 9, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, REGION + 9), LEVEL_4K);
    assert_int_equal(recover_all().collapsed, 1);
    assert_level(&base, 0, PAGES, LEVEL_2M);
}

static void test_C5_edges_stay_small(void **state)
{
    backing_put(backing);
    backing = new_backing(2048, 0);
    show(0, 100, 100, 1500, 0);
    /* Another offset in the guest than in the backing. */
    show(1, 4096, 4, 1024, 0);
    /* Each smaller than a region, and beside each other. */
    show(2, 8192, 0, 300, 0);
    show(3, 8192 + 300, 300, 212, 0);
    map_small(0, 16384);
    u64 small = vm_memory_get_stats(vm).mapped[LEVEL_4K];
    struct recover_result result = recover_all();
    assert_int_equal(result.collapsed, 2);
    assert_int_equal(result.edges, 2 + 2 + 1);
    assert_level(&base, 100, 512, LEVEL_4K);
    assert_level(&base, 512, 1536, LEVEL_2M);
    assert_level(&base, 1536, 1600, LEVEL_4K);
    assert_level(&base, 4096, 4096 + 1024, LEVEL_4K);
    assert_level(&base, 8192, 8192 + 512, LEVEL_4K);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], small - 1024);
    assert_all_sound(vm);
}

/* Only regions that lie wholly in the range, and nothing where there is no slot. */
static void test_C5_edges_of_the_range(void **state)
{
    show(0, 4096, 0, PAGES, 0);
    map_small(4096, PAGES);
    assert_int_equal(recover(4096 + 1, PAGES - 2).collapsed, 0);
    assert_int_equal(recover(4096 + 1, PAGES - 1).collapsed, 1);
    assert_int_equal(level_of(&base, 4096), LEVEL_4K);
    assert_int_equal(level_of(&base, 4096 + REGION), LEVEL_2M);
    assert_int_equal(recover(0, 4096 + REGION - 1).collapsed, 0);
    assert_int_equal(recover(~0ull, 5).collapsed, 0);
    assert_int_equal(recover(5, 0).collapsed, 0);
    assert_int_equal(recover(0, 4096 + REGION).collapsed, 1);
}

static void test_C6_small_pieces_stay_small(void **state)
{
    struct backing *scattered = new_scattered(REGION, 1);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, REGION, scattered, 0, 0, LEVEL_1G), 0);
    backing_put(scattered);
    map_small(0, REGION);
    struct recover_result result = recover_all();
    assert_int_equal(result.scattered, 1);
    assert_int_equal(result.collapsed, 0);
    assert_level(&base, 0, REGION, LEVEL_4K);
}

static void with_caps(struct mm_caps caps, enum level largest)
{
    port_host_start(SMALL_RAM);
    mm_init(&caps);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    backing = new_backing(REGION, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, REGION, backing, 0, 0, largest), 0);
    map_small(0, REGION);
    assert_int_equal(recover_all().edges, 1);
    assert_level(&base, 0, REGION, LEVEL_4K);
    backing_put(backing);
    vcpu_memory_destroy(&base);
    vm_memory_destroy(vm);
    port_host_stop();
}

static void test_C9_what_may_not_be_mapped_large(void **state)
{
    struct mm_caps caps = port_host_caps;

    with_caps(caps, LEVEL_4K);
    caps.page_2m = caps.page_1g = false;
    with_caps(caps, LEVEL_1G);
}

static void test_C4_up_to_1g(void **state)
{
    port_host_start(RAM_GB);
    backing = new_backing(GB, 0);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ GB }, GB, backing, 0, 0, LEVEL_1G), 0);
    u64 tables = tables_of(vm);
    map_small(GB, GB);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], GB);
    vm_memory_zap(vm, (gfn_t){ GB + 20 * REGION }, 3 * REGION);
    *entry_at(vm, GB + 5000, LEVEL_4K) |= EPT_DIRTY;
    port_host.kicks = port_host.yields = 0;
    assert_int_equal(recover(GB + 1, GB - 1).collapsed, 512 - 3 - 1);
    assert_int_equal(level_of(&base, GB + 5000), LEVEL_2M);
    assert_true(port_host.yields >= 512 / 32 && port_host.yields <= 512 / 32 + 2);
    assert_int_equal(port_host.kicks, 1);
    /* A part of it is not all of it. */
    assert_int_equal(recover(GB, REGION).collapsed, 1);
    assert_int_equal(recover(GB + 1, GB - 1).collapsed, 0);
    assert_int_equal(recover(GB, GB - 1).collapsed, 0);
    assert_int_equal(recover_all().collapsed, 1);
    u64 leaf = ept_leaf(lookup(backing, 0).pfn, LEVEL_1G, ALL) | EPT_DIRTY;
    assert_int_equal(*entry_at(vm, GB, LEVEL_1G), leaf);
    struct vm_memory_stats stats = vm_memory_get_stats(vm);
    assert_int_equal(stats.mapped[LEVEL_1G], 1);
    assert_int_equal(stats.mapped[LEVEL_2M] + stats.mapped[LEVEL_4K], 0);
    assert_int_equal(stats.tables, tables + 1);
    /* From 4K to 1G in one call; one 2M that differs keeps the rest from 1G. */
    map_small(GB, GB);
    *entry_at(vm, GB + 5000, LEVEL_4K) ^= PAGE_SIZE;
    assert_int_equal(recover_all().collapsed, 511);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512);
    *entry_at(vm, GB + 5000, LEVEL_4K) ^= PAGE_SIZE;
    assert_int_equal(recover_all().collapsed, 2);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_1G], 1);
    table_cache_drain(&base.cache);
    assert_sound();
    backing_put(backing);
    vcpu_memory_destroy(&base);
    vm_memory_destroy(vm);
    port_host_stop();
}

static u64 kick_tables;

static void count_tables(struct vm_memory *flushed)
{
    kick_tables = frame_get_stats().used[FRAME_TABLE];
}

/* Two regions in each of many slots: one flush for 512 tables, and one for what is left. No frame goes back before. */
static void test_C3_batches(void **state)
{
    enum { SLOTS = 280, TABLES = 2 * SLOTS };

    for (u32 i = 0; i < SLOTS; i++) {
        show(i, i * PAGES, 0, PAGES, 0);
        map_small(i * PAGES, PAGES);
    }
    u64 tables = frame_get_stats().used[FRAME_TABLE];
    port_host.on_kick = count_tables;
    port_host.kicks = 0;
    assert_int_equal(recover(0, 100 * PAGES).collapsed, 200);
    assert_int_equal(port_host.kicks, 1);
    assert_int_equal(kick_tables, tables);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables - 200);
    assert_int_equal(recover_all().collapsed, TABLES - 200);
    assert_int_equal(port_host.kicks, 2);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, SLOTS * PAGES, LEVEL_4K), 0);
    port_host.kicks = 0;
    assert_int_equal(recover_all().collapsed, TABLES);
    assert_int_equal(port_host.kicks, 2);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables - TABLES);
}

static void test_R2_not_while_it_is_invalidated(void **state)
{
    struct invalidation invalidation;

    show_small();
    invalidation_begin(&invalidation, backing, 5, 6);
    struct recover_result result = recover_all();
    assert_int_equal(result.changing, 1);
    assert_int_equal(result.collapsed, 1);
    assert_level(&base, 0, 5, LEVEL_4K);
    assert_int_equal(level_of(&base, 5), 0);
    assert_true(vm_memory_wants_recovery(vm));
    invalidation_end(&invalidation);
    assert_int_equal(recover_all().collapsed, 1);
    assert_level(&base, 0, PAGES, LEVEL_2M);
    assert_false(vm_memory_wants_recovery(vm));
}

static void test_R2_an_invalidation_finds_the_leaf(void **state)
{
    show_small();
    recover_all();
    assert_int_equal(backing_migrate(backing, 5), 0);
    assert_level(&base, 0, REGION, 0);
    assert_int_equal(fault_by(&base, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(ept_frame(*entry_of(&base, 5)).v, lookup(backing, 5).pfn.v);
    /* It is not one piece any more. */
    map_small(0, REGION);
    assert_int_equal(recover_all().scattered, 1);
    assert_level(&base, 0, REGION, LEVEL_4K);
}

/* The slot is on its way out, and nothing is made of it any more. */
static void test_M3_a_slot_that_is_invalid(void **state)
{
    show_small();
    assert_int_equal(memslots_begin_change(&vm->slots), 0);
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);
    memslots_invalidate(&vm->slots, slot);
    assert_int_equal(recover_all().collapsed, 0);
    assert_level(&base, 0, PAGES, LEVEL_4K);
    vm_memory_zap(vm, (gfn_t){ 0 }, PAGES);
    memslots_remove(&vm->slots, slot);
    memslot_destroy(slot);
    memslots_end_change(&vm->slots);
}

static void test_H4_a_collapse_is_exclusive(void **state)
{
    TLB_GATHER(gather, vm);
    struct spt_collapse done = { 0 };
    struct spt_mapping large = { .level = LEVEL_2M, .permissions = ALL };

    show_small();
    large.pfn = lookup(backing, 0).pfn;
    rwlock_lock_shared(&vm->spt.lock);
    assert_true(ASSERTS(spt_collapse(&vm->spt, &large, false, &gather, &done)));
    /* Also where there is nothing to do. */
    large.gfn.v = 8 * PAGES;
    assert_true(ASSERTS(spt_collapse(&vm->spt, &large, false, &gather, &done)));
    struct spt_iter it = iter_at(vm, 0, LEVEL_2M);
    assert_true(ASSERTS(spt_replace_table(&it, large_leaf(0, ALL), &gather)));
    rwlock_unlock_shared(&vm->spt.lock);
    assert_level(&base, 0, PAGES, LEVEL_4K);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COLLAPSE_TEST(test_C4_equal_children_become_one_leaf),
        COLLAPSE_TEST(test_C4_one_child_that_differs),
        COLLAPSE_TEST(test_C4_a_child_that_permits_more),
        COLLAPSE_TEST(test_C4_a_shared_piece_is_not_writable),
        COLLAPSE_TEST(test_C4_nothing_to_do_without_children),
        COLLAPSE_TEST(test_C5_edges_stay_small),
        COLLAPSE_TEST(test_C5_edges_of_the_range),
        COLLAPSE_TEST(test_C6_small_pieces_stay_small),
        cmocka_unit_test(test_C9_what_may_not_be_mapped_large),
        cmocka_unit_test(test_C4_up_to_1g),
        COLLAPSE_TEST(test_C3_batches),
        COLLAPSE_TEST(test_R2_not_while_it_is_invalidated),
        COLLAPSE_TEST(test_R2_an_invalidation_finds_the_leaf),
        COLLAPSE_TEST(test_M3_a_slot_that_is_invalid),
        COLLAPSE_TEST(test_H4_a_collapse_is_exclusive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
