/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_log.c, mm/dirty_start.c, mm/spt_arm.c: what a log hears of, what a harvest does, and to whom. */
#include "tests/unit/dirty_support.h"

/* Not a multiple of anything, and so that both ends lie in the middle of a large page of the guest. */
enum { ODD = 512 + 37, ODD_PAGES = 1500 };

static u64 changes, changed[SPACE];

static void note_change(u64 *entry, u64 old, u64 value)
{
    (void)old;
    (void)value;
    changed[changes++ % SPACE] = (u64)entry;
}

static void watch_entries(void)
{
    changes = 0;
    port_host.on_pte = note_change;
    port_host.kicks = 0;
}

static void map_all(u32 access)
{
    for (u64 page = 0; page < pages; page++) {
        if (access == ACCESS_WRITE)
            guest_write(&cpus[0], base + page);
        else
            guest_read(&cpus[0], base + page);
    }
    leave_all();
}

static void assert_all_armed(u64 first, u64 end)
{
    for (u64 gfn = first; gfn < end; gfn++)
        assert_true(is_armed(&cpus[0], gfn));
}

/* ---- start and stop */

static void test_C2_an_eager_start_splits_and_arms_everything(void **state)
{
    show(ODD, ODD_PAGES, ODD, LEVEL_2M);
    map_all(ACCESS_WRITE);
    assert_int_equal(level_of(&cpus[0].vcpu, 1024), LEVEL_2M);
    watch_entries();
    start_log(0);
    /* One that everybody knows it, and one when all is armed. */
    assert_int_equal(port_host.kicks, 2);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], ODD_PAGES);
    assert_int_equal(vm_memory_get_stats(vm).splits, 2);
    assert_all_armed(ODD, ODD + ODD_PAGES);
    assert_int_equal(harvest(), 0);
    u64 lockless = vm_memory_get_stats(vm).faults_lockless, faults = vm_memory_get_stats(vm).faults;
    guest_write(&cpus[0], 1030);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless - lockless, !pml());
    assert_int_equal(vm_memory_get_stats(vm).faults - faults, !pml());
    assert_reported(DIRTY_OPERATOR, 1030);
    /* No new large page comes to be. */
    vm_memory_zap(vm, (gfn_t){ ODD }, ODD_PAGES);
    map_all(ACCESS_READ);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ ODD }, ODD_PAGES), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
    assert_all_armed(ODD, ODD + ODD_PAGES);
    assert_int_equal(harvest(), 0);
    assert_log_sound();
    map_all(ACCESS_WRITE);
    assert_nothing_lost();
}

static void test_C2_a_lazy_start_leaves_the_split_to_the_first_write(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    map_all(ACCESS_WRITE);
    start_log(DIRTY_LAZY);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
    assert_all_armed(1024, 2048);
    assert_log_sound();
    guest_read(&cpus[0], 1100);
    assert_int_equal(vm_memory_get_stats(vm).splits, 0);
    guest_write(&cpus[0], 1100);
    assert_int_equal(vm_memory_get_stats(vm).splits, 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512);
    assert_log_sound();
    assert_reported(DIRTY_OPERATOR, 1100);
    assert_all_armed(1024, 2048);
    /* Nobody has to take a lock for the rest of it, and where the processor logs there is no further fault. */
    u64 lockless = vm_memory_get_stats(vm).faults_lockless, faults = vm_memory_get_stats(vm).faults;
    guest_write(&cpus[0], 1101);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless - lockless, !pml());
    assert_int_equal(vm_memory_get_stats(vm).faults - faults, !pml());
    assert_reported(DIRTY_OPERATOR, 1101);
    guest_write(&cpus[0], 1600);
    guest_write(&cpus[1], 1100);
    leave_all();
    assert_int_equal(harvest(), 2);
    stop_log();
}

/* Neither tables nor pages are looked at; there is not one step more for a slot that is large. */
static void test_all_at_first_takes_constant_time(void **state)
{
    show(1024, 2048, 0, LEVEL_2M);
    map_all(ACCESS_WRITE);
    watch_entries();
    port_host.yields = 0;
    start_log(DIRTY_ALL_AT_FIRST);
    assert_int_equal(changes, 0);
    assert_int_equal(port_host.kicks, 1);
    assert_true(port_host.yields < 4);
    assert_log_sound();
    /* A part of a large page is taken: all of it is split, and what is not taken stays in the log. */
    assert_int_equal(harvest_part(DIRTY_OPERATOR, 1030, 3), 3);
    assert_true(is_armed(&cpus[0], 1031));
    assert_log_sound();
    guest_write(&cpus[0], 1031);
    leave_all();
    assert_int_equal(harvest(), 2048 - 3 + 1);
    assert_all_armed(1024, 3072);
    assert_int_equal(harvest(), 0);
    map_all(ACCESS_WRITE);
    assert_int_equal(harvest(), 2048);
}

