/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/vm_populate.c: ranges over slots, holes and everything else, with changes between the steps. */
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { GB = 1 << 18, TABLES = 150 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;
static unsigned yields;

static int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &base, &a);
}

static int populate(u64 first, u64 npages)
{
    return vm_memory_populate(vm, (gfn_t){ first }, npages);
}

static void assert_mapped(u64 first, u64 end, int level)
{
    for (u64 gfn = first; gfn < end; gfn++)
        assert_int_equal(level_of(&base, gfn), level);
}

static void show(u32 id, u64 first, struct backing *backing, u64 offset, u64 npages, u32 flags)
{
    assert_int_equal(vm_memory_add_slot(vm, id, (gfn_t){ first }, npages, backing, offset, flags, LEVEL_2M), 0);
}

static void test_populate_maps_what_slots_show(void **state)
{
    add_ram(vm, 0, 100, 200, LEVEL_1G);
    add_ram(vm, 1, 300, 50, LEVEL_1G);
    add_ram(vm, 2, 1024, 1100, LEVEL_1G);
    struct backing *backing = new_backing(10, 0);
    show(3, GB, backing, 2, 5, MEMSLOT_READ_ONLY);
    backing_put(backing);
    assert_int_equal(populate(150, 1ull << 36), 0);
    assert_mapped(100, 150, 0);
    assert_mapped(150, 350, LEVEL_4K);
    assert_mapped(350, 1024, 0);
    assert_mapped(1024, 2048, LEVEL_2M);
    assert_mapped(2048, 2124, LEVEL_4K);
    assert_mapped(2124, 2200, 0);
    assert_mapped(GB, GB + 5, LEVEL_4K);
    for (u64 gfn = 0; gfn < 5; gfn++)
        assert_int_equal(may(&base, GB + gfn), ACCESS_READ | ACCESS_EXECUTE);
    assert_int_equal(may(&base, 2123), ALL);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 200 + 76 + 5);
    assert_int_equal(vm_memory_get_stats(vm).faults, 0);
    struct vm_memory_stats before = vm_memory_get_stats(vm);
    assert_int_equal(populate(150, ~0ull), 0);
    struct vm_memory_stats after = vm_memory_get_stats(vm);
    assert_memory_equal(&before, &after, sizeof(after));
    assert_int_equal(populate(~0ull, 1), 0);
    assert_int_equal(populate(vm_gfn_limit(), ~0ull), 0);
    assert_int_equal(populate(120, 0), 0);
    assert_int_equal(populate(120, 1), 0);
    assert_mapped(119, 120, 0);
    assert_mapped(120, 121, LEVEL_4K);
    assert_mapped(121, 150, 0);
}

/* A large piece that is mapped 4K has gaps: all of them are filled. */
static void test_populate_fills_the_gaps_of_a_split_page(void **state)
{
    add_ram(vm, 0, 0, 512 * 2, LEVEL_2M);
    assert_int_equal(populate(0, 1024), 0);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, 1024, LEVEL_4K), 0);
    vm_memory_zap(vm, (gfn_t){ 100 }, 50);
    vm_memory_zap(vm, (gfn_t){ 700 }, 1);
    assert_int_equal(populate(0, 1024), 0);
    assert_mapped(0, 1024, LEVEL_4K);
}

static void test_populate_shares_what_is_shared(void **state)
{
    struct backing *backing = new_content(512, 5);
    struct backing *clone = clone_of(backing);

    show(0, 0, clone, 0, 512, 0);
    assert_int_equal(populate(0, 512), 0);
    assert_true(may(&base, 7) == (ACCESS_READ | ACCESS_EXECUTE));
    check_shared(backing, clone, 0, 512);
    assert_int_equal(fault_by(&base, 7, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(may(&base, 7), ALL);
    backing_put(backing);
    backing_put(clone);
}

static void test_populate_leaves_out_what_is_lost(void **state)
{
    struct backing *backing = new_scattered(8, 5);

    vm = new_vm();
    vcpu_memory_init(&base, vm);
    show(0, 0, backing, 0, 8, 0);
    assert_int_equal(memory_retire(lookup(backing, 3).pfn, false), 0);
    backing_put(backing);
    assert_int_equal(populate(0, 8), 0);
    assert_mapped(0, 3, LEVEL_4K);
    assert_mapped(3, 4, 0);
    assert_mapped(4, 8, LEVEL_4K);
    assert_int_equal(fault_by(&base, 3, ACCESS_READ), FAULT_LOST);
    vcpu_memory_destroy(&base);
    vm_memory_destroy(vm);
}

static void test_R3_populate_without_memory(void **state)
{
    int error = -ENOMEM;
    u64 failures = 0;

    for (; error != 0; failures++) {
        add_ram(vm, 0, 0, 100, LEVEL_4K);
        add_ram(vm, 1, GB, 3, LEVEL_4K);
        struct frame_stats before = frame_get_stats();
        port_host_take_all_but(failures);
        error = populate(0, 2 * GB);
        port_host_give_back();
        assert_all_sound(vm);
        assert_true(error == 0 || error == -ENOMEM);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K] == 103, error == 0);
        vm_memory_zap(vm, (gfn_t){ 0 }, 2 * GB);
        assert_int_equal(frame_get_stats().used[FRAME_TABLE], before.used[FRAME_TABLE]);
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
        assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    }
    assert_true(failures > 103);
}

