/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty logs at their edges: what is not in a slot, what a slot does not permit, roots that end, no room for a slot's record. */
#include "tests/unit/dirty_support.h"
#include "tests/unit/slot_room.h"

#include "mm/dirty_ring.h"
#include "mm/recover.h"

/* A processor may have noted writes to what is gone by the time it leaves. */
static void test_what_is_in_no_slot(void **state)
{
    const u64 gpas[] = { 2000 * PAGE_SIZE, 1030 * PAGE_SIZE, 1031 * PAGE_SIZE, 1ull << 40, 1300 * PAGE_SIZE };

    show(1024, 100, 0, LEVEL_4K);
    add_ram(vm, 1, 1300, 10, LEVEL_4K);
    start_log(0);
    vm_memory_log_writes(&cpus[0].vcpu, gpas, 5);
    dirty_log_permitted(&cpus[0].vcpu, (gfn_t){ 1900 });
    assert_int_equal(harvest(), 2);
    assert_true(reported[1030] && reported[1031]);
    assert_int_equal(vcpu_memory_open_ring(&cpus[0].vcpu, DIRTY_RING_MIN), 0);
    vm_memory_log_writes(&cpus[0].vcpu, gpas, 5);
    dirty_log_permitted(&cpus[0].vcpu, (gfn_t){ 1900 });
    assert_int_equal(cpus[0].vcpu.ring->head - cpus[0].vcpu.ring->tail, 2);
    assert_int_equal(harvest(), 2);
    vcpu_memory_close_ring(&cpus[0].vcpu);
    stop_log();
}

static void test_no_such_user(void **state)
{
    struct page_set *report;

    show(1024, 100, 0, LEVEL_4K);
    start_log(0);
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_USERS, (gfn_t){ 0 }, ~0ull, report), -ENOENT);
    page_set_destroy(report);
    stop_log();
}

/* What must not be written is not made writable by what logs writes. */
static void test_C10_pages_that_are_read_only(void **state)
{
    struct backing *clone;
    int level;

    for (enum level largest = LEVEL_4K; largest <= LEVEL_2M; largest++) {
        show(1024, 512, 0, largest);
        assert_int_equal(backing_clone(backing, &clone), 0);
        guest_read(&cpus[0], 1030);
        assert_int_equal(*leaf_of(&cpus[0], 1030, &level) & (EPT_WRITE | EPT_MAY_WRITE), 0);
        start_log(0);
        guest_read(&cpus[0], 1030);
        guest_read(&cpus[0], 1031);
        assert_int_equal(harvest(), 0);
        for (u64 gfn = 1030; gfn < 1032; gfn++)
            assert_int_equal(*leaf_of(&cpus[0], gfn, &level) & (EPT_WRITE | EPT_MAY_WRITE), 0);
        guest_write(&cpus[0], 1031);
        assert_reported(DIRTY_OPERATOR, 1031);
        assert_nothing_lost();
        assert_int_equal(content(clone, 7), 0);
        stop_log();
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
        backing_put(clone);
        backing_put(backing);
        backing = NULL;
    }
}

/* The log could not be had, or it could, and the record of the slot that moves with it could not. */
static void test_M2_no_room_for_a_slot(void **state)
{
    struct slot_room room;

    show(1024, 100, 0, LEVEL_4K);
    for (unsigned moves = 0; moves < 2; moves++) {
        for (unsigned left = 0; left <= 1 + moves; left++) {
            drain_cpus();
            fill_slot_room(memslots_find_id(memslots_active(&vm->slots), 0), left, &room);
            u64 frames = frame_get_stats().used[FRAME_CONTROL];
            port_host_take_all_but(0);
            int error =
                moves ? vm_memory_move_slot(vm, 0, (gfn_t){ 2048 }) : vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0);
            port_host_give_back();
            assert_int_equal(error, left < 1 + moves ? -ENOMEM : 0);
            assert_int_equal(vm->logging, moves || left == 1);
            assert_int_equal(frame_get_stats().used[FRAME_CONTROL], frames);
            empty_slot_room(&room);
        }
    }
    base = 2048;
    copy_all();
    guest_write(&cpus[0], 2050);
    assert_reported(DIRTY_OPERATOR, 2050);
    stop_log();
}

/* A root of four levels ends below a slot that one of five reaches: it has nothing to arm, to disarm, or to collapse. */
static void test_a_root_that_ends_below_the_slot(void **state)
{
    struct mm_caps caps = *mm_caps();
    struct recover_result result;
    u64 far = 1ull << 36;

    finish(state);
    caps.levels = 5;
    caps.physical_bits = 52;
    start_machine(&caps, SMALL_RAM);
    add_ram(vm, 0, far, 1024 + 100, LEVEL_2M);
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, 0, 4), 0);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(vm_memory_populate(vm, (gfn_t){ far }, 1024 + 100), 0);
        assert_int_equal(vm_memory_split(vm, (gfn_t){ far }, 1024, LEVEL_4K), 0);
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
        if (round == 2)
            *entry_at(vm, far + 5, LEVEL_4K) |= EPT_DIRTY;
        assert_int_equal(
            vm_memory_recover(vm, (gfn_t){ 0 }, ~0ull, round == 0 ? RECOVER_LAZILY : RECOVER_IN_PLACE, 0, &result), 0);
        assert_int_equal(round == 0 ? result.dropped : result.collapsed, 2);
        /* The last pages are no large page. */
        assert_true((*entry_at(vm, far + 1100, LEVEL_4K) & EPT_WRITE) != 0);
    }
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_what_is_in_no_slot),
        BOTH(test_no_such_user),
        BOTH(test_C10_pages_that_are_read_only),
        BOTH(test_M2_no_room_for_a_slot),
        BOTH(test_a_root_that_ends_below_the_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
