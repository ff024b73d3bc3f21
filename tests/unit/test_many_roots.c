/* SPDX-License-Identifier: BSD-2-Clause */
/* Roots of many views, which are nothing but roots; and ranges above the end of the roots of 4 levels. */
#include "tests/unit/view_support.h"

#include "mm/spt_dying.h"

enum { ROOTS = 60 };
#define HIGH (1ull << 36) /* where 4 levels end */

static struct vm_memory *vm;
static struct vcpu_memory base, vcpus[ROOTS];
static u32 views[ROOTS];

static int start(void **state)
{
    struct mm_caps caps = port_host_caps;

    port_host_start(SMALL_RAM);
    caps.levels = 5;
    caps.physical_bits = 52;
    mm_init(&caps);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    add_ram(vm, 0, 0, 1024, LEVEL_2M);
    add_ram(vm, 1, HIGH, 1024, LEVEL_2M);
    return 0;
}

static int finish(void **state)
{
    assert_all_sound(vm);
    vcpu_memory_destroy(&base);
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* Each has a root of its own, because there is something at 0 that it has not. */
static void add_roots(void)
{
    for (unsigned i = 0; i < ROOTS; i++) {
        views[i] = new_view(vm);
        assert_int_equal(protect(vm, views[i], 0, 1, ACCESS_READ), 0);
        start_vcpu(&vcpus[i], vm, views[i], 4);
    }
}

static void remove_roots(void)
{
    for (unsigned i = 0; i < ROOTS; i++)
        vcpu_memory_destroy(&vcpus[i]);
}

static void test_reclaim_finds_nothing_but_roots(void **state)
{
    add_roots();
    assert_int_equal(tables_of(vm), 1 + ROOTS);
    vm_memory_limit_tables(vm, VM_MIN_TABLES);
    spt_reclaim(&vm->spt);
    assert_int_equal(tables_of(vm), 1 + ROOTS);
    assert_int_equal(vm_memory_get_stats(vm).reclaimed, 0);
    /* And guests get on. */
    for (unsigned i = 0; i < ROOTS; i++) {
        assert_int_equal(fault_by(&vcpus[i], 0, ACCESS_READ), FAULT_INSTALLED);
        assert_int_equal(may(&vcpus[i], 0), EPT_READ);
    }
    assert_all_sound(vm);
    remove_roots();
}

static void test_R3_no_memory_for_one_more_grave(void **state)
{
    add_roots();
    pfn_t root = vcpus[3].root->page->frame;
    port_host_take_all_but(0);
    assert_int_equal(vm_memory_invalidate_all(vm), -ENOMEM);
    assert_int_equal(vm_memory_protect_view(vm, views[3], (gfn_t){ 5 }, 1, ACCESS_READ), -ENOMEM);
    assert_int_equal(vcpus[3].root->page->frame.v, root.v);
    port_host_give_back();
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_int_not_equal(vcpus[3].root->page->frame.v, root.v);
    remove_roots();
}

static void test_R3_no_memory_for_a_root_or_a_range(void **state)
{
    enum { MANY = 300 };
    struct spt_root *roots[MANY];
    struct view_spare spares[MANY] = { { { NULL, NULL } } };
    u32 view = new_view(vm);
    unsigned count = 0, prepared = 0;

    /* All that lies in frames which are there already. */
    port_host_take_all_but(0);
    while (count < MANY && (roots[count] = spt_root_alloc(NULL, 4)) != NULL)
        count++;
    while (prepared < MANY && view_prepare(&spares[prepared]) == 0)
        prepared++;
    assert_true(count < MANY && prepared < MANY);
    struct spt_root *root = base.root;
    assert_int_equal(vcpu_memory_select(&base, view, 4), -ENOMEM);
    assert_ptr_equal(base.root, root);
    assert_int_equal(protect(vm, view, 0, 1, ACCESS_READ), -ENOMEM);
    port_host_give_back();
    while (count > 0)
        spt_root_free(roots[--count]);
    for (unsigned i = 0; i <= prepared; i++)
        view_spare_drop(&spares[i]);
    assert_int_equal(vcpu_memory_select(&base, view, 4), 0);
}

static void test_ranges_above_the_end_of_4_levels(void **state)
{
    struct vcpu_memory low;
    u32 view = new_view(vm);

    start_vcpu(&low, vm, view, 4);
    assert_int_equal(fault_by(&low, 0, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&low, 0), LEVEL_2M);
    assert_int_equal(vcpu_memory_select(&base, view, 5), 0);
    assert_int_equal(fault_by(&base, HIGH, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, HIGH), LEVEL_2M);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ HIGH }, 1024, LEVEL_4K), 0);
    assert_int_equal(level_of(&base, HIGH), LEVEL_4K);
    assert_all_sound(vm);
    assert_int_equal(protect(vm, view, HIGH + 3, 4, ACCESS_READ), 0);
    assert_int_equal(fault_by(&base, HIGH + 3, ACCESS_WRITE), FAULT_DENIED);
    assert_all_sound(vm);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ HIGH }, 1024), 0);
    assert_int_equal(level_of(&base, HIGH), 0);
    /* Not what lies as far above the beginning of the smaller tree. */
    assert_int_equal(level_of(&low, 0), LEVEL_2M);
    vcpu_memory_destroy(&low);
}

#define ROOTS_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOTS_TEST(test_reclaim_finds_nothing_but_roots),
        ROOTS_TEST(test_R3_no_memory_for_one_more_grave),
        ROOTS_TEST(test_R3_no_memory_for_a_root_or_a_range),
        ROOTS_TEST(test_ranges_above_the_end_of_4_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
