/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/snapshot.c, mm/snapshot_reset.c: a snapshot, the way back to it, what that costs, and who hears of it. */
#include "tests/unit/snapshot_support.h"

#include "mm/snapshot_internal.h"

static void test_back_and_back_again(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);

    assert_true(snapshot_exist(vm));
    assert_null(snapshot_parent(snapshot));
    assert_int_equal(reset(snapshot, &first), 0);
    for (u64 round = 0; round < 3; round++) {
        write_many(round, 97);
        check_all();
        assert_int_equal(reset(snapshot, &first), (SPACE - round + 96) / 97);
        /* Nothing more to do; and nothing that was restored counts as written. */
        assert_int_equal(reset(snapshot, &first), 0);
    }
    host_write(3);
    host_write(PAGES_0 + 1);
    assert_int_equal(reset(snapshot, &first), 2);
    snapshot_drop(snapshot);
    assert_false(snapshot_exist(vm));
    assert_null(snapshot_at(vm));
    check_all();
}

/* Every page may be the only one: those at the edges of slots and words too. */
static void test_each_page(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);

    for (u64 index = 0; index < SPACE; index = index == 70 ? PAGES_0 - 70 : index + 1) {
        struct snapshot_result result;

        guest_write(index);
        assert_int_equal(snapshot_reset(snapshot, &result), 0);
        assert_int_equal(result.examined, 1);
        assert_int_equal(result.restored, 1);
        model[index] = first.values[index];
        assert_int_equal(content(backing_of(index), page_of(index)), model[index]);
    }
    check_all();
}

/* A page that is dirty stays mapped, and is copied where it is: no fault but the one that logs, and no frame more. */
static void test_in_place(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);
    pfn_t pfn;

    guest_write(5);
    guest_write(PAGES_0 + 1); /* a hole in the snapshot */
    pfn = lookup(backings[0], 5).pfn;
    u64 frames = guest_frames();
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(reset(snapshot, &first), 2);
        assert_int_equal(lookup(backings[0], 5).pfn.v, pfn.v);
        assert_int_equal(level_of(&vcpu, 5), LEVEL_4K);
        struct vm_memory_stats before = vm_memory_get_stats(vm);
        guest_write(5);
        guest_write(PAGES_0 + 1);
        struct vm_memory_stats after = vm_memory_get_stats(vm);
        assert_int_equal(after.faults_installed, before.faults_installed);
        assert_int_equal(after.faults - before.faults, mm_caps()->log_modifications ? 0 : 2);
        assert_int_equal(after.flushes, before.flushes);
        assert_int_equal(guest_frames(), frames);
    }
}

/* Each VM has its own. */
static void test_two_VMs(void **state)
{
    struct vm_memory *other = new_vm();
    struct snapshot *snapshots[2];
    struct snapshot_result result;
    struct model first;
    u64 value = 1;

    add_ram(other, 0, 0, 100, LEVEL_4K);
    snapshots[0] = take(&first);
    assert_false(snapshot_exist(other));
    assert_null(snapshot_at(other));
    assert_int_equal(snapshot_take(other, &snapshots[1]), 0);
    assert_ptr_equal(snapshot_at(other), snapshots[1]);
    assert_ptr_equal(snapshot_at(vm), snapshots[0]);
    assert_int_equal(vm_memory_write(other, (gpa_t){ 0 }, &value, 8), 0);
    guest_write(3);
    assert_int_equal(reset(snapshots[0], &first), 1);
    snapshot_drop_all(vm);
    assert_int_equal(snapshot_reset(snapshots[1], &result), 0);
    assert_int_equal(result.restored, 1);
    vm_memory_read(other, (gpa_t){ 0 }, &value, 8);
    assert_int_equal(value, 0);
    snapshot_drop(snapshots[1]);
    vm_memory_destroy(other);
}

static struct snapshots *occupied;

static void leave_them(void)
{
    if (port_host.yields < 1000)
        return;
    occupied->busy = 0;
    occupied->users--;
    port_host.on_yield = NULL;
}

/* Somebody is with the snapshots of the VM: who comes waits; and who leaves last puts the light out. */
static void test_one_at_a_time(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);

    occupied = snapshot->all;
    guest_write(3);
    occupied->users++;
    occupied->busy = 1;
    port_host.yields = 0;
    port_host.on_yield = leave_them;
    assert_int_equal(reset(snapshot, &first), 1);
    assert_null(port_host.on_yield);
    occupied->users++;
    snapshot_drop(snapshot);
    assert_ptr_equal(occupied->vm, vm);
    occupied->users--;
    assert_null(snapshot_at(vm));
    assert_false(snapshot_exist(vm));
    snapshot = take(&first);
}

