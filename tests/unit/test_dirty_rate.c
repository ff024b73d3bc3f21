/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_rate.c and the walk that takes D bits: known writes are counted exactly, by both methods, and disturb no log. */
#include "tests/unit/dirty_support.h"

#include "mm/dirty_rate.h"

/* Both ends lie in the middle of a large page. */
enum { ODD = 512 + 37 };

static struct dirty_rate rate;

struct way {
    enum rate_method method;
    bool small;
};
static const struct way ways[] = {
    { RATE_BY_D_BITS, false }, { RATE_BY_D_BITS, true }, { RATE_BY_LOG, false }, { RATE_BY_LOG, true }
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static int try_begin(enum rate_method method, bool small)
{
    return dirty_rate_begin(vm, method, small, &rate);
}

static void begin(enum rate_method method, bool small)
{
    assert_int_equal(try_begin(method, small), 0);
}

static void sample_is(u64 count, u64 new_pages)
{
    struct dirty_sample sample;

    dirty_rate_sample(&rate, &sample);
    assert_int_equal(sample.pages, count);
    assert_int_equal(sample.new_pages, new_pages);
    if (rate.method == RATE_BY_D_BITS)
        return;
    assert_int_equal(sample.leaves[LEVEL_4K], 0);
    assert_false(sample.disturbed);
}

static struct dirty_sample sample_now(void)
{
    struct dirty_sample sample;

    dirty_rate_sample(&rate, &sample);
    return sample;
}

static void write_some(u64 first, u64 count, u64 step)
{
    for (u64 i = 0; i < count; i++) {
        guest_write(&cpus[i % 2], first + i * step);
        guest_write(&cpus[(i + 1) % 2], first + i * step);
    }
}

static void map_all(void)
{
    for (u64 page = 0; page < pages; page++)
        guest_write(&cpus[0], base + page);
    leave_all();
}

static void nothing_is_left(void)
{
    assert_int_equal(vm->logging, 0);
    assert_log_sound();
}

/* ---- known writes */

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

/* ---- what processors remember */

/* It costs one flush, and none where nothing was written. */
static void test_D_bits_are_taken_with_one_flush(void **state)
{
    show(1000, 3000, 0, LEVEL_4K);
    map_all();
    port_host.kicks = 0;
    begin(RATE_BY_D_BITS, false);
    assert_int_equal(port_host.kicks, 1);
    sample_is(0, 0);
    assert_int_equal(port_host.kicks, 1);
    write_some(1000, 3000, 1);
    watch_flushes();
    port_host.on_kick = on_kick;
    port_host.kicks = 0;
    sample_is(3000, 3000);
    assert_int_equal(port_host.kicks, 1);
    write_some(1000, 10, 1);
    sample_is(10, 0);
    assert_int_equal(port_host.kicks, 2);
    dirty_rate_end(&rate);
}

static void test_a_log_is_taken_with_one_flush_and_one_for_buffers(void **state)
{
    show(1000, 3000, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_LOG, false);
    port_host.kicks = 0;
    sample_is(0, 0);
    assert_int_equal(port_host.kicks, pml());
    write_some(1000, 2000, 1);
    port_host.kicks = 0;
    sample_is(2000, 2000);
    assert_int_equal(port_host.kicks, 1 + pml());
    dirty_rate_end(&rate);
}

/* A processor writes until it is kicked, without setting D: that is in the sample, and so nothing is missing. */
static void test_a_write_without_D_belongs_to_the_sample(void **state)
{
    show(1000, 100, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_D_BITS, false);
    for (unsigned round = 0; round < 3; round++) {
        guest_write(&cpus[0], 1050);
        last_write = 1050;
        sample_is(1, round == 0);
        last_write = ~0ull;
        sample_is(0, 0);
    }
    dirty_rate_end(&rate);
}

/* Somebody else has taken D away and not flushed yet. */
static void test_D_that_others_took_is_waited_for(void **state)
{
    show(1000, 100, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_D_BITS, false);
    guest_write(&cpus[0], 1050);
    {
        TLB_GATHER(gather, vm);

        tlb_gather_note(&gather);
        *leaf_of(&cpus[0], 1050, &(int){ 0 }) &= ~EPT_DIRTY;
        sample_is(0, 0);
        guest_write(&cpus[0], 1050);
        sample_is(1, 1);
        tlb_gather_finish(&gather);
    }
    dirty_rate_end(&rate);
}

/* ---- others */

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

/* A page that two trees map, with a leaf in each, is one page. */
static void test_pages_are_counted_once_for_all_views(void **state)
{
    u32 view = new_view(vm);
    struct dirty_sample sample;

    show(1024, 1024, 0, LEVEL_4K);
    assert_int_equal(protect(vm, view, 1500, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, view, 4), 0);
    for (unsigned i = 0; i < 2; i++)
        for (u64 gfn = 1024; gfn < 2048; gfn++)
            if (gfn != 1500)
                guest_write(&cpus[i], gfn);
    assert_true(table_of(&cpus[0].vcpu, 1500, LEVEL_4K) != table_of(&cpus[1].vcpu, 1500, LEVEL_4K));
    begin(RATE_BY_D_BITS, false);
    sample_is(0, 0);
    /* The first table is both's, the second is not. */
    guest_write(&cpus[0], 1030);
    guest_write(&cpus[1], 1030);
    guest_write(&cpus[0], 1600);
    guest_write(&cpus[1], 1600);
    guest_write(&cpus[1], 1601);
    sample = sample_now();
    assert_int_equal(sample.pages, 3);
    assert_int_equal(sample.new_pages, 3);
    assert_int_equal(sample.leaves[LEVEL_4K], 4);
    dirty_rate_end(&rate);
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, 0, 4), 0);
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
}

