/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose turn it is on a processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/run_queue.h"

enum { SLICE = 100 };

static struct run_queue queue;
static struct run_entry a, b, c;
static u64 now;

static int setup(void **state)
{
    queue = (struct run_queue){ 0 };
    now = 1000;
    return 0;
}

static void add_three(void)
{
    run_add(&queue, &a);
    run_add(&queue, &b);
    run_add(&queue, &c);
}

/* `entry` has the next turn, and runs for `ticks`. */
static void expect_run(struct run_entry *entry, u64 ticks)
{
    assert_ptr_equal(run_pick(&queue, now), entry);
    now += ticks;
    run_stop(&queue, now);
}

static void expect_sleep(struct run_entry *entry, u64 ticks, u64 until)
{
    assert_ptr_equal(run_pick(&queue, now), entry);
    now += ticks;
    run_sleep(&queue, until);
    run_stop(&queue, now);
}

static void nobody(void **state)
{
    assert_null(run_pick(&queue, now));
    assert_int_equal(queue.next_wake, RUN_NO_DEADLINE);
    run_add(&queue, &a);
    expect_run(&a, 1);
    run_remove(&queue, &a);
    assert_null(run_pick(&queue, now));
}

static void all_take_turns(void **state)
{
    add_three();
    for (unsigned i = 0; i < 3; i++) {
        expect_run(&a, SLICE);
        expect_run(&b, 1);
        expect_run(&c, SLICE);
    }
}

/* Whoever of them had the last turn. */
static void ended_tasks_leave_the_ring(void **state)
{
    struct run_entry *const entries[] = { &a, &b, &c };

    for (unsigned gone = 0; gone < 3; gone++) {
        for (unsigned turns = 0; turns < 4; turns++) {
            setup(state);
            add_three();
            for (unsigned i = 0; i < turns; i++)
                expect_run(entries[i % 3], SLICE);
            run_remove(&queue, entries[gone]);
            struct run_entry *first = run_pick(&queue, now);
            run_stop(&queue, now);
            struct run_entry *second = run_pick(&queue, now);
            run_stop(&queue, now);
            assert_ptr_equal(run_pick(&queue, now), first);
            assert_ptr_not_equal(first, second);
            assert_ptr_not_equal(first, entries[gone]);
            assert_ptr_not_equal(second, entries[gone]);
            run_remove(&queue, first);
            run_remove(&queue, second);
            assert_null(run_pick(&queue, now));
        }
    }
}

static void a_sleeper_has_no_turn_until_its_time(void **state)
{
    add_three();
    expect_sleep(&a, 1, 5000);
    expect_run(&b, SLICE);
    assert_int_equal(run_next_wake(&queue), 5000);
    expect_run(&c, SLICE);
    expect_run(&b, SLICE);
    now = 5000;
    expect_run(&a, 10); /* before c, whose turn it is */
    expect_run(&c, SLICE);
    expect_run(&a, SLICE); /* as everybody else from now on */
    expect_run(&b, SLICE);
    expect_run(&c, SLICE);
    expect_run(&a, SLICE);
    assert_int_equal(queue.next_wake, RUN_NO_DEADLINE);
}

static void a_wake_ends_a_sleep(void **state)
{
    add_three();
    expect_sleep(&a, 1, RUN_NO_DEADLINE);
    expect_sleep(&b, 1, RUN_NO_DEADLINE);
    expect_sleep(&c, 1, 9000);
    assert_null(run_pick(&queue, now));
    assert_int_equal(queue.next_wake, 9000);
    assert_true(run_wake(&queue, &b));
    expect_run(&b, 1);
}

