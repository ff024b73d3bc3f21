/* SPDX-License-Identifier: BSD-2-Clause */
/* Large pages that are not executable (C7): what splits them, and the way back (mm/recover.h). */
#include "mm/dirty_log.h"
#include "mm/recover.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { PAGES = 1024, REGION = 512, GB = 1 << 18, RAM_GB = GB + 1024 + 8192 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;

static void begin(u64 frames, u64 npages)
{
    struct mm_caps caps = port_host_caps;

    caps.nx_large = true;
    port_host_start(frames);
    mm_init(&caps);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    vcpu_memory_init(&a, vm);

    struct backing *backing = new_backing(npages, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, npages, backing, 0, 0, LEVEL_1G), 0);
    backing_put(backing);
}

static int start(void **state)
{
    begin(SMALL_RAM, PAGES);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &base, &a);
}

/* No large entry is executable, in any tree. */
static void assert_nx(const struct vcpu_memory *vcpu, u64 end)
{
    for (u64 gfn = 0; gfn < end; gfn++)
        assert_false(level_of(vcpu, gfn) > LEVEL_4K && may(vcpu, gfn) & ACCESS_EXECUTE);
}

static void assert_level(const struct vcpu_memory *vcpu, u64 first, u64 end, int level)
{
    for (u64 gfn = first; gfn < end; gfn++)
        assert_int_equal(level_of(vcpu, gfn), level);
}

static struct recover_result recover(void)
{
    struct recover_result result;

    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 0 }, ~0ull, RECOVER_IN_PLACE, 0, &result), 0);
    return result;
}

/* A split gives the permission to all that it makes, so the fault finds it there. */
static void execute(struct vcpu_memory *vcpu, u64 gfn)
{
    enum fault_result result = fault_by(vcpu, gfn, ACCESS_EXECUTE);

    assert_true(result == FAULT_INSTALLED || result == FAULT_SPURIOUS);
    assert_int_equal(level_of(vcpu, gfn), LEVEL_4K);
    assert_true(may(vcpu, gfn) & ACCESS_EXECUTE);
}

static u64 splits(void)
{
    return vm_memory_get_stats(vm).splits_for_execution;
}

static void test_C7_data_stays_large(void **state)
{
    assert_int_equal(fault_by(&base, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(may(&base, 5), ACCESS_READ | ACCESS_WRITE);
    assert_int_equal(fault_by(&base, 600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_level(&base, 0, PAGES, LEVEL_2M);
    assert_nx(&base, PAGES);
    assert_int_equal(splits(), 0);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 0);
    assert_false(vm_memory_wants_recovery(vm));
}

static void test_C7_execution_splits_and_comes_back(void **state)
{
    fault_by(&base, 5, ACCESS_WRITE);
    fault_by(&base, 600, ACCESS_WRITE);
    for (u64 round = 1; round < 4; round++) {
        execute(&base, 9);
        assert_int_equal(splits(), round);
        assert_true(vm_memory_wants_recovery(vm));
        /* Nothing of the region faults a second time because of it. */
        for (u64 gfn = 0; gfn < REGION; gfn++)
            assert_int_equal(may(&base, gfn), ALL);
        assert_level(&base, 0, REGION, LEVEL_4K);
        assert_level(&base, REGION, PAGES, LEVEL_2M);
        /* The ordinary recovery leaves what is executed. */
        struct recover_result result = recover();
        assert_int_equal(result.collapsed, 0);
        assert_int_equal(result.executed, 1);
        assert_level(&base, 0, REGION, LEVEL_4K);
        u64 faults = vm_memory_get_stats(vm).faults;
        assert_int_equal(vm_memory_recover_executed(vm, 5), 1);
        assert_level(&base, 0, PAGES, LEVEL_2M);
        assert_int_equal(may(&base, 9), ACCESS_READ | ACCESS_WRITE);
        assert_nx(&base, PAGES);
        assert_int_equal(vm_memory_recover_executed(vm, 5), 0);
        assert_int_equal(vm_memory_get_stats(vm).faults, faults);
        assert_all_sound(vm);
    }
}

/* Small pages that a fault made because it was to execute, where nothing was mapped. */
static void test_C7_executed_first(void **state)
{
    execute(&base, 9);
    assert_int_equal(level_of(&base, 9), LEVEL_4K);
    assert_int_equal(splits(), 0);
    assert_int_equal(recover().executed, 1);
    assert_int_equal(vm_memory_recover_executed(vm, 1), 1);
    assert_int_equal(level_of(&base, 9), LEVEL_2M);
    assert_nx(&base, PAGES);
}

/* A table of small pages for another reason, all of them executable: that is no reason to keep it. */
static void test_C7_a_log_is_over(void **state)
{
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, PAGES), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_level(&base, 0, PAGES, LEVEL_4K);
    execute(&base, 9);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 0);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    assert_true(may(&base, 9) & ACCESS_EXECUTE);
    assert_int_equal(recover().collapsed, 2);
    assert_level(&base, 0, PAGES, LEVEL_2M);
    assert_nx(&base, PAGES);
    execute(&base, 9);
    assert_int_equal(level_of(&base, 9), LEVEL_4K);
}

/* What execution split is logged: it waits until that is over (C2). */
static void test_C2_executed_and_logged(void **state)
{
    fault_by(&base, 5, ACCESS_WRITE);
    execute(&base, 9);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 0);
    assert_level(&base, 0, REGION, LEVEL_4K);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 1);
    assert_level(&base, 0, REGION, LEVEL_2M);
    assert_int_equal(may(&base, 5), ACCESS_READ | ACCESS_WRITE);
}

