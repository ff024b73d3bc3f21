/* SPDX-License-Identifier: BSD-2-Clause */
/* Backings where memory ends, or somebody comes between, at places that need a scene of their own. */
#include "tests/unit/backing_support.h"

#include "mm/backing_object.h"
#include "mm/invalidation.h"

enum { GB = 1 << 18, MANY = 200 };

/* Their records are full, and there is no frame for more of them. */
static void test_R3_no_memory_for_one_more_backing(void **state)
{
    struct backing *some[MANY];
    unsigned count = 1;

    some[0] = new_backing(600, BACKING_ON_DEMAND);
    port_host_take_all_but(0);
    while (count < MANY && backing_create(1, BACKING_ON_DEMAND, &some[count]) == 0)
        count++;
    assert_true(count > 1 && count < MANY);
    struct backing *none = NULL;
    assert_int_equal(backing_clone(some[0], &none), -ENOMEM);
    assert_null(none);
    port_host_give_back();
    while (count > 0)
        backing_put(some[--count]);
}

static void test_R3_clone_of_1g_without_memory(void **state)
{
    port_host_start(GB + GB / 2);
    struct backing *backing = new_backing(GB, 0);
    assert_int_equal(lookup(backing, 0).level, LEVEL_1G);
    port_host_take_all_but(0);
    struct frame_stats before = frame_get_stats(), after;
    struct backing *clone = NULL;
    assert_int_equal(backing_clone(backing, &clone), -ENOMEM);
    after = frame_get_stats();
    assert_memory_equal(&before, &after, sizeof(before));
    assert_null(clone);
    assert_int_equal(lookup(backing, 0).level, LEVEL_1G);
    assert_true(lookup(backing, 0).writable);
    port_host_give_back();
    backing_put(backing);
    port_host_stop();
}

/* The other one is gone, so nothing is copied; but the piece has to be split. */
static void test_R3_taking_over_without_memory(void **state)
{
    struct backing *backing = new_content(512, 10);
    struct backing_page found;

    backing_put(clone_of(backing));
    assert_false(lookup(backing, 9).writable);
    FAILS_UNTIL(1, backing_resolve(backing, 9, LEVEL_4K, true, &found), check_content(backing, 0, 512, 10));
    assert_true(found.writable);
    check_content(backing, 0, 512, 10);
    check_frames(512);
    backing_put(backing);
}

static struct backing *shown;
static struct invalidation invalidation;
static bool hint_is_read;

/* Begins just when a fault has looked and found nothing in its way. */
static void invalidate_after_hint(const void *word)
{
    if (hint_is_read) {
        port_host.on_point = NULL;
        invalidation_begin(&invalidation, shown, 9, 10);
    }
    hint_is_read = word == &shown->changing_count;
}

static void test_R2_a_write_to_a_shared_page_meets_an_invalidation(void **state)
{
    struct vm_memory *vm = new_vm();

    shown = new_content(512, 10);
    struct backing *clone = clone_of(shown);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 512, shown, 0, 0, LEVEL_2M), 0);
    hint_is_read = false;
    port_host.on_point = invalidate_after_hint;
    assert_int_equal(fault(vm, 9, ACCESS_WRITE), FAULT_RETRY);
    assert_null(port_host.on_point);
    assert_int_equal(mapped_level(vm, 9), 0);
    invalidation_end(&invalidation);
    assert_int_equal(fault(vm, 9, ACCESS_WRITE), FAULT_INSTALLED);
    check_content(clone, 0, 512, 10);
    assert_int_not_equal(lookup(clone, 9).pfn.v, lookup(shown, 9).pfn.v);
    vm_memory_destroy(vm);
    backing_put(clone);
    backing_put(shown);
}

/* For the page 9 of `shown`, while somebody waits to change it. */
static int (*before_me)(void);

static void end_and_change(void)
{
    port_host.on_yield = NULL;
    invalidation_end(&invalidation);
    assert_int_equal(before_me(), 0);
}

static void wait_for(int (*change)(void))
{
    before_me = change;
    invalidation_begin(&invalidation, shown, 9, 10);
    port_host.on_yield = end_and_change;
}

static int lose(void)
{
    return memory_retire(lookup(shown, 9).pfn, false);
}

static int punch(void)
{
    return backing_punch(shown, 9, 1);
}

static int migrate(void)
{
    return backing_migrate(shown, 9);
}

