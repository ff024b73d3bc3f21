/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty logs, and what happens to pages: faults of every kind, writes for a guest, and changes of what pages lead to and hold. */
#include "tests/unit/dirty_support.h"

static void map_all(void)
{
    for (u64 page = 0; page < pages; page++)
        guest_read(&cpus[0], base + page);
}

/* A page of the slot as the frame that it has now. */
static struct backing_page found_at(u64 gfn)
{
    return lookup(backing, gfn - base);
}

/* ---- faults, and writes that need none */

static void test_C10_a_write_is_logged_and_a_read_is_not(void **state)
{
    show(1024, 512, 0, LEVEL_4K);
    start_log(0);
    /* Not mapped: under the lock. */
    guest_read(&cpus[0], 1030);
    guest_write(&cpus[0], 1031);
    assert_reported(DIRTY_OPERATOR, 1031);
    assert_true(is_armed(&cpus[0], 1030) && is_armed(&cpus[0], 1031));
    /* Mapped: without it, and where the processor logs without a fault. */
    u64 lockless = vm_memory_get_stats(vm).faults_lockless, faults = vm_memory_get_stats(vm).faults;
    guest_write(&cpus[0], 1030);
    guest_write(&cpus[0], 1030);
    assert_reported(DIRTY_OPERATOR, 1030);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless - lockless, !pml());
    assert_int_equal(vm_memory_get_stats(vm).faults - faults, !pml());
    /* Also by a fault that finds the permission there: somebody else may have got it, and not have said so yet. */
    guest_write(&cpus[0], 1030);
    harvest();
    guest_write(&cpus[0], 1030);
    leave_all();
    memset(reported, 0, sizeof(reported));
    assert_int_equal(harvest(), 1);
    if (!pml()) {
        *entry_of(&cpus[0].vcpu, 1030) |= EPT_WRITE;
        assert_int_equal(access_fault(&cpus[1], 1030, ACCESS_WRITE), FAULT_SPURIOUS);
        assert_reported(DIRTY_OPERATOR, 1030);
    }
    /* What is executed or read in a page that is dirty already changes nothing. */
    guest_write(&cpus[0], 1030);
    access_fault(&cpus[0], 1030, ACCESS_EXECUTE);
    assert_false(is_armed(&cpus[0], 1030));
    assert_reported(DIRTY_OPERATOR, 1030);
    assert_nothing_lost();
}

static void test_C10_what_is_written_for_a_guest_is_logged(void **state)
{
    u8 bytes[2 * PAGE_SIZE] = { 1 };

    show(1024 + 37, 512, 0, LEVEL_2M);
    start_log(0);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ base * PAGE_SIZE }, bytes, sizeof(bytes)), 0);
    assert_int_equal(harvest(), 0);
    assert_int_equal(vm_memory_write(vm, (gpa_t){ (base + 26) * PAGE_SIZE + 100 }, bytes, sizeof(bytes)), 0);
    assert_int_equal(harvest(), 3);
    assert_true(reported[base + 26] && reported[base + 27] && reported[base + 28]);
    assert_int_equal(vm_memory_zero(vm, (gpa_t){ (base + 511) * PAGE_SIZE }, 1), 0);
    assert_reported(DIRTY_OPERATOR, base + 511);
    assert_nothing_lost();
}

/* ---- what its pages lead to */

static void test_C10_what_loses_its_content_is_logged(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    start_log(0);
    guest_write(&cpus[0], 1030);
    guest_write(&cpus[0], 1600);
    leave_all();
    harvest();
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 1029 }, 3), 0);
    assert_int_equal(harvest(), 3);
    assert_true(reported[1029] && reported[1030] && reported[1031]);
    assert_int_equal(mirror[6], 0);
    /* Somebody else's frame is no reason. */
    assert_int_equal(memory_retire(found_at(1601).pfn, true), 0);
    assert_int_equal(harvest(), 0);
    assert_int_equal(memory_retire(found_at(1600).pfn, false), 0);
    assert_reported(DIRTY_OPERATOR, 1600);
    guest_write(&cpus[0], 1030);
    assert_reported(DIRTY_OPERATOR, 1030);
}