/* It comes while others are still owed time: it has its turn when they have had that, though nobody wakes it again. */
static void a_wake_that_is_early_is_not_late(void **state)
{
    add_three();
    expect_sleep(&a, 1, RUN_NO_DEADLINE);
    assert_true(run_wake(&queue, &a));
    expect_sleep(&a, 300, RUN_NO_DEADLINE); /* resumed: the others are owed as much */
    assert_ptr_equal(run_pick(&queue, now), &b);
    assert_int_equal(run_next_wake(&queue), RUN_NO_DEADLINE);
    now += 100;
    assert_true(run_wake(&queue, &a));
    assert_false(run_should_stop(&queue, now));
    assert_false(run_wake(&queue, &a)); /* once is enough: nobody is kicked for it again */
    assert_int_equal(run_next_wake(&queue), now + 200);
    now += 200;
    assert_true(run_should_stop(&queue, now));
    run_stop(&queue, now);
    expect_run(&a, 1);
}

/* Also one that comes first; and one that nobody used ends one sleep only. */
static void a_wake_is_not_lost(void **state)
{
    add_three();
    assert_false(run_wake(&queue, &b));
    expect_run(&a, 1);
    expect_sleep(&b, 1, RUN_NO_DEADLINE);
    expect_sleep(&b, 1, RUN_NO_DEADLINE); /* it resumes, before c's turn */
    expect_run(&c, SLICE);
    expect_run(&a, SLICE);
    expect_run(&c, SLICE);
    /* The one that runs is told, because it may be in its guest; it does not make room for itself. */
    assert_ptr_equal(run_pick(&queue, now), &a);
    assert_true(run_wake(&queue, &a));
    assert_false(run_should_stop(&queue, now + SLICE));
    assert_false(run_wake(&queue, &c)); /* it waits for its turn, and has it soon enough */
    assert_false(run_should_stop(&queue, now + SLICE));
    run_sleep(&queue, RUN_NO_DEADLINE);
    run_stop(&queue, now);
    expect_run(&a, 1);
}

/* A sleeper that is woken runs before the one whose turn is interrupted goes on, but takes no more than half of the time. */
static void who_is_woken_all_the_time_leaves_half(void **state)
{
    u64 times[2] = { 0, 0 };

    run_add(&queue, &a);
    run_add(&queue, &b);
    for (unsigned i = 0; i < 1000; i++) {
        struct run_entry *entry = run_pick(&queue, now);
        u64 start = now;

        assert_non_null(entry);
        if (entry == &b) {
            now += SLICE - 1;
            run_sleep(&queue, now + 1);
        } else {
            /* A guest until its slice ends, or somebody should have its place. */
            if (i % 4 < 2)
                run_wake(&queue, &b);
            while (now - start < SLICE && !run_should_stop(&queue, now) && now < run_next_wake(&queue))
                now++;
        }
        times[entry == &b] += now - start;
        run_stop(&queue, now);
    }
    assert_true(times[0] * 100 >= (times[0] + times[1]) * 49);
}

/* While nobody waits nobody is owed anything. */
static void what_is_owed_ends_when_the_processor_idles(void **state)
{
    add_three();
    expect_sleep(&a, 1, RUN_NO_DEADLINE);
    expect_sleep(&b, 1, RUN_NO_DEADLINE);
    expect_sleep(&c, 1, RUN_NO_DEADLINE);
    run_wake(&queue, &a);
    expect_sleep(&a, SLICE, RUN_NO_DEADLINE);
    assert_null(run_pick(&queue, now));
    run_wake(&queue, &b);
    assert_ptr_equal(run_pick(&queue, now), &b);
    assert_true(run_wake(&queue, &c));
    assert_true(run_should_stop(&queue, now));
}

static void who_comes_later_is_in_the_ring(void **state)
{
    add_three();
    expect_run(&a, SLICE);
    run_remove(&queue, &c);
    run_add(&queue, &c);
    for (unsigned i = 0; i < 2; i++) {
        expect_run(&b, SLICE);
        expect_run(&c, SLICE);
        expect_run(&a, SLICE);
    }
}

