/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_ring.c: what is reaped, and what stays in the log for a harvest (C10, C11). */
#include "tests/unit/ring_support.h"

static void test_reap_takes_as_many_as_it_is_told(void **state)
{
    start_ring();
    write_pages(0, FIRST, 500);
    assert_reaps(DIRTY_OPERATOR, 0, 0, 0, 0);
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST, 1);
    /* More than one batch, and a part of one. */
    assert_reaps(DIRTY_OPERATOR, 200, 200, FIRST + 1, 200);
    assert_int_equal(entries(0), 299);
    assert_reaps(DIRTY_OPERATOR, 64, 64, FIRST + 201, 64);
    assert_reaps(DIRTY_OPERATOR, ~0ull, 235, FIRST + 265, 235);
    assert_reaps(DIRTY_OPERATOR, ~0ull, 0, 0, 0);
    assert_int_equal(harvest(), 0);
}

static void test_C10_what_the_report_cannot_hold_stays_in_the_log(void **state)
{
    struct page_set *report = new_report(FIRST + 30, FIRST + 70);

    start_ring();
    write_pages(0, FIRST, 100);
    assert_int_equal(vm_memory_reap(vm, DIRTY_OPERATOR, SPACE, report), 100);
    assert_int_equal(page_set_count(report), 40);
    assert_int_equal(page_set_next(report, 0), (FIRST + 30) / PAGE_SET_WORD);
    page_set_destroy(report);
    assert_int_equal(harvest(), 60);
    for (u64 gfn = FIRST; gfn < FIRST + 100; gfn++)
        assert_int_equal(reported[gfn], gfn < FIRST + 30 || gfn >= FIRST + 70);
}

/* What a processor still remembers when the flush comes is written then, and in the report. */
static struct page_set *unfinished;
static u64 kicks;

static void write_at_kick(struct vm_memory *kicked)
{
    kicks++;
    /* All of it is armed by now, but for those who remember. */
    for (u64 gfn = FIRST; gfn < FIRST + 300; gfn++)
        assert_true(is_armed(&cpus[1], gfn));
    on_kick(kicked);
}

static void test_C11_reap_arms_before_it_reports_with_one_flush(void **state)
{
    start_ring();
    write_pages(0, FIRST, 300);
    for (u64 gfn = FIRST; gfn < FIRST + 300; gfn++)
        assert_false(is_armed(&cpus[0], gfn));
    /* The other one is inside, remembers one of the pages, and writes to it until it is kicked. */
    guest_write(&cpus[1], FIRST + 5);
    last_write = FIRST + 5;
    port_host.on_kick = write_at_kick;
    u64 flushes = vm->flushes;
    kicks = 0;
    unfinished = new_report(0, SPACE);
    assert_int_equal(vm_memory_reap(vm, DIRTY_OPERATOR, SPACE, unfinished), 300);
    assert_int_equal(page_set_count(unfinished), 300);
    assert_false(cpus[1].in_guest);
    assert_int_equal(vm->flushes, flushes + 1);
    assert_int_equal(kicks, 1);
    page_set_destroy(unfinished);
    port_host.on_kick = on_kick;
    copy_all();
    /* Whatever is written now is new. */
    write_page(1, FIRST + 5);
    write_page(0, FIRST + 6);
    assert_int_equal(entries(0), 1);
    assert_reaps(DIRTY_OPERATOR, SPACE, 1, FIRST + 6, 1);
    assert_reported(DIRTY_OPERATOR, FIRST + 5);
    /* Nothing to reap, nothing to flush. */
    flushes = vm->flushes;
    assert_reaps(DIRTY_OPERATOR, SPACE, 0, 0, 0);
    assert_int_equal(vm->flushes, flushes);
}

