/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/vm_range.c: whole ranges over slots, holes and everything else. */
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { GB = 1 << 18 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;

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

static void test_zap_takes_the_range_in_all_roots(void **state)
{
    u32 view = new_view(vm);

    add_ram(vm, 0, 0, 1024, LEVEL_4K);
    assert_int_equal(protect(vm, view, 0, 100, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 5), 0);
    for (u64 gfn = 0; gfn < 1024; gfn += 5) {
        fault_by(&base, gfn, ACCESS_READ);
        fault_by(&a, gfn, ACCESS_READ);
    }
    watch_flushes();
    vm_memory_zap(vm, (gfn_t){ 50 }, 700);
    assert_false(flush_is_due);
    for (u64 gfn = 0; gfn < 1024; gfn += 5) {
        bool stays = gfn < 50 || gfn >= 750;

        assert_int_equal(may(&base, gfn), stays ? ALL : 0);
        assert_int_equal(may(&a, gfn), !stays ? 0 : gfn < 100 ? ACCESS_READ : ALL);
    }
    assert_all_sound(vm);
    vm_memory_zap(vm, (gfn_t){ 1ull << 36 }, 5);
    vm_memory_zap(vm, (gfn_t){ ~0ull }, ~0ull);
    vm_memory_zap(vm, (gfn_t){ 0 }, 0);
    assert_int_equal(may(&base, 0), ALL);
    vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
    assert_int_equal(tables_of(vm), 2);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

/* What is mapped and what is marked, and no more; the table goes with the last of it. */
static void test_zap_takes_a_part_of_a_table(void **state)
{
    add_ram(vm, 0, 0, 300, LEVEL_4K);
    assert_int_equal(populate(0, 512), 0);
    vm_memory_mark_device(&base, gfn_to_gpa((gfn_t){ 400 }));
    vm_memory_mark_device(&base, gfn_to_gpa((gfn_t){ 450 }));
    watch_flushes();
    vm_memory_zap(vm, (gfn_t){ 100 }, 350);
    assert_false(flush_is_due);
    for (u64 gfn = 0; gfn < 300; gfn++)
        assert_int_equal(may(&base, gfn), gfn < 100 ? ALL : 0);
    assert_int_equal(*entry_of(&base, 400), EPT_EMPTY);
    assert_true(ept_is_marker(*entry_of(&base, 450)));
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 100);
    assert_all_sound(vm);
    u64 flushes = vm_memory_get_stats(vm).flushes;
    vm_memory_zap(vm, (gfn_t){ 100 }, 350);
    assert_int_equal(vm_memory_get_stats(vm).flushes, flushes);
    vm_memory_zap(vm, (gfn_t){ 0 }, 100);
    assert_int_equal(tables_of(vm), 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

/* A view may permit to execute and not to read. */
static void test_zap_takes_what_cannot_be_read(void **state)
{
    u32 view = new_view(vm);

    add_ram(vm, 0, 0, 512, LEVEL_4K);
    assert_int_equal(protect(vm, view, 0, 512, ACCESS_EXECUTE), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(fault_by(&a, 3, ACCESS_EXECUTE), FAULT_INSTALLED);
    assert_int_equal(may(&a, 3), ACCESS_EXECUTE);
    vm_memory_zap(vm, (gfn_t){ 0 }, 512);
    assert_int_equal(may(&a, 3), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

static void test_H4_taking_leaves_is_exclusive(void **state)
{
    TLB_GATHER(gather, vm);

    add_ram(vm, 0, 0, 10, LEVEL_4K);
    assert_int_equal(populate(0, 10), 0);
    struct shadow_page *table = table_of(&base, 0, LEVEL_4K);
    assert_true(ASSERTS(spt_take_leaves(&vm->spt, table, 0, 5, &gather)));
    rwlock_lock_shared(&vm->spt.lock);
    assert_true(ASSERTS(spt_take_leaves(&vm->spt, table, 0, 5, &gather)));
    rwlock_unlock_shared(&vm->spt.lock);
    rwlock_lock(&vm->spt.lock);
    spt_take_leaves(&vm->spt, table, 0, 5, &gather);
    rwlock_unlock(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_mapped(0, 5, 0);
    assert_mapped(5, 10, LEVEL_4K);
}

static void test_balloon_gives_the_memory_back(void **state)
{
    struct backing *one = new_content(20, 100), *two = new_content(20, 200);
    struct vm_memory *other = new_vm();

    show(0, 10, one, 0, 20, 0);
    show(1, 40, two, 10, 10, MEMSLOT_READ_ONLY);
    assert_int_equal(vm_memory_add_slot(other, 0, (gfn_t){ 0 }, 20, one, 0, 0, LEVEL_4K), 0);
    assert_int_equal(populate(0, 100), 0);
    assert_int_equal(vm_memory_populate(other, (gfn_t){ 0 }, 20), 0);
    watch_flushes();
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 25 }, 20), 0);
    assert_false(flush_is_due);
    check_content(one, 0, 15, 100);
    check_content(two, 0, 10, 200);
    check_content(two, 15, 20, 200);
    for (u64 page = 0; page < 5; page++)
        assert_false(has_frame(one, 15 + page) || has_frame(two, 10 + page));
    check_frames(30);
    assert_int_equal(mapped_level(other, 15), 0);
    assert_int_equal(mapped_level(other, 14), LEVEL_4K);
    assert_mapped(10, 25, LEVEL_4K);
    assert_mapped(25, 45, 0);
    assert_mapped(45, 50, LEVEL_4K);
    assert_int_equal(fault_by(&base, 26, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(content(one, 16), 0);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 0 }, 10), 0);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ ~0ull }, 10), 0);
    check_frames(31);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 0 }, ~0ull), 0);
    check_frames(10); /* the part of `two` that the slot does not show */
    backing_put(one);
    backing_put(two);
    vm_memory_destroy(other);
}

