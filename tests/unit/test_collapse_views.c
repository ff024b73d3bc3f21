/* SPDX-License-Identifier: BSD-2-Clause */
/* A collapse in a VM with several roots: who has a table, and who says what it should be. */
#include "tests/unit/collapse_support.h"

static void test_H1_each_entry_gives_up_its_own_reference(void **state)
{
    show(0, 0, 0, PAGES, 0);
    make_view(7, 1, ACCESS_READ);
    map_small_in_both();
    struct shadow_page *shared = table_of(&base, REGION, LEVEL_4K);
    assert_ptr_equal(table_of(&a, REGION, LEVEL_4K), shared);
    assert_int_equal(shared->references, 2);
    u64 tables = tables_of(vm);
    struct recover_result result = recover_all();
    /* The view's own table of the first region has one page that is not like the others. */
    assert_int_equal(result.collapsed, 3);
    assert_int_equal(result.different, 1);
    assert_level(&base, 0, PAGES, LEVEL_2M);
    assert_level(&a, 0, REGION, LEVEL_4K);
    assert_level(&a, REGION, PAGES, LEVEL_2M);
    assert_int_equal(may(&a, 7), ACCESS_READ);
    assert_int_equal(may(&a, REGION), ALL);
    assert_int_equal(tables_of(vm), tables - 2);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], REGION);
}

static void test_H1_a_table_that_one_root_keeps(void **state)
{
    show(0, 0, 0, PAGES, 0);
    make_view(7, 1, ACCESS_READ);
    map_small_in_both();
    struct shadow_page *shared = table_of(&base, REGION, LEVEL_4K);
    /* As long as the view's tree has what does not belong there any more, nothing in it is touched. */
    table_of(&a, REGION, LEVEL_2M)->role.view = 0;
    port_host.kicks = 0;
    assert_int_equal(recover(REGION, REGION).collapsed, 1);
    /* Processors may have the small pages that are gone from the one tree. */
    assert_int_equal(port_host.kicks, 1);
    table_of(&a, REGION, LEVEL_2M)->role.view = 1;
    assert_int_equal(shared->references, 1);
    assert_int_equal(level_of(&base, REGION), LEVEL_2M);
    assert_level(&a, REGION, PAGES, LEVEL_4K);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 3 * REGION);
    assert_tree_sound(vm);
    assert_int_equal(recover(REGION, REGION).collapsed, 1);
    assert_int_equal(level_of(&a, REGION), LEVEL_2M);
}

static void change_view(u64 first, u64 npages, u64 permissions)
{
    VIEW_SPARE(spare);

    assert_int_equal(view_prepare(&spare), 0);
    rwlock_lock(&vm->spt.lock);
    view_set(a.root->view, &spare, (gfn_t){ first }, (gfn_t){ first + npages }, permissions);
    rwlock_unlock(&vm->spt.lock);
}

/* A tree has a table with nothing in it, of a fault that came to nothing; the region is large nevertheless. */
static void test_a_table_that_is_empty_in_one_root(void **state)
{
    TABLE_CACHE(cache);
    struct spt_iter it;

    show(0, 0, 0, PAGES, 0);
    make_view(7, 1, ACCESS_READ);
    map_small(0, REGION);
    fault_by(&a, REGION, ACCESS_READ);
    assert_int_equal(table_cache_fill(&cache, 4), 0);
    rwlock_lock_shared(&vm->spt.lock);
    spt_iter_start(&it, &vm->spt, a.root->page, (gfn_t){ 0 });
    while (it.level > LEVEL_2M)
        spt_iter_down(&it, (gfn_t){ 0 });
    assert_int_equal(spt_link_table(&it, a.root->view, &cache, NULL), 0);
    rwlock_unlock_shared(&vm->spt.lock);
    table_cache_drain(&cache);
    struct recover_result result = recover(0, REGION);
    assert_int_equal(result.collapsed, 1);
    assert_int_equal(result.absent, 0);
    assert_level(&base, 0, REGION, LEVEL_2M);
    assert_level(&a, 0, REGION, 0);
}

/* The view becomes such that another table belongs there, and nobody has taken this one away yet. */
static void test_H3_a_child_that_is_out_of_place(void **state)
{
    show(0, 0, 0, PAGES, 0);
    u32 view = make_view(0, REGION, ACCESS_READ);
    assert_int_equal(protect(vm, view, PAGES, 1, ACCESS_READ), 0);
    map_small_in_both();
    struct shadow_page *own = table_of(&a, 0, LEVEL_4K);
    change_view(0, REGION, EPT_PERMISSIONS);
    /* Even if it said the same. */
    u64 *entries = port_frame_address(own->frame);
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        entries[i] |= EPT_EXECUTE;
    struct recover_result result = recover(0, REGION);
    assert_int_equal(result.collapsed, 1);
    assert_int_equal(result.different, 1);
    assert_ptr_equal(table_of(&a, 0, LEVEL_4K), own);
    change_view(0, REGION, EPT_READ | EPT_EXECUTE);
    assert_int_equal(recover(0, REGION).collapsed, 1);
    assert_int_equal(may(&a, 0), ACCESS_READ | ACCESS_EXECUTE);
    assert_int_equal(level_of(&a, 0), LEVEL_2M);
}