static void test_C10_other_users_hear_of_what_one_reaps(void **state)
{
    start_ring();
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_SNAPSHOT, 0), 0);
    write_pages(0, FIRST, 3);
    assert_reaps(DIRTY_OPERATOR, SPACE, 3, FIRST, 3);
    assert_int_equal(harvest(), 0);
    assert_int_equal(harvest_of(DIRTY_SNAPSHOT), 3);
    assert_int_equal(harvest_of(DIRTY_SNAPSHOT), 0);
    /* The other way round: what one has harvested is reaped by who has not heard of it. */
    write_pages(0, FIRST + 7, 3);
    assert_int_equal(harvest(), 3);
    assert_reaps(DIRTY_SNAPSHOT, SPACE, 3, FIRST + 7, 3);
    assert_int_equal(harvest_of(DIRTY_SNAPSHOT), 0);
}

static void test_C10_who_is_no_user_leaves_the_log_alone(void **state)
{
    start_ring();
    write_pages(0, FIRST, 3);
    assert_reaps(DIRTY_RATE, SPACE, 3, 0, 0);
    assert_int_equal(harvest(), 3);
}

static void test_reap_takes_where_the_least_room_is(void **state)
{
    start_ring();
    assert_int_equal(vcpu_memory_open_ring(&cpus[1].vcpu, 2 * SIZE), 0);
    write_pages(0, FIRST, 3);
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST, 1);
    write_pages(1, FIRST + 50, SIZE);
    /* Fewer entries, and a smaller ring. */
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST + 1, 1);
    write_pages(1, FIRST + 50 + SIZE, 100);
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST + 50, 1);
    assert_int_equal(entries(0), 1);
    assert_int_equal(entries(1), SIZE + 99);
    /* With each batch anew. */
    assert_reaps(DIRTY_OPERATOR, 99, 99, FIRST + 51, 99);
    struct page_set *report = new_report(0, SPACE);
    assert_int_equal(vm_memory_reap(vm, DIRTY_OPERATOR, 64, report), 64);
    assert_int_equal(entries(0), 0);
    copy_reported(report);
    page_set_destroy(report);
    /* An empty one has nothing, however small it is. */
    assert_reaps(DIRTY_OPERATOR, 5, 5, FIRST + 51 + 99 + 63, 5);
    assert_nothing_lost();
}

static void test_reap_takes_of_all_slots(void **state)
{
    start_ring();
    assert_int_equal(vcpu_memory_open_ring(&cpus[1].vcpu, SIZE), 0);
    add_ram(vm, 1, OTHER_SLOT, 64, LEVEL_4K);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_OPERATOR, 0), 0);
    write_page(0, FIRST);
    write_page(1, OTHER_SLOT);
    write_page(0, OTHER_SLOT + 63);
    write_page(1, FIRST + PAGES - 1);
    struct page_set *report = new_report(0, SPACE);
    assert_int_equal(vm_memory_reap(vm, DIRTY_OPERATOR, SPACE, report), 4);
    assert_int_equal(page_set_count(report), 4);
    assert_true(page_set_has(report, FIRST) && page_set_has(report, FIRST + PAGES - 1));
    assert_true(page_set_has(report, OTHER_SLOT) && page_set_has(report, OTHER_SLOT + 63));
    page_set_destroy(report);
    assert_true(is_armed(&cpus[0], FIRST) && is_armed(&cpus[0], OTHER_SLOT));
}

static void test_entries_of_a_slot_that_went_lead_nowhere(void **state)
{
    start_ring();
    add_ram(vm, 1, OTHER_SLOT, 64, LEVEL_4K);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_OPERATOR, 0), 0);
    write_page(0, FIRST);
    write_pages(0, OTHER_SLOT, 2);
    stop_log();
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_reaps(DIRTY_OPERATOR, SPACE, 3, 0, 0);
}

static void test_C10_a_slot_that_moved_has_its_log_with_it(void **state)
{
    start_ring();
    write_pages(0, FIRST, 2);
    assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ 2 * PAGES }), 0);
    base = 2 * PAGES;
    assert_reaps(DIRTY_OPERATOR, SPACE, 2, 0, 0);
    assert_int_equal(harvest(), 2);
    assert_true(reported[2 * PAGES] && reported[2 * PAGES + 1]);
}