static void test_R3_a_page_is_lost_before_it_is_migrated(void **state)
{
    shown = new_scattered(20, 10);
    wait_for(lose);
    assert_int_equal(backing_migrate(shown, 9), -EIO);
    assert_null(port_host.on_yield);
    check_frames(19);
    backing_put(shown);
}

static void test_a_frame_is_left_before_it_is_retired(void **state)
{
    shown = new_scattered(20, 10);
    pfn_t bad = lookup(shown, 9).pfn;
    wait_for(migrate);
    assert_int_equal(memory_retire(bad, true), 0);
    assert_null(port_host.on_yield);
    check_content(shown, 0, 20, 10);
    wait_for(punch);
    bad = lookup(shown, 9).pfn;
    assert_int_equal(memory_retire(bad, true), 0);
    assert_false(has_frame(shown, 9));
    assert_int_equal(frame_get_stats().retired, 2);
    check_frames(19);
    backing_put(shown);
}

/* Nothing of it is done where the first page that leads to the frame cannot leave it. */
static void test_R3_no_memory_to_leave_a_frame(void **state)
{
    struct backing *backing = new_scattered(20, 10), *large = new_content(512, 10);

    put_content(backing, 7, 19);
    assert_int_equal(backing_share(backing, 7, backing, 9), 0);
    port_host_take_all_but(0);
    assert_int_equal(memory_retire(lookup(backing, 9).pfn, true), -ENOMEM);
    assert_int_equal(memory_retire(lookup(large, 9).pfn, false), -ENOMEM);
    assert_int_equal(lookup(backing, 7).pfn.v, lookup(backing, 9).pfn.v);
    check_content(large, 0, 512, 10);
    port_host_give_back();
    check_frames(19 + 512);
    backing_put(large);
    backing_put(backing);
}

static struct vm_memory *changing_vm;
static unsigned balloons;

/* While the slot is unmapped. */
static void balloon(struct vm_memory *vm)
{
    port_host.on_kick = NULL;
    assert_int_equal(vm_memory_balloon(changing_vm, (gfn_t){ 0 }, 1024), 0);
    balloons++;
}

/* What is leaving keeps its memory, also where the rest of the range is given up. */
static void test_M3_no_balloon_in_a_slot_that_goes(void **state)
{
    struct backing *backing = new_content(1024, 10);

    changing_vm = new_vm();
    assert_int_equal(vm_memory_add_slot(changing_vm, 0, (gfn_t){ 0 }, 512, backing, 0, 0, LEVEL_2M), 0);
    assert_int_equal(vm_memory_add_slot(changing_vm, 1, (gfn_t){ 512 }, 512, backing, 512, 0, LEVEL_2M), 0);
    assert_int_equal(fault(changing_vm, 5, ACCESS_READ), FAULT_INSTALLED);
    balloons = 0;
    port_host.on_kick = balloon;
    assert_int_equal(vm_memory_remove_slot(changing_vm, 0), 0);
    assert_int_equal(balloons, 1);
    check_content(backing, 0, 512, 10);
    for (u64 page = 512; page < 1024; page++)
        assert_false(has_frame(backing, page));
    vm_memory_destroy(changing_vm);
    backing_put(backing);
}

static void test_a_balloon_of_many_steps(void **state)
{
    struct vm_memory *vm = new_vm();

    add_ram(vm, 0, 0, 2 * GB, LEVEL_2M);
    for (u64 gfn = 0; gfn < 2 * GB; gfn += GB / 4)
        assert_int_equal(fault(vm, gfn + GB / 4 - 1, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 1 }, 2 * GB - 1), 0);
    for (u64 gfn = 0; gfn < 2 * GB; gfn += GB / 4)
        assert_int_equal(mapped_level(vm, gfn + GB / 4 - 1), 0);
    check_frames(frame_get_stats().used[FRAME_GUEST]);
    assert_true(frame_get_stats().used[FRAME_GUEST] <= 1);
    vm_memory_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_R3_no_memory_for_one_more_backing),
        cmocka_unit_test(test_R3_clone_of_1g_without_memory),
        SMALL_TEST(test_R3_taking_over_without_memory),
        SMALL_TEST(test_R2_a_write_to_a_shared_page_meets_an_invalidation),
        RETIRE_TEST(test_R3_a_page_is_lost_before_it_is_migrated),
        RETIRE_TEST(test_a_frame_is_left_before_it_is_retired),
        SMALL_TEST(test_R3_no_memory_to_leave_a_frame),
        SMALL_TEST(test_M3_no_balloon_in_a_slot_that_goes),
        SMALL_TEST(test_a_balloon_of_many_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