static void test_C4_a_view_that_says_one_thing(void **state)
{
    show(0, 0, 0, PAGES, 0);
    make_view(0, REGION, ACCESS_READ);
    map_small_in_both();
    assert_int_equal(recover_all().collapsed, 4);
    for (u64 gfn = 0; gfn < PAGES; gfn++) {
        assert_int_equal(may(&base, gfn), ALL);
        assert_int_equal(may(&a, gfn), gfn < REGION ? ACCESS_READ : ALL);
    }
    assert_int_equal(level_of(&a, 0), LEVEL_2M);
}

/* All of it denied alike by two ranges, and one page that is only denied to be written. */
static void test_C4_a_view_that_is_not_uniform(void **state)
{
    show(0, 0, 0, PAGES, 0);
    u32 view = make_view(0, REGION, ACCESS_READ);
    map_small_in_both();
    assert_int_equal(protect(vm, view, 100, 1, ACCESS_READ | ACCESS_WRITE), 0);
    for (u64 gfn = 0; gfn < PAGES; gfn++)
        fault_by(&a, gfn, ACCESS_READ);
    /* As it is until somebody writes there. */
    *entry_of(&a, 100) &= ~(EPT_WRITE | EPT_MAY_WRITE);
    recover_all();
    assert_level(&a, 0, REGION, LEVEL_4K);
    assert_level(&base, 0, PAGES, LEVEL_2M);
}

/* What one tree does not have at all is no reason to pass by what another has. */
static void test_C8_where_one_tree_has_nothing(void **state)
{
    show(0, 0, 0, PAGES, 0);
    make_view(0, 1, ACCESS_READ);
    for (u64 gfn = 0; gfn < PAGES; gfn++)
        fault_by(&a, gfn, ACCESS_READ);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, PAGES, LEVEL_4K), 0);
    assert_level(&base, 0, PAGES, 0);
    assert_int_equal(recover_all().collapsed, 1);
    assert_level(&a, REGION, PAGES, LEVEL_2M);
    vm_memory_zap(vm, (gfn_t){ 0 }, PAGES);
    map_small(0, PAGES);
    assert_int_equal(recover_all().collapsed, 2);
    assert_level(&base, 0, PAGES, LEVEL_2M);
}

static u32 the_view;

static void protect_a_page(void)
{
    assert_int_equal(protect(vm, the_view, REGION + 9, 1, ACCESS_READ), 0);
}

static void protect_a_region(void)
{
    assert_int_equal(protect(vm, the_view, REGION, REGION, ACCESS_READ | ACCESS_EXECUTE), 0);
}

static void unprotect_all(void)
{
    assert_int_equal(protect(vm, the_view, 0, PAGES, ALL), 0);
}

static void test_C8_a_view_that_changes_at_every_step(void **state)
{
    static void (*const others[])(void) = { protect_a_page, protect_a_region, unprotect_all };
    u64 rounds = 0;

    show(0, 0, 0, PAGES, 0);
    the_view = make_view(0, 1, ACCESS_READ);
    for (unsigned i = 0; i < 3; i++) {
        bool acted = true;

        for (act_at = 0; acted; rounds++) {
            unprotect_all();
            assert_int_equal(protect(vm, the_view, 7, 1, ACCESS_READ), 0);
            forget();
            vm_memory_zap(vm, (gfn_t){ REGION }, REGION);
            map_small_in_both();
            acted = recover_with(others[i]);
            assert_all_sound(vm);
            assert_level(&base, 0, PAGES, LEVEL_2M);
        }
    }
    assert_true(rounds > 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COLLAPSE_TEST(test_H1_each_entry_gives_up_its_own_reference),
        COLLAPSE_TEST(test_H1_a_table_that_one_root_keeps),
        COLLAPSE_TEST(test_a_table_that_is_empty_in_one_root),
        COLLAPSE_TEST(test_H3_a_child_that_is_out_of_place),
        COLLAPSE_TEST(test_C4_a_view_that_says_one_thing),
        COLLAPSE_TEST(test_C4_a_view_that_is_not_uniform),
        COLLAPSE_TEST(test_C8_where_one_tree_has_nothing),
        COLLAPSE_TEST(test_C8_a_view_that_changes_at_every_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
