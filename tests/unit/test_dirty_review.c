/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where dirty logs, snapshots and recoveries meet what others do for good: pages that stay shared, backings that two VMs show,
 * slots that went and came back.
 */
#include "mm/dirty_log.h"
#include "mm/recover.h"
#include "mm/snapshot.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { REGION = 512, PAGES = 2 * REGION, PAGE = 100 };

static struct vm_memory *vm;
static struct vcpu_memory vcpu, its; /* of another VM, in one test */

static void start_with(const struct mm_caps *caps)
{
    port_host_start(2 * SMALL_RAM);
    mm_init(caps);
    vm = new_vm();
    vcpu_memory_init(&vcpu, vm);
}

static int start_protect(void **state)
{
    start_with(&port_host_caps);
    return 0;
}

static int start_pml(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.log_modifications = true;
    start_with(&caps);
    return 0;
}

static int finish(void **state)
{
    snapshot_drop_all(vm);
    assert_all_sound(vm);
    vcpu_memory_destroy(&vcpu);
    vm_memory_destroy(vm);
    assert_int_equal(mm_audit(), 0);
    port_host_stop();
    return 0;
}

static void show(struct vm_memory *in, u32 id, u64 base, struct backing *backing)
{
    assert_int_equal(vm_memory_add_slot(in, id, (gfn_t){ base }, backing_pages(backing), backing, 0, 0, LEVEL_1G), 0);
}

static void host_write(u64 gfn, u64 value)
{
    assert_int_equal(vm_memory_write(vm, (gpa_t){ gfn * PAGE_SIZE }, &value, sizeof(value)), 0);
}

static u64 host_read(u64 gfn)
{
    u64 value;

    assert_int_equal(vm_memory_read(vm, (gpa_t){ gfn * PAGE_SIZE }, &value, sizeof(value)), 0);
    return value;
}

/* ---- snapshots */

/* A guest's write of one word, by what its tables permit. */
static void write_by(struct vcpu_memory *by, u64 gfn, u64 value)
{
    int level;

    for (unsigned faults = 0; faults < 8; faults++) {
        u64 *entry = entry_below(by->root->page->frame, by->root->top, gfn, LEVEL_4K, &level);

        if ((*entry & (EPT_READ | EPT_WRITE)) == (EPT_READ | EPT_WRITE)) {
            *(u64 *)port_frame_address((pfn_t){ ept_frame(*entry).v + (gfn & (level_pages((enum level)level) - 1)) }) =
                value;
            return;
        }
        assert_true(fault_by(by, gfn, ACCESS_WRITE) <= FAULT_RETRY);
    }
    fail_msg("gfn %llu does not become writable", (unsigned long long)gfn);
}

/*
 * A page of a block is saved, and its neighbours are not: another VM that shows the block must not have it as one large
 * writable page, or it writes into the snapshot.
 */
static void test_C4_a_saved_page_is_no_part_of_a_block(void **state)
{
    struct backing *backing = new_backing(PAGES, BACKING_ON_DEMAND);
    struct vm_memory *other = new_vm();
    struct snapshot *first, *second;
    struct snapshot_result result;

    vcpu_memory_init(&its, other);
    show(vm, 0, 0, backing);
    show(other, 0, 0, backing);
    assert_int_equal(snapshot_take(vm, &first), 0);
    host_write(PAGE, 1); /* fills all of the region, in one piece */
    assert_int_equal(lookup(backing, PAGE + 1).level, LEVEL_2M);
    assert_int_equal(snapshot_take(vm, &second), 0);
    /* Its neighbour first: that one is nobody else's. */
    write_by(&its, PAGE + 1, 7);
    assert_int_equal(mm_audit(), 0);
    write_by(&its, PAGE, 2);
    assert_int_equal(host_read(PAGE), 2);
    host_write(PAGE, 3);
    assert_int_equal(snapshot_reset(second, &result), 0);
    assert_int_equal(host_read(PAGE), 1);
    struct recover_result recovered;
    assert_int_equal(vm_memory_recover(other, (gfn_t){ 0 }, ~0ull, RECOVER_IN_PLACE, 0, &recovered), 0);
    assert_int_equal(mm_audit(), 0);
    snapshot_drop_all(vm);
    vcpu_memory_destroy(&its);
    vm_memory_destroy(other);
    backing_put(backing);
}

/*
 * A slot went and came back, and what was written to it in between nobody has logged. A snapshot that cannot be taken then must
 * not make the old one look as if it could be reset to.
 */
static void test_C10_a_failed_snapshot_revives_no_other(void **state)
{
    struct backing *low = new_content(REGION, 1), *high = new_content(REGION, 1000);
    struct snapshot *first, *second;
    struct snapshot_result result;
    int error = -ENOMEM;

    show(vm, 0, 0, low);
    show(vm, 1, PAGES, high);
    assert_int_equal(snapshot_take(vm, &first), 0);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    show(vm, 1, PAGES, high);
    host_write(PAGES + PAGE, 5);
    assert_int_equal(snapshot_reset(first, &result), -ESTALE);
    for (u64 free = 0; error != 0; free++) {
        port_host_take_all_but(free);
        error = snapshot_take(vm, &second);
        port_host_give_back();
        assert_true(error == 0 || error == -ENOMEM);
        assert_int_equal(snapshot_reset(first, &result), -ESTALE);
    }
    assert_int_equal(host_read(PAGES + PAGE), 5);
    assert_int_equal(snapshot_reset(second, &result), 0);
    backing_put(low);
    backing_put(high);
}

