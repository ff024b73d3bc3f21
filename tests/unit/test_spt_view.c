/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_view.c: what views share, what they have of their own, and that the memory as it is does not notice them. */
#include "tests/unit/view_support.h"

enum { REGIONS = 512, GB = 1 << 18, END = GB };
static struct vm_memory *vm;
static struct vcpu_memory base, a, b;
static u8 before[REGIONS], after[REGIONS];

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    vcpu_memory_init(&a, vm);
    vcpu_memory_init(&b, vm);
    add_ram(vm, 0, 0, END, LEVEL_4K);
    return 0;
}

static int finish(void **state)
{
    port_host.on_kick = NULL;
    port_host.on_yield = NULL;
    port_host.on_pte = NULL;
    assert_all_sound(vm);
    vcpu_memory_destroy(&base);
    vcpu_memory_destroy(&a);
    vcpu_memory_destroy(&b);
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* The second page of each of the first `regions` regions of 2M. */
static void touch(struct vcpu_memory *vcpu, u64 regions)
{
    for (u64 i = 0; i < regions; i++)
        fault_by(vcpu, 512 * i + 1, ACCESS_READ);
}

static void test_H1_a_view_costs_what_differs(void **state)
{
    static const struct {
        u64 first, npages, tables; /* that the view has alone */
    } views[] = {
        { 7 * 512 + 1, 1, 4 },       /* one for each level */
        { 0, 512, 4 },               /* 2M */
        { 512 * 9, 512 * 8, 3 + 8 }, /* 16M */
        { 5 * 512 + 511, 2, 3 + 2 }, /* two pages in two tables */
        { END + 100, 1, 2 },         /* nothing there: the root, and the table of GBs */
        { 1ull << 30, 1, 1 },        /* nothing near: the root */
        { 0, END, 2 + 1 + REGIONS }, /* all */
    };

    touch(&base, REGIONS);
    u64 tables = tables_of(vm);
    assert_int_equal(tables, 3 + REGIONS);
    note_permissions(&base, END, 512, before);
    for (unsigned i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        u32 view = new_view(vm);

        assert_int_equal(protect(vm, view, views[i].first, views[i].npages, ACCESS_READ), 0);
        assert_int_equal(tables_of(vm), tables);
        assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
        touch(&a, REGIONS);
        assert_int_equal(tables_of(vm), tables + views[i].tables);
        assert_all_sound(vm);
        for (u64 gfn = 1; gfn < END; gfn += 512)
            assert_int_equal(may(&a, gfn), gfn - views[i].first < views[i].npages ? ACCESS_READ : ALL);
        assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
        assert_int_equal(vm_memory_drop_view(vm, view), 0);
        assert_int_equal(tables_of(vm), tables);
        assert_all_sound(vm);
        assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables);
    }
    note_permissions(&base, END, 512, after);
    assert_memory_equal(before, after, sizeof(before));
}

static void test_H1_permissions_given_back_make_all_equal_again(void **state)
{
    touch(&base, 20);
    u64 tables = tables_of(vm);
    u32 view = new_view(vm);

    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_ptr_equal(a.root->page, base.root->page);
    watch_flushes();
    assert_int_equal(protect(vm, view, 1, 512 * 3, ACCESS_READ | ACCESS_EXECUTE), 0);
    assert_true(port_host.kicks > 0 && !flush_is_due);
    touch(&a, 20);
    assert_int_equal(tables_of(vm), tables + 3 + 4);
    port_host.kicks = 0;
    assert_int_equal(protect(vm, view, 1, 512 * 3, ALL), 0);
    assert_true(port_host.kicks > 0 && !flush_is_due);
    assert_int_equal(tables_of(vm), tables);
    assert_ptr_equal(a.root->page, base.root->page);
    for (u64 i = 0; i < 20; i++)
        assert_int_equal(may(&base, 512 * i + 1), ALL);
}

