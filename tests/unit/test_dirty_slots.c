/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty logs, and what happens to slots; several roots, pages of 1G, and memory that does not suffice. */
#include "tests/unit/dirty_support.h"

static void map_all(void)
{
    for (u64 page = 0; page < pages; page++)
        guest_read(&cpus[0], base + page);
}

/* ---- what becomes of the slot */

static void test_C10_the_log_moves_with_its_slot(void **state)
{
    static const u64 bases[] = { 1024, 1024 + 37, 512 * 3 + 1, 2048, 63, 64 };

    show(1024 + 5, 1000, 5, LEVEL_2M);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, i % 2 == 0 ? 0 : DIRTY_LAZY), 0);
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
        copy_all();
        map_all();
        guest_write(&cpus[0], base);
        guest_write(&cpus[1], base + 58);
        leave_all();
        assert_int_equal(harvest_of(DIRTY_RATE), 2);
        guest_write(&cpus[0], base + 59);
        guest_write(&cpus[1], base + 999);
        /* It is in the guest, and writes until it has to leave. */
        last_write = base + 999;
        assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ bases[i] }), 0);
        last_write = ~0ull;
        base = bases[i];
        assert_log_sound();
        assert_int_equal(vm->logging, 1);
        map_all();
        assert_int_equal(harvest_of(DIRTY_RATE), 2);
        assert_true(reported[base + 59] && reported[base + 999]);
        guest_write(&cpus[0], base + 60);
        leave_all();
        assert_int_equal(harvest(), 5);
        assert_true(reported[base] && reported[base + 58] && reported[base + 59] && reported[base + 60]);
        assert_nothing_lost();
        assert_reported(DIRTY_RATE, base + 60);
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_RATE), 0);
        stop_log();
    }
}

/* Nothing of what `user` would be told falls out because it lies where the slot was. */
static void test_C10_what_a_report_cannot_hold_stays_in_the_log(void **state)
{
    struct page_set *report;

    show(1024, 100, 0, LEVEL_4K);
    start_log(0);
    guest_write(&cpus[0], 1030);
    guest_write(&cpus[0], 1090);
    leave_all();
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    base = 1064;
    assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ base }), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull, report), 0);
    assert_int_equal(page_set_count(report), 1);
    assert_true(page_set_has(report, 1070));
    page_set_destroy(report);
    assert_reported(DIRTY_OPERATOR, 1130);
}

static void test_C10_other_flags_keep_the_log(void **state)
{
    show(1024, 512, 0, LEVEL_2M);
    map_all();
    start_log(0);
    guest_write(&cpus[0], 1030);
    last_write = 1030;
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    last_write = ~0ull;
    assert_log_sound();
    assert_int_equal(vm->logging, 1);
    assert_false(hardware_write(&cpus[0], 1030));
    assert_int_equal(access_fault(&cpus[0], 1030, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(access_fault(&cpus[0], 1031, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_reported(DIRTY_OPERATOR, 1030);
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, 0), 0);
    map_all();
    guest_write(&cpus[0], 1031);
    assert_reported(DIRTY_OPERATOR, 1031);
    assert_nothing_lost();
}

/* Nothing is left of the log, whoever uses it and whatever is in it; finish() counts. */
static void test_M8_the_log_goes_with_its_slot(void **state)
{
    show(1024, 512, 0, LEVEL_2M);
    for (unsigned i = 0; i < 3; i++) {
        start_log(DIRTY_ALL_AT_FIRST);
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
        harvest_part(DIRTY_OPERATOR, 1030, 100);
        guest_write(&cpus[0], 1040);
        leave_all();
        if (i == 2)
            break; /* with the VM */
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
        assert_int_equal(vm->logging, 0);
        assert_log_sound();
        assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 1024 }, 512, backing, 0, 0, LEVEL_2M), 0);
    }
}

static u64 *foreign[2], foreign_changes;

static void note_foreign(u64 *entry, u64 old, u64 value)
{
    (void)old;
    (void)value;
    foreign_changes += entry == foreign[0] || entry == foreign[1];
}

