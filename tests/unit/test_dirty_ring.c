/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/dirty_ring.c: what comes into the rings, what has no room there, and who is held back. */
#include "mm/tlb.h"
#include "tests/unit/ring_support.h"

static bool is_blocked(unsigned cpu)
{
    bool blocked = vcpu_memory_enter(&cpus[cpu].vcpu).blocked;

    vcpu_memory_leave(&cpus[cpu].vcpu);
    return blocked;
}

/* ---- opening and closing */

static void test_a_ring_has_a_power_of_2(void **state)
{
    static const u64 wrong[] = { 0, 1, 512, SIZE - 1, SIZE + 1, 3 * SIZE, 2 * DIRTY_RING_MAX, 1ull << 63, ~0ull };
    struct vcpu_memory *vcpu = &cpus[0].vcpu;
    u64 used = frame_get_stats().used[FRAME_CONTROL];

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(vcpu_memory_open_ring(vcpu, wrong[i]), -EINVAL);
    assert_null(vcpu->ring);
    for (u64 size = SIZE; size <= DIRTY_RING_MAX; size *= 2) {
        assert_int_equal(vcpu_memory_open_ring(vcpu, size), 0);
        assert_int_equal(frame_get_stats().used[FRAME_CONTROL], used + 1 + size * sizeof(u64) / PAGE_SIZE);
        assert_int_equal(vcpu_memory_open_ring(vcpu, size), -EEXIST);
        vcpu_memory_close_ring(vcpu);
        vcpu_memory_close_ring(vcpu);
        assert_int_equal(frame_get_stats().used[FRAME_CONTROL], used);
    }
}

static void test_R3_a_ring_without_memory_leaves_nothing(void **state)
{
    for (u64 frames = 0; frames < 3; frames++) {
        port_host_take_all_but(frames);
        u64 used = frame_get_stats().used[FRAME_CONTROL];
        assert_int_equal(vcpu_memory_open_ring(&cpus[0].vcpu, SIZE), -ENOMEM);
        assert_null(cpus[0].vcpu.ring);
        assert_int_equal(frame_get_stats().used[FRAME_CONTROL], used);
        port_host_give_back();
    }
}

static void test_a_vcpu_takes_its_ring_with_it(void **state)
{
    struct vcpu_memory vcpu;

    start_ring();
    vcpu_memory_init(&vcpu, vm);
    u64 used = frame_get_stats().used[FRAME_CONTROL];
    assert_int_equal(vcpu_memory_open_ring(&vcpu, SIZE), 0);
    dirty_ring_put(vcpu.ring, (gfn_t){ FIRST });
    vcpu_memory_destroy(&vcpu);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], used);
    assert_reaps(DIRTY_OPERATOR, SPACE, 0, 0, 0);
}

static void test_C10_what_was_in_a_ring_that_is_closed_is_in_the_log(void **state)
{
    start_ring();
    write_pages(0, FIRST, 600);
    assert_true(is_blocked(0));
    vcpu_memory_close_ring(&cpus[0].vcpu);
    assert_false(is_blocked(0));
    write_pages(0, FIRST + 600, 3);
    assert_reaps(DIRTY_OPERATOR, SPACE, 0, 0, 0);
    assert_int_equal(harvest(), 603);
    assert_nothing_lost();
}

/* ---- what comes in */

static void test_entries_come_in_the_order_of_writing(void **state)
{
    start_ring();
    /* Three times around the ring. */
    for (u64 round = 0; round < 11; round++) {
        for (u64 i = 0; i < 300; i++)
            write_page(0, FIRST + (i * 7 + round) % 300);
        assert_int_equal(entries(0), 300);
        for (u64 i = 0; i < 300; i++)
            assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST + (i * 7 + round) % 300, 1);
    }
    assert_int_equal(cpus[0].vcpu.ring->dropped, 0);
}

static void test_C10_what_has_no_room_stays_in_the_log(void **state)
{
    start_ring();
    /* So that it is full in the middle of its places. */
    write_pages(0, FIRST, 77);
    assert_reaps(DIRTY_OPERATOR, SPACE, 77, FIRST, 77);
    write_pages(0, FIRST, SIZE + 100);
    assert_int_equal(entries(0), SIZE);
    assert_int_equal(cpus[0].vcpu.ring->dropped, 100);
    assert_reaps(DIRTY_OPERATOR, SPACE, SIZE, FIRST, SIZE);
    assert_int_equal(harvest(), 100);
    for (u64 gfn = FIRST + SIZE; gfn < FIRST + SIZE + 100; gfn++)
        assert_true(reported[gfn]);
    assert_nothing_lost();
}

