/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Views that change while others run: what is published and not yet done, and tables that die while their keys are wanted.
 * More tables than one step takes (128), so that a hook is called in the middle.
 */
#include "tests/unit/view_support.h"

enum { GB = 1 << 18, REGIONS = 200 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;
static u32 view;
static unsigned yields;

/* The view permits reading only in REGIONS regions of 2M, and has a table for each. Above 1 GiB is RAM in pieces of 2M. */
static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    vcpu_memory_init(&a, vm);
    add_ram(vm, 0, 0, 300 * 512, LEVEL_4K);
    add_ram(vm, 1, GB, 512 * 3, LEVEL_2M);
    view = new_view(vm);
    yields = 0;
    assert_int_equal(protect(vm, view, 0, 512 * REGIONS, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(fault_by(&a, 512 * i + 1, ACCESS_READ), FAULT_INSTALLED);
    return 0;
}

static int finish(void **state)
{
    port_host.on_yield = NULL;
    port_host.on_kick = NULL;
    port_host.on_pte = NULL;
    vcpu_memory_destroy(&base);
    vcpu_memory_destroy(&a);
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

static u64 mapped_by_base(u64 gfn)
{
    return may(&base, gfn);
}

/* The region 250 is one of everybody, and its table is still in the view's tree, though the view differs there by now. */
static void fault_where_the_table_is_still_shared(void)
{
    if (yields++ != 0)
        return;
    assert_int_equal(table_of(&a, 512 * 250, LEVEL_4K)->role.view, 0);
    assert_int_equal(fault_by(&a, 512 * 250 + 7, ACCESS_READ), FAULT_RETRY);
    assert_int_equal(fault_by(&a, 512 * 250 + 7, ACCESS_WRITE), FAULT_DENIED);
    assert_int_equal(mapped_by_base(512 * 250 + 7), 0);
    assert_int_equal(may(&a, 512 * 250 + 7), 0);
    /* Behind the step the view has what it permits now, and nothing else. */
    assert_int_equal(fault_by(&a, 1, ACCESS_WRITE), FAULT_DENIED);
    assert_int_equal(fault_by(&a, 1, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(may(&a, 1), ACCESS_READ);
}

static void test_H3_no_leaf_of_a_view_in_a_table_of_all(void **state)
{
    assert_int_equal(fault_by(&base, 512 * 250 + 1, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, 512 * 250 + 1, ACCESS_WRITE), FAULT_SPURIOUS);
    port_host.on_yield = fault_where_the_table_is_still_shared;
    assert_int_equal(protect(vm, view, 0, 512 * 300, ACCESS_READ), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_int_equal(may(&a, 512 * 250 + 1), 0);
    assert_int_equal(mapped_by_base(512 * 250 + 1), ALL);
    assert_int_equal(fault_by(&a, 512 * 250 + 7, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(may(&a, 512 * 250 + 7), ACCESS_READ);
    assert_int_equal(mapped_by_base(512 * 250 + 7), 0);
    assert_int_equal(fault_by(&base, 512 * 250 + 7, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(mapped_by_base(512 * 250 + 7), ALL);
    assert_all_sound(vm);
}

static void fault_in_a_large_page(void)
{
    if (yields++ == 0)
        assert_int_equal(fault_by(&a, GB + 512 * 2 + 3, ACCESS_READ), FAULT_RETRY);
}

/* The table of 2M entries above 1 GiB is everybody's: the view must not put a table of 4K into it. */
static void test_H3_no_table_for_a_view_in_a_table_of_all(void **state)
{
    assert_int_equal(fault_by(&base, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, GB, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(level_of(&a, GB), LEVEL_2M);
    port_host.on_yield = fault_in_a_large_page;
    assert_int_equal(protect(vm, view, 0, GB + 512 * 2 + 1, 0), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_int_equal(fault_by(&base, GB + 512 * 2 + 3, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, GB + 512 * 2 + 3), LEVEL_2M);
    assert_all_sound(vm);
}

static void split_and_mark(void)
{
    if (yields++ != 0)
        return;
    assert_int_equal(vm_memory_split(vm, (gfn_t){ GB }, 512, LEVEL_4K), 0);
    vm_memory_mark_device(&a, gfn_to_gpa((gfn_t){ GB + 512 * 4 }));
}

/* The same for what has no view to ask: below a table of all everything is of all. */
static void test_H3_tables_below_one_of_all_are_of_all(void **state)
{
    assert_int_equal(fault_by(&base, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, GB, ACCESS_READ), FAULT_SPURIOUS);
    port_host.on_yield = split_and_mark;
    assert_int_equal(protect(vm, view, 0, GB + 512 * 4 + 1, 0), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_int_equal(level_of(&base, GB), LEVEL_4K);
    assert_int_equal(mapped_by_base(GB), ALL);
    assert_int_equal(table_of(&base, GB, LEVEL_4K)->role.view, 0);
    assert_int_equal(may(&a, GB), 0);
    assert_all_sound(vm);
}

/* Tables below one that the view must give up may be everybody's: they are left alone. */
static void test_H3_giving_back_leaves_the_memory_as_it_is_alone(void **state)
{
    add_ram(vm, 2, 1ull << 27, 4, LEVEL_4K);
    assert_int_equal(fault_by(&base, 513, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by(&base, 512 * 299, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by(&base, GB, ACCESS_WRITE), FAULT_INSTALLED);
    /* So the root stays one of the view. */
    assert_int_equal(protect(vm, view, 1ull << 27, 1, ACCESS_READ), 0);
    assert_int_equal(fault_by(&a, GB, ACCESS_WRITE), FAULT_SPURIOUS);
    u64 tables = tables_of(vm);
    assert_int_equal(protect(vm, view, 0, 512 * REGIONS, ALL), 0);
    assert_int_equal(tables_of(vm), tables - REGIONS - 2);
    assert_int_equal(mapped_by_base(513), ALL);
    assert_int_equal(mapped_by_base(512 * 299), ALL);
    assert_int_equal(mapped_by_base(GB), ALL);
    assert_all_sound(vm);
}

/* Whoever asks, and whatever the view says there: below a table that all have. */
static void test_H3_a_role_below_a_table_of_all_is_of_all(void **state)
{
    assert_int_equal(fault_by(&base, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(protect(vm, view, GB, 1, ACCESS_READ), 0);
    struct spt_iter it = iter_at(vm, GB, LEVEL_2M);
    rwlock_lock_shared(&vm->spt.lock);
    const struct view *differs = spt_find_view(&vm->spt, view);
    u64 below = spt_child_role(&it, differs).view, without = spt_role(differs, it.gfn, LEVEL_4K).view;
    rwlock_unlock_shared(&vm->spt.lock);
    assert_int_equal(below, 0);
    assert_int_equal(without, view);
}

static void look_for_tables(void)
{
    yields++;
    drain_caches(vm);
    assert_true(frame_get_stats().used[FRAME_TABLE] - tables_of(vm) < ZAP_STEP);
}

static void test_P2_a_full_step_frees_its_tables(void **state)
{
    port_host.on_yield = look_for_tables;
    assert_int_equal(protect(vm, view, 0, 512 * REGIONS, 0), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
}

static void mark_where_all_have_a_table(void)
{
    if (yields++ != 0)
        return;
    assert_ptr_equal(table_of(&a, GB + 512 * 3 + 3, LEVEL_4K), table_of(&base, GB + 512 * 3 + 3, LEVEL_4K));
    vm_memory_mark_device(&a, gfn_to_gpa((gfn_t){ GB + 512 * 3 + 3 }));
    assert_false(vm_memory_is_device(&base, gfn_to_gpa((gfn_t){ GB + 512 * 3 + 3 })));
}

static void test_H3_no_marker_of_a_view_in_a_table_of_all(void **state)
{
    vm_memory_mark_device(&base, gfn_to_gpa((gfn_t){ GB + 512 * 3 + 1 }));
    vm_memory_mark_device(&a, gfn_to_gpa((gfn_t){ GB + 512 * 3 + 2 }));
    assert_true(vm_memory_is_device(&base, gfn_to_gpa((gfn_t){ GB + 512 * 3 + 2 })));
    port_host.on_yield = mark_where_all_have_a_table;
    assert_int_equal(protect(vm, view, 0, GB + 512 * 4, 0), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_all_sound(vm);
}

/* Where the view is equal to the memory as it is, and stays so, the table that both have is not the view's to empty. */
static void test_H3_a_change_without_effect_takes_nothing_from_others(void **state)
{
    u64 gfn = 512 * 250 + 1;

    assert_int_equal(fault_by(&base, gfn, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, gfn, ACCESS_WRITE), FAULT_SPURIOUS);
    assert_int_equal(protect(vm, view, gfn, 1, ALL), 0);
    assert_int_equal(mapped_by_base(gfn), ALL);
    assert_int_equal(protect(vm, view, gfn - 10, 20, ALL), 0);
    assert_int_equal(mapped_by_base(gfn), ALL);
    assert_all_sound(vm);
}

/* Of a change of views while another one is on its way: it is made, or refused and then made again. */
static int nested;

static void protect_elsewhere(void)
{
    if (yields++ == 0) {
        assert_false(list_is_empty(&vm->spt.dying));
        nested = protect(vm, view, 512 * 290, 1, ACCESS_READ);
    }
}

/* The root that dies has the key of the one that is wanted again. */
static void test_H3_a_dying_table_of_a_view_is_not_found(void **state)
{
    port_host.on_yield = protect_elsewhere;
    assert_int_equal(protect(vm, view, 0, 512 * REGIONS, ALL), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    if (nested == -EBUSY)
        nested = protect(vm, view, 512 * 290, 1, ACCESS_READ);
    assert_int_equal(nested, 0);
    assert_true(list_is_empty(&vm->spt.dying));
    for (u64 i = 0; i < REGIONS; i++)
        assert_true(may(&a, 512 * i + 1) == 0 || may(&a, 512 * i + 1) == ALL);
    assert_all_sound(vm);
}

static u32 second;

static void replace_the_view(void)
{
    if (yields++ != 0)
        return;
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
    nested = vm_memory_drop_view(vm, view);
    if (nested != 0)
        return;
    second = new_view(vm);
    assert_int_equal(protect(vm, second, 512 * 150, 512 * 50, 0), 0);
    assert_int_equal(vcpu_memory_select(&a, second, 4), 0);
}

/* A view that is dropped while it changes leaves tables behind; its id is another view's then. */
static void test_H3_a_new_view_gets_no_table_of_a_dead_one(void **state)
{
    port_host.on_yield = replace_the_view;
    assert_int_equal(protect(vm, view, 0, 512 * REGIONS, ALL), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    if (nested == -EBUSY) {
        yields = 0;
        replace_the_view();
    }
    assert_int_equal(nested, 0);
    for (u64 i = 150; i < REGIONS; i++) {
        assert_int_equal(may(&a, 512 * i + 1), 0);
        assert_int_equal(fault_by(&a, 512 * i + 1, ACCESS_READ), FAULT_DENIED);
    }
    assert_all_sound(vm);
}

static u64 permitted_then;

static void split_large_pages(void)
{
    if (yields++ != 0)
        return;
    /* The view's large leaf still permits reading only; its table would be one of no view. */
    assert_int_equal(may(&a, GB + 1), ACCESS_READ);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ GB }, 512, LEVEL_4K), 0);
    assert_int_equal(level_of(&base, GB + 1), LEVEL_4K);
    permitted_then = mapped_by_base(GB + 1);
}

static void test_H3_a_split_of_a_former_view_is_nobody_elses(void **state)
{
    assert_int_equal(protect(vm, view, 0, GB + 512, ACCESS_READ), 0);
    for (u64 i = 0; i < REGIONS; i++)
        fault_by(&a, 512 * i + 1, ACCESS_READ);
    assert_int_equal(fault_by(&base, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, GB), LEVEL_2M);
    /* The root and the table of GBs stay the view's, because of this one. */
    assert_int_equal(protect(vm, view, 1ull << 20, 1, ACCESS_READ), 0);
    port_host.on_yield = split_large_pages;
    assert_int_equal(protect(vm, view, 0, GB + 512, ALL), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_int_equal(permitted_then, ALL);
    for (u64 i = 0; i < 512; i++)
        assert_int_equal(mapped_by_base(GB + i), ALL);
    assert_all_sound(vm);
}

static void split_where_only_the_view_maps(void)
{
    if (yields++ != 0)
        return;
    assert_int_equal(may(&a, GB + 1), ACCESS_READ);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ GB }, 512, LEVEL_4K), 0);
}

static void test_H3_what_a_view_denied_is_not_split_into_a_table_of_all(void **state)
{
    assert_int_equal(protect(vm, view, 0, GB + 512, ACCESS_READ), 0);
    for (u64 i = 0; i < REGIONS; i++)
        fault_by(&a, 512 * i + 1, ACCESS_READ);
    assert_int_equal(fault_by(&base, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ GB }, 512, LEVEL_4K), 0);
    vm_memory_zap(vm, (gfn_t){ GB + 1 }, 1);
    assert_int_equal(fault_by(&a, GB, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, GB), LEVEL_2M);
    assert_int_equal(protect(vm, view, 1ull << 20, 1, ACCESS_READ), 0);
    port_host.on_yield = split_where_only_the_view_maps;
    assert_int_equal(protect(vm, view, 0, GB + 512, ALL), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    /* Nobody but the view had something there, and that was less than all may do. */
    assert_int_equal(mapped_by_base(GB + 1), 0);
    assert_int_equal(mapped_by_base(GB + 2), ALL);
    assert_all_sound(vm);
}

static void change_twice(void)
{
    if (yields++ != 0)
        return;
    assert_int_equal(protect(vm, view, 512 * 290, 1, ACCESS_READ), -EBUSY);
    assert_int_equal(vm_memory_drop_view(vm, new_view(vm)), -EBUSY);
}

static void test_H3_views_change_one_after_the_other(void **state)
{
    port_host.on_yield = change_twice;
    assert_int_equal(protect(vm, view, 0, 512 * REGIONS, ALL), 0);
    port_host.on_yield = NULL;
    assert_true(yields > 0);
    assert_int_equal(protect(vm, view, 512 * 290, 1, ACCESS_READ), 0);
    assert_int_equal(vm_memory_drop_view(vm, view + 1), 0);
    assert_all_sound(vm);
}

static void check_dying(void)
{
    assert_int_equal(vcpu_memory_select(&base, view, 4), -ENOENT);
    int drop = vm_memory_drop_view(vm, view), change = protect(vm, view, 0, 1, 0);
    assert_true(drop == -ENOENT || drop == -EBUSY);
    assert_true(change == -ENOENT || change == -EBUSY);
    assert_tree_sound(vm);
    if (yields++ == 0) {
        /* The id is not free before the tables are gone. */
        assert_true(new_view(vm) != view);
        u64 mapped = vm_memory_get_stats(vm).mapped[LEVEL_4K];
        vm_memory_zap(vm, (gfn_t){ 512 * (REGIONS - 1) }, 512);
        assert_true(vm_memory_get_stats(vm).mapped[LEVEL_4K] < mapped);
    }
}

static void check_dying_once(void)
{
    port_host.on_yield = NULL;
    check_dying();
    port_host.on_yield = check_dying_once;
}

static void test_G3_a_dropped_view_is_found_until_it_is_gone(void **state)
{
    assert_int_equal(vm_memory_drop_view(vm, view), -EBUSY);
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
    port_host.on_yield = check_dying_once;
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
    port_host.on_yield = NULL;
    assert_true(yields >= 2);
    assert_int_equal(tables_of(vm), 1);
    assert_int_equal(new_view(vm), view);
    assert_all_sound(vm);
}

#define VIEW_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIEW_TEST(test_H3_no_leaf_of_a_view_in_a_table_of_all),
        VIEW_TEST(test_H3_no_table_for_a_view_in_a_table_of_all),
        VIEW_TEST(test_H3_tables_below_one_of_all_are_of_all),
        VIEW_TEST(test_H3_giving_back_leaves_the_memory_as_it_is_alone),
        VIEW_TEST(test_P2_a_full_step_frees_its_tables),
        VIEW_TEST(test_H3_a_role_below_a_table_of_all_is_of_all),
        VIEW_TEST(test_H3_no_marker_of_a_view_in_a_table_of_all),
        VIEW_TEST(test_H3_a_change_without_effect_takes_nothing_from_others),
        VIEW_TEST(test_H3_a_dying_table_of_a_view_is_not_found),
        VIEW_TEST(test_H3_a_new_view_gets_no_table_of_a_dead_one),
        VIEW_TEST(test_H3_a_split_of_a_former_view_is_nobody_elses),
        VIEW_TEST(test_H3_what_a_view_denied_is_not_split_into_a_table_of_all),
        VIEW_TEST(test_H3_views_change_one_after_the_other),
        VIEW_TEST(test_G3_a_dropped_view_is_found_until_it_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