/* In the same tables as the first and the last pages of the slot are those of others. */
static void test_C10_slots_that_are_not_logged_are_not_disturbed(void **state)
{
    show(1024 + 37, 700, 0, LEVEL_2M);
    add_ram(vm, 1, 1024, 37, LEVEL_2M);
    add_ram(vm, 2, 1024 + 737, 37, LEVEL_2M);
    guest_write(&cpus[0], 1060);
    guest_write(&cpus[0], 1761);
    guest_write(&cpus[0], 1061);
    guest_write(&cpus[0], 1760);
    leave_all();
    foreign[0] = entry_of(&cpus[0].vcpu, 1060);
    foreign[1] = entry_of(&cpus[0].vcpu, 1761);
    foreign_changes = 0;
    port_host.on_pte = note_foreign;
    start_log(0);
    for (unsigned i = 0; i < 3; i++) {
        u64 faults = vm_memory_get_stats(vm).faults;

        guest_write(&cpus[0], 1060);
        guest_write(&cpus[0], 1761);
        leave_all();
        assert_int_equal(vm_memory_get_stats(vm).faults, faults);
        assert_int_equal(harvest(), 2 * (i != 0));
        guest_write(&cpus[0], 1061);
        guest_write(&cpus[0], 1760);
        leave_all();
    }
    stop_log();
    assert_int_equal(foreign_changes, 0);
}

static void test_C10_two_slots_have_logs_of_their_own(void **state)
{
    struct page_set *report;

    show(1024, 100, 0, LEVEL_4K);
    add_ram(vm, 1, 1124, 100, LEVEL_4K);
    start_log(0);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_OPERATOR, 0), 0);
    assert_int_equal(vm_memory_create_report(vm, 1, &report), 0);
    assert_int_equal(vm->logging, 2);
    guest_write(&cpus[0], 1123);
    guest_write(&cpus[0], 1124);
    assert_reported(DIRTY_OPERATOR, 1123);
    assert_false(is_armed(&cpus[0], 1124));
    stop_log();
    guest_write(&cpus[0], 1125);
    guest_write(&cpus[0], 1123);
    leave_all();
    assert_int_equal(vm_memory_harvest(vm, 1, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull, report), 0);
    assert_int_equal(page_set_count(report), 2);
    page_set_destroy(report);
}

/* ---- several roots, large pages, no memory */

static void test_C10_every_root_is_armed(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    u32 view = new_view(vm);
    assert_int_equal(protect(vm, view, 1100, 3, ACCESS_READ), 0);
    leave_all();
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, view, 4), 0);
    for (unsigned lazy = 0; lazy < 2; lazy++) {
        map_all();
        for (u64 page = 0; page < 1024; page++)
            guest_read(&cpus[1], 1024 + page);
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, lazy ? DIRTY_LAZY : 0), 0);
        copy_all();
        for (u64 gfn = 1024; gfn < 2048; gfn++)
            assert_true(is_armed(&cpus[0], gfn) && is_armed(&cpus[1], gfn));
        for (unsigned i = 0; i < 3; i++) {
            guest_write(&cpus[1], 1099);
            guest_write(&cpus[0], 1100);
            guest_write(&cpus[1], 1700);
            leave_all();
            assert_int_equal(harvest(), 3);
            assert_true(reported[1099] && reported[1100] && reported[1700]);
            guest_write(&cpus[0], 1099);
            assert_reported(DIRTY_OPERATOR, 1099);
            assert_log_sound();
        }
        assert_nothing_lost();
        stop_log();
        vm_memory_zap(vm, (gfn_t){ 0 }, SPACE);
    }
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, 0, 4), 0);
}

/* A root of four levels ends below a slot that one of five reaches. */
static void test_C10_a_root_that_ends_below_the_slot(void **state)
{
    const struct mm_caps was = *mm_caps();
    struct mm_caps caps = was;
    struct page_set *report;
    u64 far = 1ull << 36;

    finish(state);
    caps.levels = 5;
    caps.physical_bits = 52;
    start_machine(&caps, SMALL_RAM);
    add_ram(vm, 0, far, 700, LEVEL_4K);
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, 0, 4), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_int_equal(access_fault(&cpus[0], far + 600, ACCESS_WRITE), FAULT_INSTALLED);
    gpa_t gpa = { (far + 600) * PAGE_SIZE };
    assert_int_equal(vm_memory_write(vm, gpa, &far, 8), 0);
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull, report), 0);
    assert_int_equal(page_set_count(report), 1);
    page_set_destroy(report);
}

