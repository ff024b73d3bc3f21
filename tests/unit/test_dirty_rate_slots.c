/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_rate.c: slots and logs that come and go while the rate is measured. */
#include "tests/unit/rate_support.h"

/* Both ends lie in the middle of a large page. */
enum { ODD = 512 + 37 };

/* An operator's log, and a mirror that is taken from it, miss nothing whatever is measured meanwhile. */
static void test_C10_no_write_is_lost_to_a_log_while_the_rate_is_measured(void **state)
{
    static const u32 flags[] = { 0, DIRTY_LAZY, DIRTY_ALL_AT_FIRST };
    u64 seed = 5;

    show(ODD, 1500, ODD, LEVEL_2M);
    map_all();
    for (unsigned round = 0; round < 3 * WAYS; round++) {
        const struct way *way = &ways[round % WAYS];

        start_log(flags[round / WAYS]);
        begin(way->method, way->small);
        for (unsigned i = 0; i < 300; i++) {
            for (unsigned n = 0; n < 5; n++)
                guest_write(&cpus[random_below(&seed, 2)], base + random_below(&seed, pages));
            last_write = base + random_below(&seed, pages);
            if (random_below(&seed, 4) == 0)
                sample_now();
            if (random_below(&seed, 4) == 0)
                harvest();
        }
        last_write = ~0ull;
        assert_nothing_lost();
        dirty_rate_end(&rate);
        assert_int_equal(vm->logging, 1);
        write_some(base, 5, 100);
        leave_all();
        assert_int_equal(harvest(), 5);
        assert_nothing_lost();
        assert_log_sound();
        stop_log();
    }
}

static void test_harvests_of_others_do_not_change_what_a_log_counts(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    map_all();
    start_log(0);
    begin(RATE_BY_LOG, false);
    write_some(1024, 30, 3);
    leave_all();
    assert_int_equal(harvest(), 30);
    write_some(1024, 40, 3);
    sample_is(40, 40);
    assert_int_equal(harvest(), 40);
    /* A log that was there before goes on, and one that comes meanwhile stays. */
    stop_log();
    assert_int_equal(vm->logging, 1);
    write_some(1025, 3, 3);
    sample_is(3, 3);
    start_log(0);
    dirty_rate_end(&rate);
    assert_int_equal(vm->logging, 1);
    write_some(1024, 2, 1);
    leave_all();
    assert_int_equal(harvest(), 2);
    assert_nothing_lost();
    stop_log();
}

static void test_D_bits_of_a_slot_that_is_logged_are_told_to_be_too_few(void **state)
{
    show(1024, 1024, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_D_BITS, false);
    assert_false(sample_now().disturbed);
    start_log(0);
    assert_true(sample_now().disturbed);
    stop_log();
    assert_true(sample_now().disturbed);
    assert_false(sample_now().disturbed);
    dirty_rate_end(&rate);
    start_log(0);
    begin(RATE_BY_D_BITS, false);
    stop_log();
    assert_true(sample_now().disturbed);
    dirty_rate_end(&rate);
}

static void test_slots_come_and_go(void **state)
{
    for (unsigned way = 0; way < WAYS; way++) {
        add_ram(vm, 1, 100, 100, LEVEL_4K);
        add_ram(vm, 2, 5000, 100, LEVEL_4K);
        begin(ways[way].method, ways[way].small);
        write_some(100, 10, 1);
        write_some(5000, 10, 1);
        sample_is(20, 20);
        assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
        add_ram(vm, 3, 3000, 100, LEVEL_4K);
        write_some(5000, 20, 1);
        sample_is(20, 10);
        /* Now it is known. */
        write_some(3000, 30, 1);
        sample_is(30, 30);
        assert_int_equal(vm_memory_move_slot(vm, 2, (gfn_t){ 2000 }), 0);
        write_some(2000, 40, 1);
        sample_is(40, 40);
        /* Where no slot was, nothing is counted. */
        assert_int_equal(vm_memory_move_slot(vm, 3, (gfn_t){ 5100 }), 0);
        write_some(5100, 10, 1);
        sample_is(0, 0);
        dirty_rate_end(&rate);
        assert_int_equal(vm_memory_remove_slot(vm, 2), 0);
        assert_int_equal(vm_memory_remove_slot(vm, 3), 0);
        nothing_is_left();
    }
}

