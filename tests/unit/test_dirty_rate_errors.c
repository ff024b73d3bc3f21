/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_rate.c: measurements that cannot begin, and those that run out of memory. */
#include "tests/unit/rate_support.h"
#include "tests/unit/slot_room.h"

static void test_errors(void **state)
{
    struct dirty_rate second;

    for (unsigned way = 0; way < WAYS; way++)
        assert_int_equal(try_begin(ways[way].method, ways[way].small), -ENOENT);
    show(1024, 100, 0, LEVEL_4K);
    add_ram(vm, 1, 5000, 100, LEVEL_4K);
    assert_int_equal(try_begin((enum rate_method)2, false), -EINVAL);
    for (unsigned way = 0; way < WAYS; way++) {
        begin(ways[way].method, ways[way].small);
        for (unsigned other = 0; other < WAYS; other++)
            assert_int_equal(dirty_rate_begin(vm, ways[other].method, ways[other].small, &second), -EBUSY);
        write_some(1024, 10, 1);
        sample_is(10, 10);
        dirty_rate_end(&rate);
        nothing_is_left();
    }
    assert_int_equal(memslots_begin_change(&vm->slots), 0);
    assert_int_equal(try_begin(RATE_BY_LOG, false), -EBUSY);
    memslots_end_change(&vm->slots);
    assert_int_equal(try_begin(RATE_BY_LOG, false), 0);
    dirty_rate_end(&rate);
}

/* Another VM is measured at the same time. */
static void test_one_measurement_for_each_VM(void **state)
{
    struct vm_memory *other = new_vm();
    struct dirty_rate second;

    show(1024, 100, 0, LEVEL_4K);
    add_ram(other, 0, 0, 100, LEVEL_4K);
    begin(RATE_BY_D_BITS, false);
    assert_int_equal(dirty_rate_begin(other, RATE_BY_D_BITS, false, &second), 0);
    write_some(1024, 10, 1);
    struct dirty_sample sample;
    dirty_rate_sample(&second, &sample);
    assert_int_equal(sample.pages, 0);
    sample_is(10, 10);
    dirty_rate_end(&second);
    dirty_rate_end(&rate);
    vm_memory_destroy(other);
}

static int start_without(void **state)
{
    struct mm_caps caps = port_host_caps;

    (void)state;
    caps.access_dirty = false;
    start_machine(&caps, 2 * SMALL_RAM);
    return 0;
}

static void test_a_processor_without_D_bits(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    assert_int_equal(try_begin(RATE_BY_D_BITS, false), -ENOTSUP);
    begin(RATE_BY_LOG, false);
    write_some(1024, 10, 7);
    sample_is(10, 10);
    dirty_rate_end(&rate);
    nothing_is_left();
}

static unsigned moves;

/* Somebody else begins a change of slots before our change number `moves`, and ends it at the next yield. */
static void begin_change_before(const void *word)
{
    if (word != &vm->slots.changing || vm->slots.changing != 0 || moves-- != 0)
        return;
    port_host.on_point = NULL;
    vm->slots.changing = 1;
}

static void end_change(void)
{
    if (port_host.on_point != NULL)
        return;
    port_host.on_yield = NULL;
    vm->slots.changing = 0;
}

/* R3: an error in the middle of several slots stops the logs that were started. */
static void test_R3_an_error_gives_everything_back(void **state)
{
    enum { SLOTS = 3 };

    for (u32 id = 1; id <= SLOTS; id++)
        add_ram(vm, id, id * 1000, 10, LEVEL_4K);
    for (unsigned at = 0; at < SLOTS; at++) {
        moves = at;
        port_host.on_point = begin_change_before;
        port_host.on_yield = end_change;
        assert_int_equal(try_begin(RATE_BY_LOG, false), -EBUSY);
        assert_true(port_host.on_point == NULL);
        end_change();
        nothing_is_left();
    }
    begin(RATE_BY_LOG, false);
    dirty_rate_end(&rate);
}

static void check_no_log(void)
{
    assert_int_equal(vm->logging, 0);
}

static void test_R3_without_memory_there_is_no_measurement(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    map_all();
    drain_cpus();
    for (unsigned way = 0; way < WAYS; way++) {
        int error = -ENOMEM;
        u64 frames = 0;

        for (; error != 0; frames++) {
            port_host_take_all_but(frames);
            /* What was split for nothing stays. */
            u64 before = frame_get_stats().free + vm_memory_get_stats(vm).tables;
            error = try_begin(ways[way].method, ways[way].small);
            if (error != 0) {
                assert_int_equal(error, -ENOMEM);
                assert_true(frame_get_stats().free + vm_memory_get_stats(vm).tables + 2 >= before);
                check_no_log();
            }
            port_host_give_back();
        }
        assert_true(frames > 1);
        dirty_rate_end(&rate);
        vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
        map_all();
        drain_cpus();
        assert_log_sound();
    }
}

/* More is counted then, never less. */
static void test_without_memory_for_sets_more_is_counted(void **state)
{
    show(1024, 1024, 0, LEVEL_4K);
    map_all();
    for (unsigned way = 0; way < WAYS; way++) {
        begin(ways[way].method, ways[way].small);
        write_some(1024, 100, 1);
        leave_all();
        port_host_take_all_but(0);
        struct dirty_sample sample = sample_now();
        assert_in_range(sample.pages, 100, 1024);
        assert_in_range(sample.new_pages, 100, 1024);
        port_host_give_back();
        sample = sample_now();
        assert_in_range(sample.pages, 0, 1024);
        sample_is(0, 0);
        write_some(1024, 100, 1);
        assert_int_equal(sample_now().pages, 100);
        dirty_rate_end(&rate);
        nothing_is_left();
    }
}

/* Not even a slot has room in the pools' frames. */
static void test_M2_a_log_ends_without_memory(void **state)
{
    struct slot_room room;

    show(1024, 1024, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_LOG, false);
    write_some(1024, 5, 1);
    leave_all();
    fill_slot_room(memslots_find_id(memslots_active(&vm->slots), 0), 0, &room);
    port_host_take_all_but(0);
    dirty_rate_end(&rate);
    port_host_give_back();
    empty_slot_room(&room);
    assert_int_equal(vm->logging, 0);
    nothing_is_left();
}

/* As that of a slot which moves while the logs begin, and is met a second time. */
static void test_a_log_that_is_there_already(void **state)
{
    show(1024, 1024, 0, LEVEL_4K);
    map_all();
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
    begin(RATE_BY_LOG, false);
    sample_is(0, 0);
    write_some(1024, 3, 1);
    sample_is(3, 3);
    dirty_rate_end(&rate);
    nothing_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_errors),
        BOTH(test_one_measurement_for_each_VM),
        { "test_a_processor_without_D_bits", test_a_processor_without_D_bits, start_without, finish, NULL },
        BOTH(test_R3_an_error_gives_everything_back),
        BOTH(test_R3_without_memory_there_is_no_measurement),
        BOTH(test_without_memory_for_sets_more_is_counted),
        BOTH(test_M2_a_log_ends_without_memory),
        BOTH(test_a_log_that_is_there_already),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