/* Behind the walk, at it, and before it: slots come and go, pages move, and tables go. */
static void change_meanwhile(void)
{
    port_host.on_yield = NULL;
    assert_tree_sound(vm);
    switch (yields++) {
    case 0:
        vm_memory_zap(vm, (gfn_t){ 0 }, 10);
        break;
    case 1:
        assert_int_equal(vm_memory_invalidate_all(vm), 0);
        break;
    case 2:
        assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 512 * (TABLES - 1) }, 1), 0);
        break;
    case 3:
        vm_memory_limit_tables(vm, VM_MIN_TABLES);
        break;
    case 4:
        vm_memory_limit_tables(vm, 0);
        break;
    case 5:
        /* Not while populate() reads the slots: a change would wait for it. */
        add_ram(vm, TABLES, 512ull * TABLES, 4, LEVEL_4K);
        break;
    case 6:
        assert_int_equal(vm_memory_remove_slot(vm, TABLES - 2), 0);
        break;
    default:
        break;
    }
    port_host.on_yield = change_meanwhile;
}

static void test_C8_populate_goes_on_where_it_yielded(void **state)
{
    yields = 0;
    for (u32 i = 0; i < TABLES; i++)
        add_ram(vm, i, 512 * i, 2, LEVEL_4K);
    watch_flushes();
    port_host.on_yield = change_meanwhile;
    assert_int_equal(populate(0, 1ull << 36), 0);
    port_host.on_yield = NULL;
    assert_true(yields >= TABLES && yields < TABLES * 2);
    assert_false(flush_is_due);
    assert_mapped(512 * (TABLES - 1), 512 * (TABLES - 1) + 2, LEVEL_4K);
    assert_mapped(512 * (TABLES - 2), 512 * (TABLES - 2) + 2, 0);
    assert_mapped(512ull * TABLES, 512ull * TABLES + 4, LEVEL_4K);
    for (u64 i = 10; i < TABLES - 2; i++)
        assert_mapped(512 * i, 512 * i + 2, LEVEL_4K);
}

static struct backing *moving;

static void move_before_the_lock(const void *word)
{
    if (word != &vm->spt.lock.reader_in)
        return;
    port_host.on_point = NULL;
    assert_int_equal(backing_migrate(moving, 3), 0);
}

static void test_R2_populate_maps_no_frame_that_moved(void **state)
{
    moving = new_scattered(8, 5);
    show(0, 0, moving, 0, 8, 0);
    port_host.on_point = move_before_the_lock;
    assert_int_equal(populate(0, 8), 0);
    assert_null(port_host.on_point);
    assert_mapped(0, 8, LEVEL_4K);
    assert_all_sound(vm);
    backing_put(moving);
}

static void populate_what_goes(void)
{
    port_host.on_yield = NULL;
    yields++;
    assert_int_equal(populate(0, 1024), 0);
    assert_mapped(0, 2, 0);
    port_host.on_yield = populate_what_goes;
}

static void test_M3_populate_maps_no_slot_that_goes(void **state)
{
    yields = 0;
    add_ram(vm, 0, 0, 512 * TABLES, LEVEL_4K);
    for (u64 i = 0; i < TABLES; i++)
        fault_by(&base, 512 * i, ACCESS_READ);
    port_host.on_yield = populate_what_goes;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_int_equal(tables_of(vm), 1);
}

#define POPULATE_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POPULATE_TEST(test_populate_maps_what_slots_show),
        POPULATE_TEST(test_populate_fills_the_gaps_of_a_split_page),
        POPULATE_TEST(test_populate_shares_what_is_shared),
        RETIRE_TEST(test_populate_leaves_out_what_is_lost),
        POPULATE_TEST(test_R3_populate_without_memory),
        POPULATE_TEST(test_C8_populate_goes_on_where_it_yielded),
        POPULATE_TEST(test_R2_populate_maps_no_frame_that_moved),
        POPULATE_TEST(test_M3_populate_maps_no_slot_that_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
