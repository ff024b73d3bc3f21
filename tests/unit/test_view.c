/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/view.c: its ranges against an array, and what vm_memory_protect_view() refuses. */
#include "tests/unit/view_support.h"

#include "mm/pool.h"

enum { PAGES = 40 };

static void set(struct view *view, u64 first, u64 end, u64 permissions)
{
    VIEW_SPARE(spare);

    assert_int_equal(view_prepare(&spare), 0);
    view_set(view, &spare, (gfn_t){ first }, (gfn_t){ end }, permissions);
}

static void test_no_view_is_the_memory_as_it_is(void **state)
{
    assert_int_equal(view_permissions(NULL, (gfn_t){ 5 }), EPT_PERMISSIONS);
    assert_true(view_is_uniform(NULL, (gfn_t){ 0 }, (gfn_t){ ~0ull }));
    assert_false(view_differs(NULL, (gfn_t){ 0 }, (gfn_t){ ~0ull }));
}

static void check(const struct view *view, const u64 *model)
{
    for (u64 first = 0; first < PAGES; first++) {
        bool differs = false, uniform = true;

        assert_int_equal(view_permissions(view, (gfn_t){ first }), model[first]);
        for (u64 end = first + 1; end <= PAGES; end++) {
            differs |= model[end - 1] != EPT_PERMISSIONS;
            uniform &= model[end - 1] == model[first];
            assert_int_equal(view_differs(view, (gfn_t){ first }, (gfn_t){ end }), differs);
            if (!uniform || !differs)
                assert_int_equal(view_is_uniform(view, (gfn_t){ first }, (gfn_t){ end }), uniform);
        }
    }
}

static void test_ranges_are_what_was_set_last(void **state)
{
    static const u64 permissions[] = { 0, EPT_READ, EPT_READ | EPT_WRITE, EPT_PERMISSIONS };
    u64 model[PAGES], seed = 77;

    for (unsigned round = 0; round < 30; round++) {
        struct view *view = view_create(1);

        for (u64 i = 0; i < PAGES; i++)
            model[i] = EPT_PERMISSIONS;
        for (unsigned step = 0; step < 30; step++) {
            u64 first = random_below(&seed, PAGES), end = first + 1 + random_below(&seed, PAGES - first);
            u64 value = permissions[random_below(&seed, 4)];

            set(view, first, end, value);
            for (u64 i = first; i < end; i++)
                model[i] = value;
            check(view, model);
            assert_true(view_is_uniform(view, (gfn_t){ first }, (gfn_t){ end }));
        }
        view_destroy(view);
    }
}

static void test_a_range_cut_in_two_takes_both_spares(void **state)
{
    struct view *view = view_create(1);
    VIEW_SPARE(spare);

    set(view, 10, 20, 0);
    assert_int_equal(view_prepare(&spare), 0);
    view_set(view, &spare, (gfn_t){ 14 }, (gfn_t){ 16 }, EPT_READ);
    assert_null(spare.range[0]);
    assert_null(spare.range[1]);
    assert_int_equal(view_permissions(view, (gfn_t){ 13 }), 0);
    assert_int_equal(view_permissions(view, (gfn_t){ 15 }), EPT_READ);
    assert_int_equal(view_permissions(view, (gfn_t){ 16 }), 0);
    assert_int_equal(view_permissions(view, (gfn_t){ 20 }), EPT_PERMISSIONS);
    view_destroy(view);
}

static void test_R3_no_memory_for_a_range(void **state)
{
    bool prepared = false;
    u64 free;

    for (free = 0; !prepared; free++) {
        port_host_take_all_but(free);
        {
            VIEW_SPARE(spare);
            prepared = view_prepare(&spare) == 0;
        }
        assert_int_equal(frame_get_stats().free, free);
        port_host_give_back();
    }
    assert_true(free > 1);
    port_host_take_all_but(0);
    assert_null(view_create(1));
    port_host_give_back();
}

static void test_what_no_processor_can_have_is_refused(void **state)
{
    struct mm_caps caps = port_host_caps;

    for (unsigned execute_only = 0; execute_only < 2; execute_only++) {
        caps.execute_only = execute_only;
        mm_init(&caps);
        struct vm_memory *vm = new_vm();
        u32 view = new_view(vm);

        port_host.kicks = 0;

        assert_int_equal(protect(vm, view, 0, 1, ACCESS_WRITE), -EINVAL);
        assert_int_equal(protect(vm, view, 0, 1, ACCESS_WRITE | ACCESS_EXECUTE), -EINVAL);
        assert_int_equal(protect(vm, view, 0, 1, 8), -EINVAL);
        assert_int_equal(protect(vm, view, 0, 1, ALL | 1u << 31), -EINVAL);
        assert_int_equal(protect(vm, view, 0, 1, ACCESS_EXECUTE), execute_only ? 0 : -EINVAL);
        assert_int_equal(protect(vm, view, 0, 1, 0), 0);
        assert_int_equal(protect(vm, view, 0, 0, 0), -EINVAL);
        assert_int_equal(protect(vm, view, vm_gfn_limit() - 1, 2, 0), -EINVAL);
        assert_int_equal(protect(vm, view, 1, ~0ull, 0), -EINVAL);
        assert_int_equal(protect(vm, view, vm_gfn_limit() - 1, 1, 0), 0);
        assert_int_equal(protect(vm, view + 1, 0, 1, 0), -ENOENT);
        assert_int_equal(protect(vm, 0, 0, 1, 0), -ENOENT);
        assert_int_equal(vm_memory_drop_view(vm, view + 1), -ENOENT);
        assert_int_equal(vm_memory_drop_view(vm, 0), -ENOENT);
        assert_int_equal(tables_of(vm), 1);
        assert_int_equal(port_host.kicks, 0);
        assert_sound();
        vm_memory_destroy(vm);
    }
}

static void test_ids_are_used_again(void **state)
{
    enum { VIEWS = 511 };
    struct vm_memory *vm = new_vm();
    u32 view;

    for (u32 i = 1; i <= VIEWS; i++)
        assert_int_equal(new_view(vm), i);
    assert_int_equal(vm_memory_create_view(vm, &view), -ENOSPC);
    assert_int_equal(vm_memory_drop_view(vm, 77), 0);
    assert_int_equal(vm_memory_drop_view(vm, 77), -ENOENT);
    assert_int_equal(new_view(vm), 77);
    vm_memory_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_no_view_is_the_memory_as_it_is),        SMALL_TEST(test_ranges_are_what_was_set_last),
        SMALL_TEST(test_a_range_cut_in_two_takes_both_spares),  SMALL_TEST(test_R3_no_memory_for_a_range),
        SMALL_TEST(test_what_no_processor_can_have_is_refused), SMALL_TEST(test_ids_are_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