static void test_balloon_says_what_it_could_not_do(void **state)
{
    struct backing *backing = new_content(1024, 1), *clone = clone_of(backing);
    int error;

    show(0, 0, clone, 0, 1024, 0);
    add_ram(vm, 1, 2048, 4, LEVEL_4K);
    assert_int_equal(populate(0, 4096), 0);
    port_host_take_all_but(0);
    error = vm_memory_balloon(vm, (gfn_t){ 100 }, 4096);
    port_host_give_back();
    assert_int_equal(error, -ENOMEM);
    check_content(clone, 0, 512, 1);
    for (u64 page = 512; page < 1024; page++)
        assert_false(has_frame(clone, page));
    check_content(backing, 0, 1024, 1);
    assert_mapped(2048, 2052, 0);
    backing_put(backing);
    backing_put(clone);
}

static unsigned gaps;

static void count_gaps(void)
{
    gaps += !memslots_is_read(memslots_active(&vm->slots));
}

/* Who changes slots need not wait for the whole of a large slot. */
static void test_balloon_lets_slots_change(void **state)
{
    add_ram(vm, 0, 0, 5ull * GB, LEVEL_4K);
    gaps = 0;
    port_host.on_yield = count_gaps;
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ GB / 2 }, 4ull * GB), 0);
    port_host.on_yield = NULL;
    assert_int_equal(gaps, 5);
}

#define RANGE_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RANGE_TEST(test_zap_takes_the_range_in_all_roots), RANGE_TEST(test_zap_takes_a_part_of_a_table),
        RANGE_TEST(test_zap_takes_what_cannot_be_read),    RANGE_TEST(test_H4_taking_leaves_is_exclusive),
        RANGE_TEST(test_balloon_gives_the_memory_back),    RANGE_TEST(test_balloon_says_what_it_could_not_do),
        RANGE_TEST(test_balloon_lets_slots_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