static void test_all_at_first_and_lazy(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    map_all(ACCESS_WRITE);
    start_log(DIRTY_ALL_AT_FIRST | DIRTY_LAZY);
    assert_int_equal(harvest_part(DIRTY_OPERATOR, 1024, 512), 512);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
    assert_all_armed(1024, 1536);
    assert_false(is_armed(&cpus[0], 1536));
    assert_log_sound();
    assert_int_equal(harvest(), 512);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
    guest_write(&cpus[0], 2047);
    assert_reported(DIRTY_OPERATOR, 2047);
}

static void test_errors(void **state)
{
    struct page_set *report;

    show(1024, 100, 0, LEVEL_4K);
    assert_int_equal(vm_memory_start_log(vm, 7, DIRTY_OPERATOR, 0), -ENOENT);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_USERS, 0), -EINVAL);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 1u << 3), -EINVAL);
    assert_int_equal(vm_memory_create_report(vm, 7, &report), -ENOENT);
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_stop_log(vm, 7, DIRTY_OPERATOR), -ENOENT);
    for (unsigned round = 0; round < 2; round++) {
        /* Not begun, or another one's. */
        assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_RATE, (gfn_t){ 0 }, ~0ull, report), -ENOENT);
        assert_int_equal(vm_memory_rearm(vm, 0, DIRTY_RATE, report), -ENOENT);
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_RATE), -ENOENT);
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_USERS), -ENOENT);
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), round == 0 ? 0 : -EEXIST);
    }
    assert_int_equal(vm_memory_harvest(vm, 7, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull, report), -ENOENT);
    assert_int_equal(vm_memory_rearm(vm, 7, DIRTY_OPERATOR, report), -ENOENT);
    assert_int_equal(memslots_begin_change(&vm->slots), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), -EBUSY);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), -EBUSY);
    memslots_end_change(&vm->slots);
    assert_int_equal(vm->logging, 1);
    stop_log();
    assert_int_equal(vm->logging, 0);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), -ENOENT);
    page_set_destroy(report);
}

/* Behind the stop writes are free again, and a second log knows nothing of the first. */
static void test_stop_and_start_again(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    map_all(ACCESS_WRITE);
    for (unsigned round = 0; round < 4; round++) {
        start_log(round % 2 == 0 ? DIRTY_LAZY : 0);
        guest_write(&cpus[0], 1024 + round);
        guest_write(&cpus[0], 1700);
        stop_log();
        assert_log_sound();
        map_all(ACCESS_WRITE);
        u64 faults = vm_memory_get_stats(vm).faults;
        map_all(ACCESS_WRITE);
        assert_int_equal(vm_memory_get_stats(vm).faults, faults);
        enter(&cpus[0]);
        assert_false(cpus[0].log);
        leave_all();
    }
    start_log(0);
    assert_int_equal(harvest(), 0);
}

/* A fault of a VM where nothing is logged gives large pages back whole, and that is as before. */
static void test_large_pages_are_given_back_whole_where_nothing_is_logged(void **state)
{
    show(1024, 512, 0, LEVEL_2M);
    map_all(ACCESS_WRITE);
    for (unsigned logged = 0; logged < 2; logged++) {
        u64 lockless = vm_memory_get_stats(vm).faults_lockless;

        vm_memory_write_protect(vm, (gfn_t){ 1024 }, 512);
        if (logged)
            start_log(DIRTY_LAZY);
        guest_write(&cpus[0], 1030);
        assert_int_equal(vm_memory_get_stats(vm).faults_lockless - lockless, !logged);
        assert_int_equal(level_of(&cpus[0].vcpu, 1030), logged ? LEVEL_4K : LEVEL_2M);
    }
}

/* ---- harvest */