/* Also where all of them go. */
static void test_slots_are_all_gone(void **state)
{
    for (unsigned way = 0; way < WAYS; way++) {
        add_ram(vm, 1, 100, 100, LEVEL_4K);
        begin(ways[way].method, ways[way].small);
        write_some(100, 10, 1);
        assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
        assert_int_equal(sample_now().pages, 0);
        dirty_rate_end(&rate);
        nothing_is_left();
    }
}

/* Before the start of the second log the third slot's turn has not come, and there is no third slot any more. */
static void remove_before(const void *word)
{
    if (word != &vm->slots.changing || vm->slots.changing != 0 || vm->logging != 1)
        return;
    port_host.on_point = NULL;
    assert_int_equal(vm_memory_remove_slot(vm, 2), 0);
}

static void test_a_slot_goes_while_logs_start(void **state)
{
    for (u32 id = 1; id <= 3; id++)
        add_ram(vm, id, id * 1000, 10, LEVEL_4K);
    port_host.on_point = remove_before;
    begin(RATE_BY_LOG, false);
    assert_null(port_host.on_point);
    assert_int_equal(vm->logging, 2);
    write_some(1000, 3, 1);
    write_some(3000, 4, 1);
    sample_is(7, 7);
    dirty_rate_end(&rate);
    nothing_is_left();
}

/* Others have their turn in between. */
static void test_a_large_set_is_left_in_steps(void **state)
{
    enum { CHUNK = PAGE_SET_WORDS * PAGE_SET_WORD };
    u64 yields[2];

    add_ram(vm, 1, 0, 3 * CHUNK, LEVEL_4K);
    begin(RATE_BY_LOG, false);
    for (unsigned last = 0; last < 2; last++) {
        for (u64 chunk = 0; chunk < 3; chunk++)
            assert_int_equal(vm_memory_zero(vm, gfn_to_gpa((gfn_t){ (chunk + last) * CHUNK + 100 - 200 * last }), 8),
                             0);
        u64 before = port_host.yields;
        sample_is(3, 3);
        yields[last] = port_host.yields - before;
    }
    assert_int_equal(yields[1], yields[0]);
    for (u64 chunk = 1; chunk <= 3; chunk++)
        assert_int_equal(vm_memory_zero(vm, gfn_to_gpa((gfn_t){ chunk * CHUNK - 1 }), 8), 0);
    u64 before = port_host.yields;
    sample_is(3, 3);
    assert_true(port_host.yields - before >= yields[0] + 3);
    dirty_rate_end(&rate);
}

static unsigned moves;

/* Between the stop of the first log and the search for the next: the slot moves to where the search has been. */
static void move_behind(const void *word)
{
    (void)word;
    if (vm->slots.changing != 0 || vm->logging != 1 || moves++ != 0)
        return;
    assert_int_equal(vm_memory_move_slot(vm, 2, (gfn_t){ 50 }), 0);
}

/* No log is forgotten, or the guest would pay for it for ever. */
static void test_the_end_finds_the_logs_of_slots_that_move(void **state)
{
    add_ram(vm, 1, 200, 10, LEVEL_4K);
    add_ram(vm, 2, 5000, 10, LEVEL_4K);
    begin(RATE_BY_LOG, false);
    moves = 0;
    port_host.on_point = move_behind;
    dirty_rate_end(&rate);
    port_host.on_point = NULL;
    assert_true(moves > 0);
    nothing_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C10_no_write_is_lost_to_a_log_while_the_rate_is_measured),
        BOTH(test_harvests_of_others_do_not_change_what_a_log_counts),
        BOTH(test_D_bits_of_a_slot_that_is_logged_are_told_to_be_too_few),
        BOTH(test_slots_come_and_go),
        BOTH(test_slots_are_all_gone),
        BOTH(test_a_slot_goes_while_logs_start),
        BOTH(test_a_large_set_is_left_in_steps),
        BOTH(test_the_end_finds_the_logs_of_slots_that_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
