/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty logs on processors that use the oldest translation that they have, until INVEPT: no write is lost (C10), and what is
 * written after a report is in the next one (C11).
 */
#include "tests/hardware/log_scene.h"

/* ---- start */

static unsigned visits;

/* In the guest when each flush begins: D is set again, whatever the TLB says. */
static void write_at_each_kick(void)
{
    scene.on_kick = write_at_each_kick;
    if (!scene.inside[1])
        return;
    visits++;
    machine.cpus[1].translation_count = 0;
    scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_C10_a_vcpu_that_entered_before_the_log_leaves_before_anything_is_armed(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    visits = 0;
    scene.on_kick = write_at_each_kick;
    log_start(0);
    scene.on_kick = NULL;
    assert_true(visits > 0);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

static bool came_back;

/* As soon as the flush at the begin is over: what is cached now was not armed. */
static void come_back(const void *word)
{
    if (came_back || scene.inside[1] || scene.vm->logging == 0 || port_host.kicks == 0)
        return;
    came_back = true;
    scene_enter(1);
    scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_C10_a_translation_that_was_loaded_during_the_start_is_flushed(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    port_host.kicks = 0;
    came_back = false;
    port_host.on_point = come_back;
    log_start(0);
    port_host.on_point = NULL;
    assert_true(came_back);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_reported(5);
}

static void test_C10_a_write_by_a_large_translation_is_one_of_a_small_page(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(2, 6, ACCESS_READ);
    assert_int_equal(mapped_level(scene.vm, 5), LEVEL_2M);
    log_start(DIRTY_LAZY);
    scene_touch(2, 7, ACCESS_WRITE);
    assert_only_reported(7);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
    assert_int_equal(mapped_level(scene.vm, 9), LEVEL_4K);
}

static void test_C10_what_is_dirty_at_first_is_armed_by_the_harvest(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    log_start(DIRTY_ALL_AT_FIRST);
    log_harvest(DIRTY_OPERATOR);
    assert_int_equal(page_set_count(log_report), SCENE_PAGES);
    assert_nothing_reported();
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

/* ---- harvest */

static bool stale;

/* The last moment at which the harvest's own log_report still covers it. */
static void write_what_is_stale(void)
{
    stale = scene.inside[1] && scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_C11_a_write_after_the_report_is_in_the_next_one(void **state)
{
    log_start(0);
    scene_touch(1, 5, ACCESS_WRITE);
    /* It comes into the log, and is in the TLB of both, that say W and D. */
    scene_leave(1);
    scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(2, 5, ACCESS_WRITE);
    stale = false;
    scene.on_kick = write_what_is_stale;
    log_harvest(DIRTY_OPERATOR);
    assert_true(stale && page_set_has(log_report, 5));
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
    scene_touch(2, 5, ACCESS_WRITE);
    assert_only_reported(5);
    assert_nothing_reported();
}

/* Somebody has removed the page, and waits for his flush: then there is nothing to arm, and still somebody writes. */
static void harvest_meanwhile(void)
{
    log_harvest(DIRTY_OPERATOR);
    stale = scene.inside[1] && scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_C11_a_report_waits_for_the_flush_of_who_unmapped_the_page(void **state)
{
    log_start(0);
    scene_touch(1, 5, ACCESS_WRITE);
    scene_leave(1);
    scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = harvest_meanwhile;
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, REGION);
    assert_true(page_set_has(log_report, 5));
    assert_false(stale);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

/* The same where only the permission was taken, of a large page, which is armed so, too. */
static void test_C11_a_report_waits_for_the_flush_of_who_protected_the_page(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    log_start(DIRTY_LAZY | DIRTY_ALL_AT_FIRST);
    scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = harvest_meanwhile;
    vm_memory_write_protect(scene.vm, (gfn_t){ 0 }, REGION);
    assert_true(page_set_has(log_report, 5));
    assert_false(stale);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

static void test_C11_what_one_user_harvests_another_one_is_told_too(void **state)
{
    log_start(0);
    assert_int_equal(vm_memory_start_log(scene.vm, SLOT, DIRTY_RATE, 0), 0);
    scene_touch(1, 5, ACCESS_WRITE);
    log_leave_all();
    log_harvest(DIRTY_RATE);
    assert_true(page_set_has(log_report, 5));
    assert_only_reported(5);
    log_harvest(DIRTY_RATE);
    assert_int_equal(page_set_count(log_report), 0);
    /* And the first user's end is not the log's. */
    assert_int_equal(vm_memory_stop_log(scene.vm, SLOT, DIRTY_RATE), 0);
    scene_touch(1, 6, ACCESS_WRITE);
    assert_only_reported(6);
}

static void test_C11_a_manual_harvest_arms_when_it_is_told_to(void **state)
{
    log_start(DIRTY_MANUAL);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
    /* It is still in the log, and writes go on unseen. */
    scene_touch(1, 5, ACCESS_WRITE);
    log_harvest(DIRTY_OPERATOR);
    assert_true(page_set_has(log_report, 5));
    assert_int_equal(vm_memory_rearm(scene.vm, SLOT, DIRTY_OPERATOR, log_report), 0);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
    assert_int_equal(vm_memory_rearm(scene.vm, SLOT, DIRTY_OPERATOR, log_report), 0);
    assert_nothing_reported();
}

/* ---- faults that are resolved without leaving */

/* Page 5 is mapped, nobody has written to it since it was reported, and the next write faults, also where the processor logs. */
static void start_protected(void)
{
    log_start(0);
    scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(1, 6, ACCESS_WRITE);
    log_leave_all();
    log_harvest(DIRTY_OPERATOR);
    vm_memory_write_protect(scene.vm, (gfn_t){ 0 }, REGION);
    assert_nothing_reported();
}

static void write_inside(unsigned processor, u64 gfn)
{
    assert_false(scene_reaches(processor, gfn, ACCESS_WRITE));
    assert_true(scene_resolve_inside(processor, gfn));
    assert_true(scene_reaches(processor, gfn, ACCESS_WRITE));
}

static void test_C11_a_write_that_was_resolved_inside_is_armed_by_the_next_harvest(void **state)
{
    start_protected();
    write_inside(1, 6);
    write_inside(1, 5);
    /* Without a fault of its own, in a stay that goes on. */
    scene_touch(2, 5, ACCESS_WRITE);
    stale = false;
    scene.on_kick = write_what_is_stale;
    log_harvest(DIRTY_OPERATOR);
    assert_true(stale && page_set_has(log_report, 5) && page_set_has(log_report, 6));
    scene_touch(1, 5, ACCESS_WRITE);
    assert_reported(5);
    assert_nothing_reported();
    scene_touch(2, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

static bool resolved;

static void resolve_while_it_is_flushed(void)
{
    resolved = scene_resolve_inside(1, 5);
}

static void test_C11_a_fault_during_a_flush_is_not_resolved_inside(void **state)
{
    start_protected();
    write_inside(1, 6);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
    resolved = true;
    scene.on_kick = resolve_while_it_is_flushed;
    log_harvest(DIRTY_OPERATOR);
    assert_false(resolved || scene.inside[1]);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_reported(5);
}

/* The table of one stay is gone, and is a guest's page, when the next one begins. */
static void test_P2_a_table_of_an_earlier_stay_is_not_used(void **state)
{
    start_protected();
    write_inside(1, 6);
    log_leave_all();
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, SCENE_PAGES);
    for (u64 gfn = 100; gfn < 200; gfn++)
        scene_touch(2, gfn, ACCESS_WRITE);
    scene_enter(1);
    assert_false(scene_resolve_inside(1, 5));
    scene_touch(1, 5, ACCESS_WRITE);
    assert_reported(5);
}

static void test_C10_a_slot_moves_with_a_write_that_was_resolved_inside(void **state)
{
    start_protected();
    write_inside(1, 5);
    assert_int_equal(vm_memory_move_slot(scene.vm, SLOT, (gfn_t){ 8 * REGION }), 0);
    assert_only_reported(8 * REGION + 5);
}

/* ---- writes of all kinds */

static void test_C10_more_writes_than_the_processor_can_note(void **state)
{
    enum { WRITES = CPU_LOG + 100 };

    log_start(0);
    for (u64 gfn = 0; gfn < WRITES; gfn++)
        scene_touch(1, gfn, ACCESS_WRITE);
    log_leave_all();
    log_harvest(DIRTY_OPERATOR);
    assert_int_equal(page_set_count(log_report), WRITES);
    for (u64 gfn = 0; gfn < WRITES; gfn++)
        assert_true(page_set_has(log_report, gfn));
}

static void test_C10_a_page_that_is_mapped_anew_is_armed(void **state)
{
    log_start(0);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, REGION);
    scene_touch(1, 5, ACCESS_READ);
    assert_nothing_reported();
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

static void test_C10_what_the_hypervisor_writes_is_logged(void **state)
{
    const u64 value = 7;

    log_start(0);
    assert_int_equal(vm_memory_write(scene.vm, (gpa_t){ 5 * PAGE_SIZE + 8 }, &value, sizeof(value)), 0);
    assert_only_reported(5);
    assert_int_equal(vm_memory_zero(scene.vm, (gpa_t){ 6 * PAGE_SIZE }, PAGE_SIZE), 0);
    assert_only_reported(6);
    vm_memory_balloon(scene.vm, (gfn_t){ 6 }, 1);
    assert_only_reported(6);
}

/* Through a pointer into a table that is not in the tree any more: the processor sets D, and logs, there. */
static void write_through_the_pointer(u64 *entry, u64 old, u64 value)
{
    if (stale || value != EPT_EMPTY || !ept_is_table(old, LEVEL_2M))
        return;
    machine.cpus[1].translation_count = 0;
    stale = scene_reaches(1, 6, ACCESS_WRITE);
}

static void test_C10_a_write_through_an_unlinked_table_is_not_lost(void **state)
{
    log_start(0);
    scene_touch(1, 6, ACCESS_WRITE);
    assert_only_reported(6);
    scene_touch(1, 6, ACCESS_READ);
    stale = false;
    port_host.on_pte = write_through_the_pointer;
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, REGION);
    port_host.on_pte = NULL;
    assert_int_equal(stale, mm_caps()->log_modifications);
    if (stale)
        assert_only_reported(6);
}

/* ---- slots */

static void test_C10_a_write_before_a_move_is_reported_at_the_new_place(void **state)
{
    log_start(0);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_int_equal(vm_memory_move_slot(scene.vm, SLOT, (gfn_t){ 8 * REGION }), 0);
    assert_only_reported(8 * REGION + 5);
    scene_touch(1, 8 * REGION + 6, ACCESS_WRITE);
    assert_only_reported(8 * REGION + 6);
}

static void test_C10_what_nobody_has_asked_for_yet_moves_too(void **state)
{
    log_start(0);
    assert_int_equal(vm_memory_start_log(scene.vm, SLOT, DIRTY_RATE, 0), 0);
    scene_touch(1, 5, ACCESS_WRITE);
    log_leave_all();
    log_harvest(DIRTY_RATE);
    assert_int_equal(vm_memory_move_slot(scene.vm, SLOT, (gfn_t){ 8 * REGION }), 0);
    assert_only_reported(8 * REGION + 5);
}

static void write_while_possible(void)
{
    stale = scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_C10_the_last_write_before_a_slot_is_read_only(void **state)
{
    log_start(0);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
    scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = write_while_possible;
    assert_int_equal(vm_memory_set_slot_flags(scene.vm, SLOT, MEMSLOT_READ_ONLY), 0);
    assert_true(stale);
    assert_only_reported(5);
    assert_int_equal(vm_memory_set_slot_flags(scene.vm, SLOT, 0), 0);
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

/* With an argument, the tests that match it. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LOG_SCENE_TEST(test_C10_a_vcpu_that_entered_before_the_log_leaves_before_anything_is_armed),
        LOG_SCENE_TEST(test_C10_a_translation_that_was_loaded_during_the_start_is_flushed),
        LOG_SCENE_TEST(test_C10_a_write_by_a_large_translation_is_one_of_a_small_page),
        LOG_SCENE_TEST(test_C10_what_is_dirty_at_first_is_armed_by_the_harvest),
        LOG_SCENE_TEST(test_C11_a_write_after_the_report_is_in_the_next_one),
        LOG_SCENE_TEST(test_C11_a_report_waits_for_the_flush_of_who_unmapped_the_page),
        LOG_SCENE_TEST(test_C11_a_report_waits_for_the_flush_of_who_protected_the_page),
        LOG_SCENE_TEST(test_C11_what_one_user_harvests_another_one_is_told_too),
        LOG_SCENE_TEST(test_C11_a_manual_harvest_arms_when_it_is_told_to),
        LOG_SCENE_TEST(test_C11_a_write_that_was_resolved_inside_is_armed_by_the_next_harvest),
        LOG_SCENE_TEST(test_C11_a_fault_during_a_flush_is_not_resolved_inside),
        LOG_SCENE_TEST(test_P2_a_table_of_an_earlier_stay_is_not_used),
        LOG_SCENE_TEST(test_C10_a_slot_moves_with_a_write_that_was_resolved_inside),
        LOG_SCENE_TEST(test_C10_more_writes_than_the_processor_can_note),
        LOG_SCENE_TEST(test_C10_a_page_that_is_mapped_anew_is_armed),
        LOG_SCENE_TEST(test_C10_what_the_hypervisor_writes_is_logged),
        LOG_SCENE_TEST(test_C10_a_write_through_an_unlinked_table_is_not_lost),
        LOG_SCENE_TEST(test_C10_a_write_before_a_move_is_reported_at_the_new_place),
        LOG_SCENE_TEST(test_C10_what_nobody_has_asked_for_yet_moves_too),
        LOG_SCENE_TEST(test_C10_the_last_write_before_a_slot_is_read_only),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