static void report_of(enum dirty_user user, struct page_set **report)
{
    assert_int_equal(vm_memory_create_report(vm, 0, report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, user, (gfn_t){ 0 }, PAGES_0, *report), 0);
}

/* Who copies the guest hears of the pages that got other content, however often it has looked before. */
static void test_C10_other_users_hear_of_it(void **state)
{
    struct model first;
    struct snapshot *snapshot;
    struct page_set *report;

    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    guest_write(1);
    snapshot = take(&first);
    /* In the log, but equal: written before. */
    assert_int_equal(reset(snapshot, &first), 0);
    report_of(DIRTY_OPERATOR, &report);
    assert_int_equal(page_set_count(report), 1);
    page_set_destroy(report);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, DIRTY_MANUAL), 0);
    guest_write(77);
    host_write(600);
    report_of(DIRTY_OPERATOR, &report);
    assert_int_equal(page_set_count(report), 2);
    page_set_destroy(report);
    assert_int_equal(reset(snapshot, &first), 2);
    for (unsigned round = 0; round < 2; round++) {
        report_of(DIRTY_RATE, &report);
        assert_true(page_set_has(report, 77) && page_set_has(report, 600));
        assert_int_equal(page_set_count(report), 2);
        page_set_destroy(report);
    }
    report_of(DIRTY_OPERATOR, &report);
    assert_true(page_set_has(report, 77) && page_set_has(report, 600));
    assert_int_equal(page_set_count(report), 2);
    page_set_destroy(report);
    assert_int_equal(reset(snapshot, &first), 0);
    report_of(DIRTY_OPERATOR, &report);
    assert_int_equal(page_set_count(report), 0);
    page_set_destroy(report);
    /* What the others take out of the log is in ours. */
    guest_write(9);
    report_of(DIRTY_OPERATOR, &report);
    page_set_destroy(report);
    assert_int_equal(reset(snapshot, &first), 1);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    snapshot_drop(snapshot);
    assert_int_equal(vm->logging, 1);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_RATE), 0);
}

static u64 points;

static void count_point(const void *word)
{
    (void)word;
    points++;
}

/* What a way back costs in all, with as many pages dirty in a VM of this size. */
static u64 cost_of(u64 npages, u64 dirty)
{
    struct vm_memory *big = new_vm();
    struct backing *backing = new_backing(npages, 0);
    struct snapshot *snapshot;
    struct snapshot_result result;
    u64 value = 1, before = port_host.yields;

    assert_int_equal(vm_memory_add_slot(big, 0, (gfn_t){ 0 }, npages, backing, 0, 0, LEVEL_1G), 0);
    assert_int_equal(snapshot_take(big, &snapshot), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (u64 i = 0; i < dirty; i++)
            assert_int_equal(vm_memory_write(big, (gpa_t){ (100 + i) * PAGE_SIZE }, &value, 8), 0);
        points = 0;
        before = port_host.yields;
        port_host.on_point = count_point;
        assert_int_equal(snapshot_reset(snapshot, &result), 0);
        port_host.on_point = NULL;
        assert_int_equal(result.examined, dirty);
        assert_int_equal(result.restored, dirty);
    }
    points += port_host.yields - before;
    snapshot_drop(snapshot);
    vm_memory_destroy(big);
    backing_put(backing);
    return points;
}

static void test_cost_is_of_dirty_pages(void **state)
{
    port_host_start(120 << 10);
    u64 of_some = cost_of(4096, 32);
    u64 of_more = cost_of(4096, 64);

    /* For 25 times the memory nothing but a look at the empty chunks of a set, one for 64 MiB (mm/page_set.h), four times. */
    assert_in_range(cost_of(100 << 10, 32), of_some, of_some + 4 * 6);
    assert_in_range(cost_of(100 << 10, 64), of_more, of_more + 4 * 6);
    /* Per page: two reads of maps, three for the log and the entry, and a share of the lock. */
    assert_in_range(of_more - of_some, 32, 32 * 6);
    assert_in_range(of_some, 1, 600);
    port_host_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_back_and_back_again),
        BOTH(test_each_page),
        BOTH(test_in_place),
        BOTH(test_two_VMs),
        BOTH(test_one_at_a_time),
        BOTH(test_C10_other_users_hear_of_it),
        cmocka_unit_test(test_cost_is_of_dirty_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