/* ---- recovery */

static bool recover(u64 budget, struct recover_result *result)
{
    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 0 }, ~0ull, RECOVER_COMPACT, budget, result), 0);
    return vm_memory_wants_recovery(vm);
}

/* What is shared for long must neither be disturbed again and again nor keep what comes behind it from being brought together. */
static void test_a_shared_region_is_in_nobodys_way(void **state)
{
    struct backing *backing = new_scattered(PAGES, 1);
    struct backing *single = new_scattered(1, 1 + PAGE);
    struct recover_result result;
    u64 flushes;

    assert_int_equal(backing_share(backing, PAGE, single, 0), 0);
    show(vm, 0, 0, backing);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, PAGES), 0);
    for (unsigned round = 0; round < 3 && recover(1, &result); round++)
        ;
    assert_int_equal(level_of(&vcpu, REGION), LEVEL_2M);
    assert_int_equal(level_of(&vcpu, PAGE + 1), LEVEL_4K);
    assert_false(vm_memory_wants_recovery(vm));
    /* Nothing is unmapped for what cannot be. */
    flushes = vm_memory_get_stats(vm).flushes;
    recover(1, &result);
    assert_int_equal(result.shared, 1);
    assert_int_equal(vm_memory_get_stats(vm).flushes, flushes);
    assert_int_equal(level_of(&vcpu, PAGE), LEVEL_4K);
    /* When it is not shared any more it comes, too. */
    backing_put(single);
    recover(1, &result);
    assert_int_equal(level_of(&vcpu, PAGE), LEVEL_2M);
    check_content(backing, 0, PAGES, 1);
    backing_put(backing);
}

/* What stays small after a log is over is written without a fault because of it, also where a copy was meant and cannot be. */
static void test_C1_what_stays_small_is_disarmed(void **state)
{
    struct backing *backing = new_scattered(PAGES, 1), *single = new_scattered(1, 1 + PAGE);
    struct recover_result result;

    assert_int_equal(backing_share(backing, PAGE, single, 0), 0);
    show(vm, 0, 0, backing);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ REGION + PAGE }, 1), 0);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, PAGES), 0);
    assert_int_equal(backing_punch(backing, REGION + PAGE, 1), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    recover(2, &result);
    assert_int_equal(result.shared, 1);
    assert_int_equal(result.absent, 1);
    for (u64 gfn = 0; gfn < PAGES; gfn++)
        assert_int_equal(may(&vcpu, gfn), gfn == PAGE ? EPT_READ | EPT_EXECUTE : gfn == REGION + PAGE ? 0 : ALL);
    backing_put(single);
    backing_put(backing);
}

#define BOTH(test)                                              \
    { #test "_protection", test, start_protect, finish, NULL }, \
    {                                                           \
#test "_PML", test, start_pml, finish, NULL             \
    }

static u64 harvested(enum dirty_user user)
{
    struct page_set *report;

    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    port_host.yields = 0;
    assert_int_equal(vm_memory_harvest(vm, 0, user, (gfn_t){ 0 }, ~0ull, report), 0);
    u64 count = page_set_count(report);
    page_set_destroy(report);
    return count;
}

/* After each 64 MiB others have their turn, also where it is only looked who knows what. */
static void test_a_look_at_much_gives_way(void **state)
{
    enum { LAST = PAGE_SET_CHUNK - 1, MANY = PAGE_SET_CHUNK + REGION };
    struct backing *backing;

    assert_int_equal(backing_create(MANY, BACKING_ON_DEMAND, &backing), 0);
    show(vm, 0, 0, backing);
    backing_put(backing);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_SNAPSHOT, DIRTY_MANUAL), 0);
    host_write(LAST, 1);
    assert_int_equal(harvested(DIRTY_SNAPSHOT), 1);
    assert_int_equal(port_host.yields, 1);
    assert_int_equal(harvested(DIRTY_OPERATOR), 1);
    assert_int_equal(harvested(DIRTY_RATE), 1);
    assert_int_equal(port_host.yields, 1);
    vm_memory_stop_logs(vm, DIRTY_OPERATOR);
    vm_memory_stop_logs(vm, DIRTY_RATE);
    vm_memory_stop_logs(vm, DIRTY_SNAPSHOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C4_a_saved_page_is_no_part_of_a_block),
        BOTH(test_C10_a_failed_snapshot_revives_no_other),
        cmocka_unit_test_setup_teardown(test_a_shared_region_is_in_nobodys_way, start_protect, finish),
        cmocka_unit_test_setup_teardown(test_a_look_at_much_gives_way, start_protect, finish),
        BOTH(test_C1_what_stays_small_is_disarmed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