/* With other roots large pages give way to new tables, and not only in one tree. */
static void test_C7_with_views(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, 7, 1, ACCESS_READ | ACCESS_EXECUTE), 0);
    assert_int_equal(protect(vm, view, REGION, REGION, ACCESS_READ | ACCESS_EXECUTE), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, PAGES), 0);
    for (u64 gfn = 0; gfn < PAGES; gfn++) {
        fault_by(&a, gfn, ACCESS_READ);
        fault_by(&base, gfn, ACCESS_READ);
    }
    assert_nx(&base, PAGES);
    assert_nx(&a, PAGES);
    assert_level(&a, REGION, PAGES, LEVEL_2M);
    execute(&a, REGION + 9);
    execute(&base, 9);
    assert_int_equal(level_of(&a, REGION + 9), LEVEL_4K);
    assert_int_equal(level_of(&base, 9), LEVEL_4K);
    assert_level(&base, REGION, PAGES, LEVEL_2M);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 2);
    assert_nx(&base, PAGES);
    assert_nx(&a, PAGES);
    assert_level(&base, 0, PAGES, LEVEL_2M);
    assert_level(&a, REGION, PAGES, LEVEL_2M);
    assert_int_equal(may(&a, REGION + 9), ACCESS_READ);
    assert_int_equal(level_of(&a, 7), LEVEL_4K);
    execute(&a, REGION + 9);
    assert_int_equal(may(&a, REGION + 9), ACCESS_READ | ACCESS_EXECUTE);
    assert_int_equal(fault_by(&a, REGION + 9, ACCESS_WRITE), FAULT_DENIED);
}

/* Of a view that permits nothing but execution nothing can be large. */
static void test_C7_only_execution_permitted(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, 0, REGION, ACCESS_EXECUTE), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    for (u64 gfn = 0; gfn < REGION; gfn++)
        execute(&a, gfn);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 0);
    assert_level(&a, 0, REGION, LEVEL_4K);
    assert_int_equal(may(&a, 5), ACCESS_EXECUTE);
}