/* Who makes room in the middle of his turn goes on with it, before the next one's. */
static void a_turn_goes_on_after_who_came_between(void **state)
{
    add_three();
    expect_sleep(&a, 1, RUN_NO_DEADLINE);
    expect_run(&b, SLICE);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(run_pick(&queue, now), &c);
        now += 10;
        assert_true(run_wake(&queue, &a));
        run_make_room(&queue);
        run_stop(&queue, now);
        expect_sleep(&a, 5, RUN_NO_DEADLINE);
    }
    expect_run(&c, SLICE);
    expect_run(&b, SLICE);
}

static void no_turn_goes_on_that_is_over(void **state)
{
    add_three();
    expect_run(&a, SLICE);
    expect_sleep(&b, 1, RUN_NO_DEADLINE);
    expect_run(&c, SLICE);
    run_wake(&queue, &b);
    assert_ptr_equal(run_pick(&queue, now), &b);
    run_make_room(&queue);
    run_stop(&queue, now);
    expect_run(&a, SLICE);
}

/* One that came between has no turn that could go on; and no turn goes on of one that has ended, or sleeps. */
static void only_the_own_turn_goes_on(void **state)
{
    add_three();
    expect_sleep(&a, 1, RUN_NO_DEADLINE);
    expect_sleep(&b, 1, RUN_NO_DEADLINE);
    assert_ptr_equal(run_pick(&queue, now), &c);
    run_wake(&queue, &b);
    run_make_room(&queue);
    run_stop(&queue, now);
    assert_ptr_equal(run_pick(&queue, now), &b);
    run_make_room(&queue);
    run_stop(&queue, now);
    expect_run(&c, 1);
    expect_run(&b, SLICE);
    assert_ptr_equal(run_pick(&queue, now), &c);
    run_make_room(&queue);
    run_stop(&queue, now);
    run_remove(&queue, &c);
    expect_run(&b, SLICE);
    expect_run(&b, SLICE);
    run_add(&queue, &c);
    expect_run(&b, SLICE);
    assert_ptr_equal(run_pick(&queue, now), &c);
    run_make_room(&queue);
    run_sleep(&queue, RUN_NO_DEADLINE);
    run_stop(&queue, now);
    expect_run(&b, SLICE);
    expect_run(&b, SLICE);
}

static void a_short_run_before_its_turn_is_soon_paid(void **state)
{
    add_three();
    expect_sleep(&a, 1, RUN_NO_DEADLINE);
    expect_run(&b, SLICE);
    for (unsigned i = 0; i < 3; i++) {
        struct run_entry *guest = i % 2 ? &b : &c;

        assert_ptr_equal(run_pick(&queue, now), guest);
        assert_false(run_should_stop(&queue, now + 5));
        assert_true(run_wake(&queue, &a));
        assert_true(run_should_stop(&queue, now + 5)); /* what was taken before is paid */
        now += 5;
        run_stop(&queue, now);
        expect_sleep(&a, 5, RUN_NO_DEADLINE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody, setup),
        cmocka_unit_test_setup(all_take_turns, setup),
        cmocka_unit_test_setup(ended_tasks_leave_the_ring, setup),
        cmocka_unit_test_setup(a_sleeper_has_no_turn_until_its_time, setup),
        cmocka_unit_test_setup(a_wake_ends_a_sleep, setup),
        cmocka_unit_test_setup(a_wake_that_is_early_is_not_late, setup),
        cmocka_unit_test_setup(a_wake_is_not_lost, setup),
        cmocka_unit_test_setup(who_is_woken_all_the_time_leaves_half, setup),
        cmocka_unit_test_setup(what_is_owed_ends_when_the_processor_idles, setup),
        cmocka_unit_test_setup(who_comes_later_is_in_the_ring, setup),
        cmocka_unit_test_setup(a_turn_goes_on_after_who_came_between, setup),
        cmocka_unit_test_setup(no_turn_goes_on_that_is_over, setup),
        cmocka_unit_test_setup(only_the_own_turn_goes_on, setup),
        cmocka_unit_test_setup(a_short_run_before_its_turn_is_soon_paid, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
