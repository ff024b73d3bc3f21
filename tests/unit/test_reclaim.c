/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_reclaim.c: the limit holds, the oldest go, with all that is above and beside them, and the guest gets on. */
#include "tests/unit/view_support.h"

enum { GB = 1 << 18, LIMIT = 40, REGIONS = 300 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;

static int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    add_ram(vm, 0, 0, 512ull * REGIONS, LEVEL_4K);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &base, &a);
}

static void touch(struct vcpu_memory *vcpu, u64 region)
{
    assert_int_not_equal(fault_by(vcpu, 512 * region, ACCESS_READ), FAULT_RETRY);
    assert_true(may(vcpu, 512 * region) != 0);
}

/* What the limit is about. */
static u64 besides_roots(void)
{
    return tables_of(vm) - vm->spt.root_count;
}

static void test_the_limit_holds_and_the_oldest_go(void **state)
{
    vm_memory_limit_tables(vm, LIMIT);
    for (u64 i = 0; i < REGIONS; i++) {
        touch(&base, i);
        assert_true(besides_roots() <= LIMIT);
    }
    struct vm_memory_stats stats = vm_memory_get_stats(vm);
    assert_int_equal(stats.reclaimed + stats.tables, 3 + REGIONS);
    assert_int_equal(stats.faults_installed, REGIONS);
    /* What is left are the last ones, without a gap. */
    u64 first = REGIONS - (stats.tables - 3);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(level_of(&base, 512 * i), i >= first ? LEVEL_4K : 0);
    assert_int_equal(stats.mapped[LEVEL_4K], stats.tables - 3);
    /* An eighth at a time: one flush for many. */
    assert_int_equal(stats.flushes, stats.reclaimed / (LIMIT / 8 + 1));
}

static void test_without_a_limit_nothing_goes(void **state)
{
    for (u64 i = 0; i < 100; i++)
        touch(&base, i);
    assert_int_equal(vm_memory_get_stats(vm).reclaimed, 0);
    assert_true(ASSERTS(vm_memory_limit_tables(vm, VM_MIN_TABLES - 1)));
    vm_memory_limit_tables(vm, 102 + 1);
    spt_reclaim(&vm->spt);
    assert_int_equal(vm_memory_get_stats(vm).reclaimed, 0);
    vm_memory_limit_tables(vm, 102);
    watch_flushes();
    spt_reclaim(&vm->spt);
    assert_false(flush_is_due);
    assert_int_equal(besides_roots(), 102 - 102 / 8 - 1);
    vm_memory_limit_tables(vm, 0);
    for (u64 i = 0; i < 150; i++)
        touch(&base, i);
    assert_int_equal(tables_of(vm), 153);
}

/* Each page has three tables of its own: they go together. */
static void test_whole_families_go(void **state)
{
    enum { PAGES = 30 };

    for (u64 i = 1; i <= PAGES; i++)
        add_ram(vm, (u32)i, i << 27, 1, LEVEL_4K);
    vm_memory_limit_tables(vm, LIMIT);
    for (u64 i = 1; i <= PAGES; i++) {
        assert_int_equal(fault_by(&base, i << 27, ACCESS_READ), FAULT_INSTALLED);
        assert_true(besides_roots() <= LIMIT + 2);
        assert_int_equal(tables_of(vm) % 3, 1);
        assert_all_sound(vm);
    }
    assert_int_equal(vm_memory_get_stats(vm).reclaimed % 3, 0);
    assert_int_equal(level_of(&base, 1ull << 27), 0);
    assert_null(table_of(&base, 1ull << 27, LEVEL_1G));
    assert_int_equal(level_of(&base, (u64)PAGES << 27), LEVEL_4K);
}

static void test_all_roots_give(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, 0, 512 * 10, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 5), 0);
    for (u64 i = 0; i < 20; i++) {
        touch(&base, i);
        touch(&a, i);
    }
    /* 3 and 4 above, 20 of all, 10 of the view. */
    assert_int_equal(tables_of(vm), 7 + 20 + 10);
    watch_flushes();
    vm_memory_limit_tables(vm, 35);
    spt_reclaim(&vm->spt);
    assert_false(flush_is_due);
    assert_true(besides_roots() < 35 - 35 / 8);
    for (u64 i = 0; i < 20; i++)
        assert_int_equal(level_of(&base, 512 * i), level_of(&a, 512 * i));
    assert_int_equal(level_of(&a, 0), 0);
    assert_int_equal(level_of(&a, 512 * 19), LEVEL_4K);
    assert_all_sound(vm);
    for (u64 round = 0; round < 3; round++) {
        for (u64 i = 0; i < 60; i++) {
            touch(i % 2 == 0 ? &base : &a, i);
            assert_true(besides_roots() <= 35 + 3);
            assert_all_sound(vm);
        }
    }
}

/* Empty tables, and tables with markers only, go like others. */
static void test_empty_tables_go_too(void **state)
{
    vm_memory_limit_tables(vm, LIMIT);
    for (u64 i = 0; i < 100; i++) {
        vm_memory_mark_device(&base, gfn_to_gpa((gfn_t){ GB + 512 * i }));
        assert_true(vm_memory_is_device(&base, gfn_to_gpa((gfn_t){ GB + 512 * i })));
        assert_true(besides_roots() <= LIMIT + 2);
    }
    assert_true(vm_memory_get_stats(vm).reclaimed > 50);
    touch(&base, 0);
}

static unsigned yields;