/* Each of these lets writes be lost if what comes after it is not armed. */
static void test_C10_what_keeps_its_content_is_not_logged_and_stays_armed(void **state)
{
    show(1024, 1024, 0, LEVEL_2M);
    start_log(0);
    for (unsigned way = 0; way < 9; way++) {
        struct backing *clone = NULL;

        map_all();
        guest_write(&cpus[0], 1030);
        guest_write(&cpus[1], 1500);
        leave_all();
        assert_int_equal(harvest(), 2);
        switch (way) {
        case 0:
            assert_int_equal(backing_migrate(backing, 6), 0);
            break;
        case 1:
            assert_int_equal(backing_compact(backing, 6), 0);
            break;
        case 2:
            clone = clone_of(backing);
            break;
        case 3:
            put_content(backing, 900, 0);
            put_content(backing, 901, 0);
            assert_int_equal(backing_share(backing, 900, backing, 901), 0);
            break;
        case 4:
            assert_int_equal(vm_memory_invalidate_all(vm), 0);
            break;
        case 5:
            vm_memory_zap(vm, (gfn_t){ 1024 }, 1024);
            break;
        case 6:
            vm_memory_write_protect(vm, (gfn_t){ 1024 }, 1024);
            break;
        case 7:
            assert_int_equal(vm_memory_split(vm, (gfn_t){ 1024 }, 1024, LEVEL_4K), 0);
            break;
        default:
            assert_int_equal(vm_memory_populate(vm, (gfn_t){ 1024 }, 1024), 0);
        }
        assert_int_equal(harvest(), 0);
        map_all();
        assert_int_equal(vm_memory_populate(vm, (gfn_t){ 1024 }, 1024), 0);
        assert_int_equal(harvest(), 0);
        assert_log_sound();
        for (u64 page = 0; page < 1024; page += 1 + page % 7) {
            assert_true(is_armed(&cpus[0], 1024 + page));
            guest_write(&cpus[page % 2], 1024 + page);
        }
        leave_all();
        assert_true(harvest() > 200);
        assert_nothing_lost();
        if (clone != NULL)
            backing_put(clone);
    }
}

static void test_C10_a_copy_on_write_is_logged_where_it_was_written(void **state)
{
    show(1024, 512, 0, LEVEL_2M);
    map_all();
    start_log(DIRTY_LAZY);
    struct backing *clone = clone_of(backing);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ 4096 }, 512, clone, 0, 0, LEVEL_2M), 0);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_RATE, 0), 0);
    map_all();
    guest_write(&cpus[0], 1030);
    assert_reported(DIRTY_OPERATOR, 1030);
    guest_write(&cpus[1], 4096 + 7);
    guest_write(&cpus[1], 4096 + 6);
    leave_all();
    assert_int_equal(harvest(), 0);
    assert_int_equal(page_set_has(&memslot_log(memslots_find_id(memslots_active(&vm->slots), 1))->written, 4096 + 6),
                     1);
    assert_int_equal(page_set_count(&memslot_log(memslots_find_id(memslots_active(&vm->slots), 1))->written), 2);
    /* The last one with a frame takes it over: the same frame, and written again. */
    guest_write(&cpus[0], 1031);
    assert_reported(DIRTY_OPERATOR, 1031);
    assert_nothing_lost();
    assert_log_sound();
    backing_put(clone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C10_a_write_is_logged_and_a_read_is_not),
        BOTH(test_C10_what_is_written_for_a_guest_is_logged),
        BOTH(test_C10_what_loses_its_content_is_logged),
        BOTH(test_C10_what_keeps_its_content_is_not_logged_and_stays_armed),
        BOTH(test_C10_a_copy_on_write_is_logged_where_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