/* The oldest first; what cannot become large does not keep the others from it. */
static void test_C7_the_oldest_first(void **state)
{
    vm_memory_remove_slot(vm, 0);
    add_ram(vm, 1, 0, 3 * REGION, LEVEL_2M);
    add_ram(vm, 2, 8 * REGION, REGION, LEVEL_4K);
    execute(&base, 8 * REGION);
    for (u64 region = 0; region < 3; region++) {
        fault_by(&base, (2 - region) * REGION, ACCESS_WRITE);
        execute(&base, (2 - region) * REGION);
    }
    assert_int_equal(vm_memory_recover_executed(vm, 1), 0);
    assert_int_equal(vm_memory_recover_executed(vm, 1), 1);
    assert_int_equal(level_of(&base, 2 * REGION), LEVEL_2M);
    assert_level(&base, 0, 2 * REGION, LEVEL_4K);
    assert_int_equal(vm_memory_recover_executed(vm, 1), 1);
    assert_int_equal(level_of(&base, REGION), LEVEL_2M);
    assert_int_equal(level_of(&base, 0), LEVEL_4K);
    assert_int_equal(vm_memory_recover_executed(vm, 9), 1);
    assert_int_equal(level_of(&base, 0), LEVEL_2M);
    assert_int_equal(vm_memory_recover_executed(vm, 9), 0);
    assert_int_equal(vm->spt.executed_count, 1);
    vm_memory_zap(vm, (gfn_t){ 0 }, 9 * REGION);
    assert_int_equal(vm->spt.executed_count, 0);
    assert_true(list_is_empty(&vm->spt.executed));
}

/* More than are looked at under the lock at once, and than wait for one flush. */
static void test_C7_many_executed(void **state)
{
    enum { REGIONS = 512 + 2 };

    begin(RAM_GB, GB + 1024);
    for (u64 region = 0; region < REGIONS; region++)
        execute(&base, region * REGION + region % 7);
    assert_int_equal(vm->spt.executed_count, REGIONS);
    port_host.kicks = 0;
    assert_int_equal(vm_memory_recover_executed(vm, 2 * REGIONS), REGIONS);
    assert_int_equal(port_host.kicks, 2);
    assert_int_equal(vm->spt.executed_count, 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    finish(state);
}

static u64 collapsed_late;

/* Between the set in which the slot is invalid and the removal of what it maps. */
static void recover_while_it_goes(const void *word)
{
    (void)word;
    port_host.on_point = NULL;
    struct memslot_set *set = memslots_active(&vm->slots);
    const struct memslot *slot = memslots_find_id(set, 0);
    if (slot == NULL || !memslots_is_invalid(set, slot) || !is_free(&vm->spt.lock)) {
        port_host.on_point = recover_while_it_goes;
        return;
    }
    collapsed_late = vm_memory_recover_executed(vm, 9);
}

/* M3: nothing is made of a slot that goes. */
static void test_M3_a_slot_that_goes(void **state)
{
    execute(&base, 5);
    assert_int_equal(vm->spt.executed_count, 1);
    collapsed_late = ~0ull;
    port_host.on_point = recover_while_it_goes;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_null(port_host.on_point);
    assert_int_equal(collapsed_late, 0);
    assert_int_equal(vm->spt.executed_count, 0);
}

static void test_C7_of_1g(void **state)
{
    begin(RAM_GB, GB);
    assert_int_equal(fault_by(&base, 5, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, 5), LEVEL_1G);
    assert_int_equal(may(&base, 5), ACCESS_READ | ACCESS_WRITE);
    execute(&base, 700);
    assert_int_equal(level_of(&base, 700), LEVEL_4K);
    for (u64 gfn = 0; gfn < GB; gfn += REGION)
        assert_int_equal(may(&base, gfn), gfn == REGION ? ALL : (ACCESS_READ | ACCESS_WRITE));
    assert_int_equal(recover().collapsed, 0);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 1);
    assert_int_equal(vm_memory_recover_executed(vm, 5), 1);
    assert_int_equal(level_of(&base, 700), LEVEL_1G);
    assert_int_equal(may(&base, 700), ACCESS_READ | ACCESS_WRITE);
    finish(state);
}

#define NX_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NX_TEST(test_C7_data_stays_large),         NX_TEST(test_C7_execution_splits_and_comes_back),
        NX_TEST(test_C7_executed_first),           NX_TEST(test_C7_a_log_is_over),
        NX_TEST(test_C2_executed_and_logged),      NX_TEST(test_C7_with_views),
        NX_TEST(test_C7_only_execution_permitted), NX_TEST(test_C7_the_oldest_first),
        NX_TEST(test_M3_a_slot_that_goes),         cmocka_unit_test(test_C7_many_executed),
        cmocka_unit_test(test_C7_of_1g),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