static void test_a_harvest_of_nothing_flushes_nothing(void **state)
{
    show(ODD, ODD_PAGES, 0, LEVEL_2M);
    map_all(ACCESS_WRITE);
    start_log(0);
    enter(&cpus[1]);
    watch_entries();
    assert_int_equal(harvest(), 0);
    assert_int_equal(changes, 0);
    assert_int_equal(port_host.kicks, 0);
    /* Nor does one of a part where nothing was written. */
    guest_write(&cpus[0], ODD + 700);
    leave(&cpus[0]);
    watch_entries();
    assert_int_equal(harvest_part(DIRTY_OPERATOR, ODD, 700), 0);
    assert_int_equal(harvest_part(DIRTY_OPERATOR, ODD + 701, 700), 0);
    assert_int_equal(harvest_part(DIRTY_OPERATOR, 0, ODD), 0);
    assert_int_equal(harvest_part(DIRTY_OPERATOR, ODD + 700, 0), 0);
    assert_int_equal(harvest_part(DIRTY_OPERATOR, ODD + ODD_PAGES, ~0ull), 0);
    assert_int_equal(changes, 0);
    assert_int_equal(port_host.kicks, 0);
    assert_reported(DIRTY_OPERATOR, ODD + 700);
}

static void test_C11_a_harvest_arms_what_was_written_and_flushes_once(void **state)
{
    static const u64 written[] = { 0, 1, 26, 27, 474, 475, 476, 700, 986, 987, 1498, 1499 };
    enum { COUNT = sizeof(written) / sizeof(written[0]) };

    show(ODD, ODD_PAGES, 0, LEVEL_2M);
    map_all(ACCESS_READ);
    start_log(0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++)
            guest_write(&cpus[i % 2], ODD + written[i]);
        leave_all();
        watch_entries();
        assert_int_equal(harvest(), COUNT);
        assert_int_equal(port_host.kicks, 1);
        /* No other entry was touched. */
        assert_int_equal(changes, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            int level;

            assert_true(reported[ODD + written[i]]);
            assert_int_equal(changed[i], (u64)leaf_of(&cpus[0], ODD + written[i], &level));
        }
        assert_all_armed(ODD, ODD + ODD_PAGES);
    }
    assert_int_equal(vm_memory_get_stats(vm).dirty, 3 * COUNT);
}

/* Parts of any size, at any place: each page is reported by the part that it lies in, once. */
static void test_C10_parts_make_up_the_whole(void **state)
{
    static const u64 sizes[] = { 1, 63, 64, 65, 511, 512, 513, ODD_PAGES };

    show(ODD, ODD_PAGES, ODD, LEVEL_2M);
    start_log(0);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        map_all(ACCESS_WRITE);
        for (u64 first = ODD - 5; first < ODD + ODD_PAGES; first += sizes[i]) {
            u64 from = first > ODD ? first : ODD, end = first + sizes[i];

            end = end < ODD + ODD_PAGES ? end : ODD + ODD_PAGES;
            assert_int_equal(harvest_part(DIRTY_OPERATOR, first, sizes[i]), end > from ? end - from : 0);
            for (u64 gfn = from; gfn < end; gfn++)
                assert_true(reported[gfn] && is_armed(&cpus[0], gfn));
        }
        assert_int_equal(harvest(), 0);
    }
    assert_log_sound();
}

/* Through what it remembers of the tables a processor writes until it is kicked. */
static void test_C11_a_write_before_the_flush_is_in_the_report_and_one_after_it_in_the_next(void **state)
{
    show(1024, 512, 0, LEVEL_2M);
    start_log(0);
    for (unsigned round = 0; round < 3; round++) {
        guest_write(&cpus[0], 1030);
        guest_write(&cpus[1], 1030);
        leave(&cpus[0]);
        vm_memory_log_writes(&cpus[1].vcpu, cpus[1].buffer, cpus[1].count);
        cpus[1].count = 0;
        assert_true(cpus[1].in_guest);
        last_write = 1030;
        u64 before = writes;
        assert_int_equal(harvest(), 1);
        assert_int_equal(writes, before + 1);
        assert_int_equal(mirror[6], writes);
        last_write = ~0ull;
        assert_false(cpus[1].in_guest);
        guest_write(&cpus[1], 1030);
        assert_reported(DIRTY_OPERATOR, 1030);
        assert_nothing_lost();
    }
}

/* ---- users */