static void reclaim_from_the_dying(void)
{
    port_host.on_yield = NULL;
    assert_tree_sound(vm);
    if (yields++ == 0) {
        u64 tables = tables_of(vm);

        assert_true(tables > 100);
        vm_memory_limit_tables(vm, VM_MIN_TABLES);
        touch(&base, 1);
        assert_true(besides_roots() <= VM_MIN_TABLES);
        assert_tree_sound(vm);
    }
    port_host.on_yield = reclaim_from_the_dying;
}

static void test_G3_dying_trees_give_first(void **state)
{
    yields = 0;
    assert_int_equal(vcpu_memory_select(&a, 0, 5), 0);
    for (u64 i = 0; i < REGIONS; i++)
        touch(&base, i);
    touch(&a, 0);
    port_host.on_yield = reclaim_from_the_dying;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    port_host.on_yield = NULL;
    assert_int_equal(level_of(&base, 512), LEVEL_4K);
    assert_true(yields > 1);
}

static void test_a_guest_that_touches_everything_gets_on(void **state)
{
    u64 seed = 3;

    vm_memory_limit_tables(vm, VM_MIN_TABLES);
    for (unsigned i = 0; i < 2000; i++) {
        u64 gfn = random_below(&seed, 512 * REGIONS) & ~255ull;
        enum fault_result result = fault_by(&base, gfn, ACCESS_WRITE);

        assert_true(result == FAULT_INSTALLED || result == FAULT_SPURIOUS);
        assert_int_equal(may(&base, gfn), ALL);
        assert_true(besides_roots() <= VM_MIN_TABLES + 2);
    }
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, 512 * 3), 0);
    assert_int_equal(level_of(&base, 511), LEVEL_4K);
    assert_true(besides_roots() <= VM_MIN_TABLES + 2);
}

static unsigned flushed;

/* Of what the VM had at the limit nothing is free yet. */
static void count_frames(struct vm_memory *which)
{
    flushed++;
    assert_false(rwlock_is_mine(&vm->spt.lock));
    assert_true(tables_of(vm) < LIMIT);
    assert_true(frame_get_stats().used[FRAME_TABLE] >= LIMIT);
}

static void test_P2_what_goes_is_free_after_the_flush(void **state)
{
    flushed = 0;
    for (u64 i = 0; i < LIMIT - 2; i++)
        touch(&base, i);
    vm_memory_limit_tables(vm, LIMIT);
    port_host.on_kick = count_frames;
    spt_reclaim(&vm->spt);
    assert_int_equal(flushed, 1);
    drain_caches(vm);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables_of(vm));
}

static void test_R8_a_limit_that_falls_costs_many_short_steps(void **state)
{
    for (u64 i = 0; i < REGIONS; i++)
        touch(&base, i);
    vm_memory_limit_tables(vm, VM_MIN_TABLES);
    port_host.yields = 0;
    spt_reclaim(&vm->spt);
    assert_int_equal(port_host.yields, (REGIONS - VM_MIN_TABLES) / ZAP_STEP + 1);
    assert_true(besides_roots() < VM_MIN_TABLES);
}

/* Roots do not count, so however many there are, an instruction that needs two tables gets both. */
static void test_many_roots_leave_room_below_the_limit(void **state)
{
    enum { VIEWS = VM_MIN_TABLES };
    static struct vcpu_memory vcpu[VIEWS];

    for (unsigned i = 0; i < VIEWS; i++) {
        u32 view = new_view(vm);

        assert_int_equal(protect(vm, view, 1 << 20, 1, ACCESS_READ), 0);
        start_vcpu(&vcpu[i], vm, view, 4);
    }
    assert_true(vm->spt.root_count > VM_MIN_TABLES);
    vm_memory_limit_tables(vm, VM_MIN_TABLES);
    for (unsigned i = 0; i < 10; i++) {
        touch(&base, 0);
        touch(&base, 1);
        assert_true(may(&base, 0) != 0 && may(&base, 512) != 0);
    }
    assert_int_equal(vm_memory_get_stats(vm).reclaimed, 0);
    for (unsigned i = 0; i < VIEWS; i++)
        vcpu_memory_destroy(&vcpu[i]);
}

/* It has no tables below it, is older than most, and maps everything. */
static void test_an_empty_root_does_not_go(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, 0, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    vm_memory_limit_tables(vm, LIMIT);
    for (u64 i = 1; i <= LIMIT; i++)
        touch(&base, i);
    assert_true(vm_memory_get_stats(vm).reclaimed > 0);
    assert_true(besides_roots() >= LIMIT - LIMIT / 8 - 1);
}

#define RECLAIM_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECLAIM_TEST(test_the_limit_holds_and_the_oldest_go),
        RECLAIM_TEST(test_without_a_limit_nothing_goes),
        RECLAIM_TEST(test_whole_families_go),
        RECLAIM_TEST(test_P2_what_goes_is_free_after_the_flush),
        RECLAIM_TEST(test_an_empty_root_does_not_go),
        RECLAIM_TEST(test_R8_a_limit_that_falls_costs_many_short_steps),
        RECLAIM_TEST(test_all_roots_give),
        RECLAIM_TEST(test_many_roots_leave_room_below_the_limit),
        RECLAIM_TEST(test_empty_tables_go_too),
        RECLAIM_TEST(test_G3_dying_trees_give_first),
        RECLAIM_TEST(test_a_guest_that_touches_everything_gets_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
