/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_rate.c: known writes are counted exactly, by both methods. */
#include "tests/unit/rate_support.h"

static void test_writes_to_small_pages_are_counted_exactly(void **state)
{
    show(1000, 3000, 0, LEVEL_4K);
    map_all();
    for (unsigned way = 0; way < WAYS; way++) {
        begin(ways[way].method, ways[way].small);
        sample_is(0, 0);
        write_some(1000, 700, 3);
        sample_is(700, 700);
        /* What is remembered of entries is forgotten: written again, counted again, but not new. */
        write_some(1000, 700, 3);
        sample_is(700, 0);
        /* 0, 6, … 1194 were there, and 2100, 2106, … 2994 are not. */
        write_some(1000, 500, 6);
        sample_is(500, 150);
        guest_write(&cpus[0], 3999);
        guest_write(&cpus[1], 1000);
        guest_read(&cpus[0], 1001);
        sample_is(2, 1);
        sample_is(0, 0);
        dirty_rate_end(&rate);
        nothing_is_left();
    }
}

static void test_leaves_are_counted_by_level(void **state)
{
    struct dirty_sample sample;

    show(1024, 2048, 0, LEVEL_2M);
    map_all();
    begin(RATE_BY_D_BITS, false);
    write_some(1024, 3, 1);
    write_some(2048, 2, 1);
    sample = sample_now();
    assert_int_equal(sample.pages, 1024);
    assert_int_equal(sample.new_pages, 1024);
    assert_int_equal(sample.leaves[LEVEL_2M], 2);
    assert_int_equal(sample.leaves[LEVEL_4K], 0);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 1024 }, 512, LEVEL_4K), 0);
    write_some(1100, 5, 2);
    write_some(3000, 1, 1);
    sample = sample_now();
    assert_int_equal(sample.pages, 512 + 5);
    assert_int_equal(sample.new_pages, 512);
    assert_int_equal(sample.leaves[LEVEL_2M], 1);
    assert_int_equal(sample.leaves[LEVEL_4K], 5);
    dirty_rate_end(&rate);
    assert_false(vm->wants_recovery);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 3);
    nothing_is_left();
}

/* Also of a large page that came to be in the middle: that one counts as a whole once. */
static void test_small_counts_pages_of_4K_of_large_ones(void **state)
{
    show(1024, 2048, 0, LEVEL_2M);
    map_all();
    begin(RATE_BY_D_BITS, true);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
    write_some(1024, 100, 20);
    sample_is(100, 100);
    vm_memory_zap(vm, (gfn_t){ 1024 }, 512);
    write_some(1024, 1, 1);
    assert_int_equal(level_of(&cpus[0].vcpu, 1024), LEVEL_2M);
    sample_is(512, 512 - 26);
    write_some(1025, 7, 1);
    sample_is(7, 0);
    vm_want_recovery(vm, false);
    dirty_rate_end(&rate);
    assert_true(vm->wants_recovery);
    nothing_is_left();
}

static void test_a_log_splits_all_or_what_is_written(void **state)
{
    show(1024, 2048, 0, LEVEL_2M);
    for (unsigned small = 0; small < 2; small++) {
        vm_memory_zap(vm, (gfn_t){ 1024 }, 2048);
        map_all();
        begin(RATE_BY_LOG, small);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], small ? 0 : 4);
        write_some(1600, 20, 2);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], small ? 0 : 3);
        sample_is(20, 20);
        write_some(1600, 21, 2);
        sample_is(21, 1);
        vm_want_recovery(vm, false);
        dirty_rate_end(&rate);
        assert_true(vm->wants_recovery);
        nothing_is_left();
    }
}

static void write_while_it_starts(void)
{
    if (rate.vm != NULL && page_set_count(rate.period) < 50)
        guest_write(&cpus[0], 1024 + 17);
}

/* To start takes time, and what is written in it does not belong to the first period. */
static void test_the_first_period_begins_when_begin_returns(void **state)
{
    show(1024, 2048, 0, LEVEL_2M);
    for (unsigned way = 0; way < WAYS; way++) {
        map_all();
        port_host.on_yield = ways[way].method == RATE_BY_LOG ? write_while_it_starts : NULL;
        begin(ways[way].method, ways[way].small);
        port_host.on_yield = NULL;
        leave_all();
        assert_int_equal(page_set_count(rate.period), 0);
        /* One may have come in the last yield, and is then still remembered. */
        assert_true(sample_now().pages <= 1);
        sample_is(0, 0);
        write_some(1024, 1, 1);
        assert_int_equal(sample_now().pages, ways[way].method == RATE_BY_D_BITS && !ways[way].small ? 512 : 1);
        dirty_rate_end(&rate);
        vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_writes_to_small_pages_are_counted_exactly),  BOTH(test_leaves_are_counted_by_level),
        BOTH(test_small_counts_pages_of_4K_of_large_ones),     BOTH(test_a_log_splits_all_or_what_is_written),
        BOTH(test_the_first_period_begins_when_begin_returns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