/* Its vCPU permits or logs it again, by what means ever. */
static void log_again(struct cpu *cpu, u64 gfn)
{
    const u64 gpas[] = { gfn * PAGE_SIZE, gfn * PAGE_SIZE + 8, gfn * PAGE_SIZE };

    if (pml())
        vm_memory_log_writes(&cpu->vcpu, gpas, 3);
    else
        assert_int_equal(access_fault(cpu, gfn, ACCESS_WRITE), FAULT_SPURIOUS);
}

static void test_a_page_is_in_one_ring_once(void **state)
{
    start_ring();
    assert_int_equal(vcpu_memory_open_ring(&cpus[1].vcpu, SIZE), 0);
    write_page(0, FIRST + 9);
    log_again(&cpus[0], FIRST + 9);
    log_again(&cpus[1], FIRST + 9);
    assert_int_equal(entries(0), 1);
    assert_int_equal(entries(1), 0);
    /* Nor in any where the hypervisor wrote it first. */
    assert_int_equal(vm_memory_write(vm, gfn_to_gpa((gfn_t){ FIRST + 10 }), "x", 1), 0);
    write_page(0, FIRST + 10);
    assert_int_equal(entries(0), 1);
    assert_reaps(DIRTY_OPERATOR, SPACE, 1, FIRST + 9, 1);
    assert_reported(DIRTY_OPERATOR, FIRST + 10);
}

static void test_only_slots_that_are_logged_come_in(void **state)
{
    start_ring();
    add_ram(vm, 1, OTHER_SLOT, 64, LEVEL_4K);
    write_pages(0, OTHER_SLOT, 3);
    assert_int_equal(entries(0), 0);
    stop_log();
    write_pages(0, FIRST, 3);
    assert_int_equal(entries(0), 0);
}

/* ---- back-pressure */

/* An invalidation that was due is not forgotten because the vCPU did not enter. */
static void test_G5_who_is_held_back_invalidates_when_it_enters(void **state)
{
    start_ring();
    write_pages(0, FIRST, SIZE - PML_ENTRIES);
    tlb_flush(vm);
    assert_true(vcpu_memory_enter(&cpus[0].vcpu).blocked);
    vcpu_memory_leave(&cpus[0].vcpu);
    vcpu_memory_close_ring(&cpus[0].vcpu);
    assert_true(vcpu_memory_enter(&cpus[0].vcpu).invept);
    vcpu_memory_leave(&cpus[0].vcpu);
    assert_false(vcpu_memory_enter(&cpus[0].vcpu).invept);
    vcpu_memory_leave(&cpus[0].vcpu);
}

static void test_a_vcpu_is_held_back_before_a_stay_might_not_fit(void **state)
{
    u64 threshold = SIZE - PML_ENTRIES - 1;

    start_ring();
    assert_false(is_blocked(1));
    assert_false(is_blocked(0));
    write_pages(0, FIRST, threshold);
    assert_false(is_blocked(0));
    write_page(0, FIRST + threshold);
    assert_true(is_blocked(0));
    assert_true(is_blocked(0));
    assert_false(is_blocked(1));
    /* Room for one is enough. */
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST, 1);
    assert_false(is_blocked(0));
    /* All that one stay can log, and the fault that ends it. */
    for (u64 i = 0; i < PML_ENTRIES; i++)
        guest_write(&cpus[0], FIRST + SIZE + i);
    leave(&cpus[0]);
    write_page(0, FIRST + 2 * SIZE - 1);
    assert_int_equal(entries(0), SIZE);
    assert_int_equal(cpus[0].vcpu.ring->dropped, 0);
    assert_true(is_blocked(0));
    assert_reaps(DIRTY_OPERATOR, threshold, threshold, FIRST + 1, threshold);
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST + SIZE, 1);
    assert_true(is_blocked(0));
    assert_reaps(DIRTY_OPERATOR, 1, 1, FIRST + SIZE + 1, 1);
    assert_false(is_blocked(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_a_ring_has_a_power_of_2),
        BOTH(test_R3_a_ring_without_memory_leaves_nothing),
        BOTH(test_a_vcpu_takes_its_ring_with_it),
        BOTH(test_C10_what_was_in_a_ring_that_is_closed_is_in_the_log),
        BOTH(test_entries_come_in_the_order_of_writing),
        BOTH(test_C10_what_has_no_room_stays_in_the_log),
        BOTH(test_a_page_is_in_one_ring_once),
        BOTH(test_only_slots_that_are_logged_come_in),
        BOTH(test_G5_who_is_held_back_invalidates_when_it_enters),
        BOTH(test_a_vcpu_is_held_back_before_a_stay_might_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