static void test_H3_a_view_denies_only_to_who_uses_it(void **state)
{
    u32 view = new_view(vm);

    touch(&base, 3);
    assert_int_equal(protect(vm, view, 513, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(fault_by(&a, 513, ACCESS_WRITE), FAULT_DENIED);
    assert_int_equal(fault_by(&a, 513, ACCESS_EXECUTE), FAULT_DENIED);
    assert_int_equal(fault_by(&a, 513, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(may(&a, 513), ACCESS_READ);
    assert_int_equal(may(&base, 513), ALL);
    assert_int_equal(fault_by(&a, 513, ACCESS_READ | ACCESS_WRITE), FAULT_DENIED);
    assert_int_equal(may(&a, 513), ACCESS_READ);
    assert_int_equal(fault_by(&a, 514, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(may(&a, 514), ALL);
    assert_int_equal(may(&base, 514), 0);
    assert_int_equal(fault_by(&base, 514, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(protect(vm, view, 513, 1, 0), 0);
    assert_int_equal(may(&a, 513), 0);
    assert_int_equal(may(&a, 514), ALL);
    assert_int_equal(fault_by(&a, 513, ACCESS_READ), FAULT_DENIED);
}

/* Tables of gfn 0 at every level, of two views with the same ranges and of none: no two are one. */
static void test_H3_equal_gfn_and_other_role(void **state)
{
    struct vcpu_memory *vcpus[] = { &base, &a, &b };
    u32 views[] = { 0, new_view(vm), new_view(vm) };

    for (unsigned i = 0; i < 3; i++) {
        if (i != 0)
            assert_int_equal(protect(vm, views[i], 0, 2, ACCESS_READ), 0);
        assert_int_equal(vcpu_memory_select(vcpus[i], views[i], 4), 0);
        touch(vcpus[i], 2);
    }
    for (int level = LEVEL_4K; level <= LEVEL_512G; level++) {
        for (unsigned i = 0; i < 3; i++) {
            const struct shadow_page *page = table_of(vcpus[i], 0, level);

            assert_int_equal(page->gfn.v, 0);
            assert_int_equal(page->role.level, level);
            assert_int_equal(page->role.view, views[i]);
            assert_int_equal(page->references, 1);
        }
    }
    /* The next table differs in none of them: there is one, and its role is of no view. */
    assert_int_equal(table_of(&base, 512, LEVEL_4K)->references, 3);
    assert_ptr_equal(table_of(&a, 512, LEVEL_4K), table_of(&base, 512, LEVEL_4K));
    assert_ptr_equal(table_of(&b, 512, LEVEL_4K), table_of(&base, 512, LEVEL_4K));
    assert_int_equal(table_of(&base, 512, LEVEL_4K)->role.view, 0);
    assert_int_equal(fault_by(&b, 600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(may(&a, 600) & may(&base, 600), ALL);
    /* Where nothing is mapped by others, what a view makes is the same table for all. */
    assert_int_equal(fault_by(&a, 5 * 512, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&base, 5 * 512, ACCESS_READ), FAULT_SPURIOUS);
    assert_ptr_equal(table_of(&a, 5 * 512, LEVEL_4K), table_of(&base, 5 * 512, LEVEL_4K));
}

static void test_H2_roots_of_4_and_5_levels_share_a_view(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, 1, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(vcpu_memory_select(&b, view, 5), 0);
    touch(&a, 4);
    u64 tables = tables_of(vm);
    touch(&b, 4);
    assert_int_equal(tables_of(vm), tables);
    assert_ptr_equal(table_of(&b, 0, LEVEL_512G), a.root->page);
    assert_int_equal(may(&b, 1), ACCESS_READ);
    /* A change is one for both. */
    assert_int_equal(protect(vm, view, 0, 3 * 512, 0), 0);
    assert_int_equal(may(&a, 1) | may(&b, 1) | may(&a, 513) | may(&b, 513), 0);
    assert_int_equal(may(&a, 3 * 512 + 1) & may(&b, 3 * 512 + 1), ALL);
    assert_all_sound(vm);
    assert_int_equal(protect(vm, view, 0, 3 * 512, ALL), 0);
    assert_ptr_equal(a.root->page, base.root->page);
    touch(&b, 4);
    assert_ptr_equal(table_of(&b, 0, LEVEL_512G), a.root->page);
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
    assert_int_equal(vm_memory_drop_view(vm, view), -EBUSY);
    assert_int_equal(vcpu_memory_select(&b, 0, 4), 0);
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
}

/* The tables at the edges of a change are everybody's by their role, and nobody else has them. */
static void test_H3_tables_that_only_the_view_has(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, 0, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    for (u64 region = 1; region < 9; region++) {
        fault_by(&a, 512 * region + 100, ACCESS_WRITE);
        fault_by(&a, 512 * region + 400, ACCESS_WRITE);
    }
    assert_int_equal(protect(vm, view, 512, 512 + 200, ACCESS_READ), 0); /* the right edge is in the second one */
    assert_all_sound(vm);
    assert_int_equal(fault_by(&a, 1024 + 100, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(protect(vm, view, 512 * 5 + 200, 512, ACCESS_READ), 0); /* both */
    assert_all_sound(vm);
    assert_int_equal(fault_by(&a, 512 * 5 + 400, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, 512 * 6 + 100, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, 512 * 6 + 400, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(may(&a, 512 * 7 + 100), ALL);
    for (u64 gfn = 0; gfn < 512 * 9; gfn += 100)
        assert_int_equal(may(&base, gfn), 0);
}

static unsigned yields;

static void denied_or_as_before(void)
{
    assert_tree_sound(vm);
    for (u64 i = 0; i < 300; i += 9) {
        assert_int_equal(fault_by(&a, 512 * i + 1, ACCESS_WRITE), FAULT_DENIED);
        assert_int_equal(fault_by(&base, 512 * i + 1, ACCESS_WRITE), FAULT_SPURIOUS);
    }
    yields++;
}

static void test_C8_a_change_goes_on_where_it_yielded(void **state)
{
    u32 view = new_view(vm);

    yields = 0;
    touch(&base, 300);
    assert_int_equal(protect(vm, view, 0, 512 * 300, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    touch(&a, 300);
    watch_flushes();
    port_host.on_yield = denied_or_as_before;
    assert_int_equal(protect(vm, view, 0, 512 * 300, ACCESS_READ | ACCESS_EXECUTE), 0);
    assert_true(yields >= 2);
    assert_false(flush_is_due);
    for (u64 i = 0; i < 300; i++)
        assert_int_equal(may(&a, 512 * i + 1), 0);
    port_host.on_yield = NULL;
    touch(&a, 300);
    assert_int_equal(may(&a, 1), ACCESS_READ | ACCESS_EXECUTE);
    assert_int_equal(protect(vm, view, 0, 512 * 300, 0), 0);
    assert_int_equal(fault_by(&a, 1, ACCESS_READ), FAULT_DENIED);
}

static void test_a_view_limits_the_size_of_pages(void **state)
{
    struct backing *backing = new_backing(1024, 0);
    u32 view = new_view(vm);

    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ END }, 1024, backing, 0, 0, LEVEL_1G), 0);
    backing_put(backing);
    assert_int_equal(fault_by(&base, END, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(protect(vm, view, END + 5, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(fault_by(&a, END + 6, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, END + 6), LEVEL_4K);
    assert_int_equal(level_of(&a, END + 5), 0);
    assert_int_equal(fault_by(&a, END + 600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, END + 600), LEVEL_2M);
    assert_int_equal(level_of(&base, END + 600), 0);
    assert_int_equal(level_of(&base, END + 5), LEVEL_2M);
    /* All of a large page alike: it may stay large. */
    assert_int_equal(protect(vm, view, END, 512, ACCESS_READ), 0);
    assert_int_equal(fault_by(&a, END + 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, END + 5), LEVEL_2M);
    assert_int_equal(may(&a, END + 5), ACCESS_READ);
    assert_int_equal(may(&base, END + 5), ALL);
}

static void test_R3_without_memory_nothing_changes(void **state)
{
    int error = -ENOMEM;
    u64 failures = 0;
    u32 view = 0, other = 0;

    for (u64 free = 0; error != 0; free++) {
        port_host_take_all_but(free);
        error = vm_memory_create_view(vm, &view);
        port_host_give_back();
    }
    assert_int_equal(protect(vm, view, 1, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(vcpu_memory_select(&b, view, 5), 0);
    touch(&base, 4);
    touch(&a, 4);
    touch(&b, 4);
    drain_caches(vm);
    error = -ENOMEM;
    for (u64 free = 0; error != 0; free++, failures++) {
        u64 tables = tables_of(vm);

        port_host_take_all_but(free);
        struct frame_stats frames = frame_get_stats();
        error = protect(vm, view, 0, 1024, 0);
        struct frame_stats now = frame_get_stats();
        port_host_give_back();
        if (error == 0)
            break;
        assert_int_equal(error, -ENOMEM);
        assert_memory_equal(&frames, &now, sizeof(now));
        assert_int_equal(tables_of(vm), tables);
        assert_int_equal(may(&a, 1), ACCESS_READ);
        assert_int_equal(may(&a, 513) & may(&b, 513), ALL);
        assert_all_sound(vm);
    }
    assert_true(failures >= 3);
    assert_int_equal(may(&a, 513) | may(&b, 513), 0);
    port_host_take_all_but(0);
    struct frame_stats none = frame_get_stats();
    while (vm_memory_create_view(vm, &other) == 0)
        failures++;
    struct frame_stats now = frame_get_stats();
    port_host_give_back();
    assert_memory_equal(&none, &now, sizeof(now));
}

#define VIEW_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIEW_TEST(test_H1_a_view_costs_what_differs),
        VIEW_TEST(test_H1_permissions_given_back_make_all_equal_again),
        VIEW_TEST(test_H3_a_view_denies_only_to_who_uses_it),
        VIEW_TEST(test_H3_equal_gfn_and_other_role),
        VIEW_TEST(test_H2_roots_of_4_and_5_levels_share_a_view),
        VIEW_TEST(test_H3_tables_that_only_the_view_has),
        VIEW_TEST(test_C8_a_change_goes_on_where_it_yielded),
        VIEW_TEST(test_a_view_limits_the_size_of_pages),
        VIEW_TEST(test_R3_without_memory_nothing_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