static void test_C10_pages_of_1g(void **state)
{
    enum { GB = 1 << 18 };
    const struct mm_caps caps = *mm_caps();
    struct page_set *report;

    finish(state);
    start_machine(&caps, GB + 4096);
    backing = new_backing(GB, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, GB, backing, 0, 0, LEVEL_1G), 0);
    guest_write(&cpus[0], 5);
    leave_all();
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_1G], 1);
    static const u32 flags[] = { DIRTY_LAZY, DIRTY_ALL_AT_FIRST, 0 };
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, flags[i]), 0);
        assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
        if (flags[i] == DIRTY_LAZY)
            assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_1G], 1);
        if (flags[i] == DIRTY_ALL_AT_FIRST) {
            assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, 512, report), 0);
            assert_int_equal(page_set_count(report), 512);
        } else {
            guest_write(&cpus[0], 5);
            guest_write(&cpus[0], 700);
            leave_all();
            assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull, report), 0);
            assert_int_equal(page_set_count(report), 2);
        }
        assert_true(is_armed(&cpus[0], 5));
        assert_int_equal(level_of(&cpus[0].vcpu, 5), LEVEL_4K);
        assert_log_sound();
        page_set_destroy(report);
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
        vm_memory_zap(vm, (gfn_t){ 0 }, GB);
        guest_write(&cpus[0], 5);
        leave_all();
    }
}

static void assert_not_logged(void)
{
    assert_null(memslot_log(memslots_find_id(memslots_active(&vm->slots), 0)));
    assert_int_equal(vm->logging, 0);
}

static void test_M2_no_memory_for_a_log(void **state)
{
    /* Not a small one, which needs none: each set of its pages has a frame of pointers. */
    enum { LARGE = (PAGE_SET_FEW + 1) * PAGE_SET_CHUNK };
    struct backing *large;

    show(1024, 1024, 0, LEVEL_2M);
    assert_int_equal(backing_create(LARGE, BACKING_ON_DEMAND, &large), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ LARGE }, LARGE, large, 0, 0, LEVEL_4K), 0);
    map_all();
    drain_cpus();
    FAILS_UNTIL(2, vm_memory_start_log(vm, 1, DIRTY_OPERATOR, 0), assert_not_logged());
    FAILS_UNTIL(1, vm_memory_start_log(vm, 1, DIRTY_RATE, 0), assert_int_equal(vm->logging, 1));
    FAILS_UNTIL(3, vm_memory_move_slot(vm, 1, (gfn_t){ 3 * LARGE }), assert_int_equal(vm->logging, 1));
    FAILS_UNTIL(0, vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), fail());
    FAILS_UNTIL(0, vm_memory_start_log(vm, 0, DIRTY_RATE, 0), fail());
    assert_int_equal(harvest_of(DIRTY_RATE), 0);
    FAILS_UNTIL(0, vm_memory_move_slot(vm, 0, (gfn_t){ 2048 }), fail());
    base = 2048;
    copy_all();
    guest_write(&cpus[0], base + 3);
    assert_reported(DIRTY_OPERATOR, base + 3);
    backing_put(large);
}

/* Where tables cannot be had, large pages wait for their first write, and each harvest goes on. */
static void test_C10_no_memory_to_arm_with(void **state)
{
    for (unsigned all = 0; all < 2; all++) {
        struct page_set *report;

        if (all) {
            const struct mm_caps caps = *mm_caps();

            finish(state);
            start_machine(&caps, 2 * SMALL_RAM);
        }
        show(1024, 1024, 0, LEVEL_2M);
        map_all();
        if (all)
            start_log(DIRTY_ALL_AT_FIRST);
        drain_cpus();
        assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
        port_host_take_all_but(0);
        if (all)
            assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull, report), 0);
        else
            start_log(0);
        port_host_give_back();
        copy_all();
        assert_int_equal(page_set_count(report), all ? 1024 : 0);
        page_set_destroy(report);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
        assert_int_equal(vm_memory_get_stats(vm).splits, 0);
        assert_true(is_armed(&cpus[0], 1030));
        guest_write(&cpus[0], 1030);
        assert_int_equal(vm_memory_get_stats(vm).splits, 1);
        leave_all();
        harvest();
        assert_true(reported[1030]);
        guest_write(&cpus[0], 1030);
        assert_reported(DIRTY_OPERATOR, 1030);
        assert_nothing_lost();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C10_the_log_moves_with_its_slot),
        BOTH(test_C10_what_a_report_cannot_hold_stays_in_the_log),
        BOTH(test_C10_other_flags_keep_the_log),
        BOTH(test_M8_the_log_goes_with_its_slot),
        BOTH(test_C10_slots_that_are_not_logged_are_not_disturbed),
        BOTH(test_C10_two_slots_have_logs_of_their_own),
        BOTH(test_C10_every_root_is_armed),
        BOTH(test_C10_a_root_that_ends_below_the_slot),
        BOTH(test_C10_pages_of_1g),
        BOTH(test_M2_no_memory_for_a_log),
        BOTH(test_C10_no_memory_to_arm_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