/* ---- slots */

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

/* ---- errors */

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
        assert_true(frames > 3);
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

/* The log goes on then; the next measurement takes it over, and ends it. */
static void test_a_log_that_could_not_be_stopped(void **state)
{
    show(1024, 1024, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_LOG, false);
    write_some(1024, 5, 1);
    leave_all();
    /* Not even a slot has room in the pools' frames. */
    struct memslot *taken[128];
    unsigned count = 0;
    port_host_take_all_but(0);
    while (count < 128 && (taken[count] = memslot_create(memslots_find_id(memslots_active(&vm->slots), 0))) != NULL) {
        taken[count]->log = NULL;
        count++;
    }
    assert_true(count < 128);
    dirty_rate_end(&rate);
    while (count > 0)
        memslot_destroy(taken[--count]);
    port_host_give_back();
    assert_int_equal(vm->logging, 1);
    write_some(1024, 9, 1);
    begin(RATE_BY_LOG, false);
    sample_is(0, 0);
    write_some(1024, 3, 1);
    sample_is(3, 3);
    dirty_rate_end(&rate);
    nothing_is_left();
}

/* ---- the walk */

static void set_D(u64 gfn, enum level level)
{
    *entry_at(vm, gfn, level) |= EPT_DIRTY;
}

enum { HUGE = 1 << 18, HUGES = 6 };

static void write_again(void)
{
    for (u64 i = 0; i < HUGES; i++)
        set_D(i * HUGE, LEVEL_1G);
}

/* Pages of 1G take long to be put into a set; and a guest that writes them all the time does not keep the walk from its end. */
static void test_C8_steps_are_bounded_and_end(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    struct page_set *set;

    assert_int_equal(table_cache_fill(&cache, 4), 0);
    rwlock_lock_shared(&vm->spt.lock);
    for (u64 i = 0; i < HUGES; i++) {
        struct spt_mapping mapping = {
            { i * HUGE }, { PORT_HOST_BASE + i * HUGE }, LEVEL_1G, EPT_PERMISSIONS, ARM_NONE
        };

        assert_int_equal(spt_map(&vm->spt, vm->spt.base, &mapping, EPT_WRITE, &cache, &gather), 0);
    }
    rwlock_unlock_shared(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_int_equal(page_set_create(0, HUGES * HUGE, false, &set), 0);
    write_again();
    for (unsigned round = 0; round < 2; round++) {
        u64 leaves[LEVEL_1G + 1] = { 0 };

        if (round == 1)
            port_host.on_yield = write_again;
        port_host.yields = 0;
        port_host.kicks = 0;
        spt_take_dirty(&vm->spt, (gfn_t){ 0 }, (gfn_t){ vm_gfn_limit() }, set, leaves);
        port_host.on_yield = NULL;
        assert_int_equal(port_host.yields, HUGES);
        assert_int_equal(port_host.kicks, 1);
        assert_int_equal(leaves[LEVEL_1G], HUGES);
        assert_int_equal(page_set_count(set), (u64)HUGES * HUGE);
        write_again();
    }
    page_set_destroy(set);
    vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
}

static void test_a_large_walk_yields(void **state)
{
    add_ram(vm, 1, 0, 512 * 300, LEVEL_4K);
    for (u64 i = 0; i < 300; i++)
        assert_true(access_fault(&cpus[0], i * 512, ACCESS_WRITE) <= FAULT_SPURIOUS);
    begin(RATE_BY_D_BITS, false);
    port_host.yields = 0;
    for (u64 i = 0; i < 300; i++)
        set_D(i * 512, LEVEL_4K);
    sample_is(300, 300);
    assert_in_range(port_host.yields, 300 / 64, 300 / 64 + 4);
    dirty_rate_end(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_writes_to_small_pages_are_counted_exactly),
        BOTH(test_leaves_are_counted_by_level),
        BOTH(test_small_counts_pages_of_4K_of_large_ones),
        BOTH(test_a_log_splits_all_or_what_is_written),
        BOTH(test_the_first_period_begins_when_begin_returns),
        BOTH(test_D_bits_are_taken_with_one_flush),
        BOTH(test_a_log_is_taken_with_one_flush_and_one_for_buffers),
        BOTH(test_a_write_without_D_belongs_to_the_sample),
        BOTH(test_D_that_others_took_is_waited_for),
        BOTH(test_C10_no_write_is_lost_to_a_log_while_the_rate_is_measured),
        BOTH(test_harvests_of_others_do_not_change_what_a_log_counts),
        BOTH(test_D_bits_of_a_slot_that_is_logged_are_told_to_be_too_few),
        BOTH(test_pages_are_counted_once_for_all_views),
        BOTH(test_slots_come_and_go),
        BOTH(test_slots_are_all_gone),
        BOTH(test_the_end_finds_the_logs_of_slots_that_move),
        BOTH(test_errors),
        BOTH(test_one_measurement_for_each_VM),
        { "test_a_processor_without_D_bits", test_a_processor_without_D_bits, start_without, finish, NULL },
        BOTH(test_R3_an_error_gives_everything_back),
        BOTH(test_R3_without_memory_there_is_no_measurement),
        BOTH(test_without_memory_for_sets_more_is_counted),
        BOTH(test_a_log_that_could_not_be_stopped),
        BOTH(test_C8_steps_are_bounded_and_end),
        BOTH(test_a_large_walk_yields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