/* So many pages that a set of them needs a frame for its pointers. */
enum { LARGE = (PAGE_SET_FEW + 1) * PAGE_SET_CHUNK };

static void test_C10_reap_without_memory_leaves_all_where_it_is(void **state)
{
    struct page_set *report = new_report(0, LARGE);

    start_ring();
    write_pages(0, FIRST, 5);
    port_host_take_all_but(0);
    assert_int_equal(vm_memory_reap(vm, DIRTY_OPERATOR, SPACE, report), 0);
    assert_int_equal(page_set_count(report), 0);
    assert_int_equal(entries(0), 5);
    port_host_give_back();
    page_set_destroy(report);
    assert_reaps(DIRTY_OPERATOR, SPACE, 5, FIRST, 5);
}

/* For the pointers of a set, and nothing for what comes in: all that the slot has in its log is reaped then. */
static void test_C10_reap_with_little_memory_reaps_more(void **state)
{
    struct page_set *report = new_report(0, LARGE);

    start_ring();
    page_set_add(report, SPACE - 1);
    write_pages(0, FIRST, 5);
    port_host_take_all_but(1);
    assert_int_equal(vm_memory_reap(vm, DIRTY_OPERATOR, 2, report), 2);
    assert_int_equal(page_set_count(report), 1 + 5);
    port_host_give_back();
    page_set_destroy(report);
    assert_reaps(DIRTY_OPERATOR, SPACE, 3, 0, 0);
    assert_int_equal(harvest(), 0);
}

/* ---- who reaps and who writes at the same time */

static struct page_set *found;
static u64 act_at, points;

static void reap_at_point(const void *word)
{
    (void)word;
    if (points++ != act_at)
        return;
    port_host.on_point = NULL;
    vm_memory_reap(vm, DIRTY_OPERATOR, SPACE, found);
    port_host.on_point = reap_at_point;
}

static void write_in_guest(u64 gfn)
{
    u64 gpa = gfn * PAGE_SIZE;

    if (pml())
        vm_memory_log_writes(&cpus[0].vcpu, &gpa, 1);
    else
        dirty_log_mark_vcpu(&cpus[0].vcpu, memslot_log(memslots_find_id(memslots_active(&vm->slots), 0)),
                            (gfn_t){ gfn });
}

/* A reap at each moment of a write's way into the log and the ring: it is in this report, or in the log. */
static void test_C10_a_reap_at_any_moment_loses_nothing(void **state)
{
    start_ring();
    for (act_at = 0;; act_at++) {
        found = new_report(0, SPACE);
        write_in_guest(FIRST + 1);
        points = 0;
        port_host.on_point = reap_at_point;
        write_in_guest(FIRST + 2);
        port_host.on_point = NULL;
        assert_true(points <= act_at || page_set_has(found, FIRST + 1));
        vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, SPACE, found);
        assert_int_equal(page_set_count(found), 2);
        page_set_destroy(found);
        if (points <= act_at)
            break;
    }
    assert_true(act_at > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_reap_takes_as_many_as_it_is_told),
        BOTH(test_C10_what_the_report_cannot_hold_stays_in_the_log),
        BOTH(test_C11_reap_arms_before_it_reports_with_one_flush),
        BOTH(test_C10_other_users_hear_of_what_one_reaps),
        BOTH(test_C10_who_is_no_user_leaves_the_log_alone),
        BOTH(test_reap_takes_where_the_least_room_is),
        BOTH(test_reap_takes_of_all_slots),
        BOTH(test_entries_of_a_slot_that_went_lead_nowhere),
        BOTH(test_C10_a_slot_that_moved_has_its_log_with_it),
        BOTH(test_C10_reap_without_memory_leaves_all_where_it_is),
        BOTH(test_C10_reap_with_little_memory_reaps_more),
        BOTH(test_C10_a_reap_at_any_moment_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