static void test_C10_each_user_hears_of_every_write(void **state)
{
    show(ODD, 300, 0, LEVEL_4K);
    start_log(0);
    guest_write(&cpus[0], ODD + 3);
    leave_all();
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_SNAPSHOT, 0), 0);
    assert_int_equal(vm->logging, 1);
    assert_reported(DIRTY_SNAPSHOT, ODD + 3);
    assert_int_equal(harvest_of(DIRTY_SNAPSHOT), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
    /* What was before a user began is not its own. */
    assert_int_equal(harvest_of(DIRTY_RATE), 0);
    assert_reported(DIRTY_OPERATOR, ODD + 3);
    guest_write(&cpus[0], ODD + 4);
    assert_reported(DIRTY_RATE, ODD + 4);
    guest_write(&cpus[0], ODD + 4);
    guest_write(&cpus[0], ODD + 299);
    leave_all();
    assert_int_equal(harvest(), 2);
    assert_int_equal(harvest_of(DIRTY_RATE), 2);
    assert_int_equal(harvest_part(DIRTY_SNAPSHOT, ODD + 4, 1), 1);
    assert_reported(DIRTY_SNAPSHOT, ODD + 299);
    assert_int_equal(harvest(), 0);
    /* One goes, the others stay. */
    guest_write(&cpus[0], ODD + 5);
    leave_all();
    assert_reported(DIRTY_SNAPSHOT, ODD + 5);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_SNAPSHOT), 0);
    assert_int_equal(vm->logging, 1);
    guest_write(&cpus[0], ODD + 6);
    leave_all();
    assert_int_equal(harvest_of(DIRTY_RATE), 2);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_RATE), 0);
    guest_write(&cpus[0], ODD + 5);
    leave_all();
    assert_int_equal(harvest(), 2);
    stop_log();
    assert_int_equal(vm->logging, 0);
}

static void test_a_second_user_may_begin_with_everything(void **state)
{
    show(ODD, 300, 0, LEVEL_4K);
    map_all(ACCESS_WRITE);
    start_log(0);
    watch_entries();
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, DIRTY_ALL_AT_FIRST), 0);
    assert_int_equal(harvest_part(DIRTY_RATE, ODD, 100), 100);
    assert_int_equal(harvest(), 0);
    assert_int_equal(harvest_of(DIRTY_RATE), 200);
    /* All is armed already. */
    assert_int_equal(changes, 0);
}

static void test_C11_by_hand_what_is_reported_stays_until_it_is_armed(void **state)
{
    struct page_set *seen;

    show(ODD, 1000, 0, LEVEL_2M);
    start_log(DIRTY_MANUAL);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
    guest_write(&cpus[0], ODD + 3);
    guest_write(&cpus[0], ODD + 700);
    leave_all();
    watch_entries();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(harvest(), 2);
    assert_int_equal(harvest_part(DIRTY_OPERATOR, ODD + 4, 900), 1);
    assert_int_equal(changes, 0);
    assert_int_equal(port_host.kicks, 0);
    assert_int_equal(vm_memory_create_report(vm, 0, &seen), 0);
    page_set_add(seen, ODD + 3);
    page_set_add(seen, ODD + 4);
    assert_int_equal(vm_memory_rearm(vm, 0, DIRTY_OPERATOR, seen), 0);
    assert_int_equal(changes, 1);
    assert_int_equal(port_host.kicks, 1);
    assert_true(is_armed(&cpus[0], ODD + 3));
    assert_false(is_armed(&cpus[0], ODD + 700));
    assert_reported(DIRTY_OPERATOR, ODD + 700);
    /* The other one has heard of nothing yet; and it takes nothing away from the first. */
    assert_int_equal(harvest_of(DIRTY_RATE), 2);
    assert_reported(DIRTY_OPERATOR, ODD + 700);
    page_set_add(seen, ODD + 700);
    assert_int_equal(vm_memory_rearm(vm, 0, DIRTY_OPERATOR, seen), 0);
    assert_int_equal(harvest(), 0);
    guest_write(&cpus[1], ODD + 700);
    assert_reported(DIRTY_OPERATOR, ODD + 700);
    page_set_destroy(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C2_an_eager_start_splits_and_arms_everything),
        BOTH(test_C2_a_lazy_start_leaves_the_split_to_the_first_write),
        BOTH(test_all_at_first_takes_constant_time),
        BOTH(test_all_at_first_and_lazy),
        BOTH(test_errors),
        BOTH(test_stop_and_start_again),
        BOTH(test_large_pages_are_given_back_whole_where_nothing_is_logged),
        BOTH(test_a_harvest_of_nothing_flushes_nothing),
        BOTH(test_C11_a_harvest_arms_what_was_written_and_flushes_once),
        BOTH(test_C10_parts_make_up_the_whole),
        BOTH(test_C11_a_write_before_the_flush_is_in_the_report_and_one_after_it_in_the_next),
        BOTH(test_C10_each_user_hears_of_every_write),
        BOTH(test_a_second_user_may_begin_with_everything),
        BOTH(test_C11_by_hand_what_is_reported_stays_until_it_is_armed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
