/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_range.c: walks over a range that yield, and write protection. */
#include "tests/unit/view_support.h"

enum { GB = 1 << 18, RAM_GB = GB + 1024 + 8192, TABLES = 200 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;

/* Pieces of 2M at 0, two of them; `vm` has four levels. */
static int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    add_ram(vm, 0, 0, 1024, LEVEL_2M);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &base, &a);
}

static int split(u64 first, u64 npages, enum level largest)
{
    return vm_memory_split(vm, (gfn_t){ first }, npages, largest);
}

static void make_view(u64 first, u64 npages, u32 permissions)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, first, npages, permissions), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
}

static unsigned yields;

static void change_while_splitting(void)
{
    port_host.on_yield = NULL;
    assert_tree_sound(vm);
    if (yields++ == 0) {
        vm_memory_zap(vm, (gfn_t){ 0 }, 1);
        fault_by(&base, 3, ACCESS_READ);
        assert_int_equal(vm_memory_invalidate_all(vm), 0);
        fault_by(&base, 600, ACCESS_READ);
    }
    port_host.on_yield = change_while_splitting;
}

static void test_C8_a_split_goes_on_where_it_yielded(void **state)
{
    yields = 0;
    add_ram(vm, 1, GB, 512ull * TABLES, LEVEL_4K);
    fault_by(&base, 0, ACCESS_READ);
    fault_by(&base, 600, ACCESS_READ);
    for (u64 i = 0; i < TABLES; i++)
        fault_by(&base, GB + 512 * i, ACCESS_WRITE);
    port_host.yields = 0;
    watch_flushes();
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 1ull << 36);
    assert_false(flush_is_due);
    assert_true(port_host.yields >= TABLES / 64 && port_host.yields <= TABLES / 64 + 3);
    for (u64 i = 0; i < TABLES; i++)
        assert_int_equal(may(&base, GB + 512 * i), ACCESS_READ | ACCESS_EXECUTE);
    assert_int_equal(may(&base, 0), ACCESS_READ | ACCESS_EXECUTE);
    port_host.on_yield = change_while_splitting;
    assert_int_equal(split(0, 1ull << 36, LEVEL_4K), 0);
    assert_true(yields > 0);
    assert_int_equal(level_of(&base, 600), LEVEL_2M); /* came behind the walk */
    assert_int_equal(split(0, 1ull << 36, LEVEL_4K), 0);
    assert_int_equal(level_of(&base, 600), LEVEL_4K);
}

static void test_write_protection_is_given_back_without_a_lock(void **state)
{
    make_view(0, 512, ACCESS_READ | ACCESS_EXECUTE);
    fault_by(&base, 600, ACCESS_WRITE);
    fault_by(&base, 0, ACCESS_WRITE);
    fault_by(&a, 0, ACCESS_READ);
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 1024);
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 1024); /* takes nothing more away */
    assert_int_equal(may(&base, 0) & ACCESS_WRITE, 0);
    assert_int_equal(fault_by(&base, 0, ACCESS_WRITE), FAULT_SPURIOUS);
    assert_int_equal(may(&base, 0), ALL);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless, 1);
    /* What the view never had it does not get. */
    assert_int_equal(fault_by(&a, 0, ACCESS_WRITE), FAULT_DENIED);
    spt_write_protect_all(&vm->spt, (gfn_t){ 512 }, (gfn_t){ 1024 }, false);
    assert_int_equal(*entry_of(&base, 600) & (EPT_WRITE | EPT_MAY_WRITE), 0);
    assert_int_equal(fault_by(&base, 600, ACCESS_WRITE), FAULT_INSTALLED); /* by its slot */
}

static const u64 *watched;
static unsigned looks;

/* The walk has read the leaf: this is before its compare-exchange. */
static void split_meanwhile(const void *word)
{
    if (word != watched || ++looks != 2)
        return;
    port_host.on_point = NULL;
    port_host_processor = 1;
    assert_int_equal(split(0, 512, LEVEL_4K), 0);
    port_host_processor = 0;
}

static void watch_large_page(void)
{
    assert_int_equal(fault_by(&base, 0, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, 0), LEVEL_2M);
    watched = entry_of(&base, 0);
    looks = 0;
    port_host.on_point = split_meanwhile;
}

static void assert_split_and_protected(void)
{
    assert_null(port_host.on_point);
    for (u64 gfn = 0; gfn < 512; gfn++) {
        assert_int_equal(level_of(&base, gfn), LEVEL_4K);
        assert_int_equal(may(&base, gfn), ACCESS_READ | ACCESS_EXECUTE);
    }
}

static void test_C8_write_protect_goes_on_below_what_is_split(void **state)
{
    watch_large_page();
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 512);
    assert_split_and_protected();
}

static void test_C8_read_only_goes_on_below_what_is_split(void **state)
{
    watch_large_page();
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    assert_split_and_protected();
    assert_int_equal(fault_by(&base, 5, ACCESS_WRITE), FAULT_READ_ONLY);
}

/* A step goes through all trees: each gets a part of what one step may do. */
static void test_R8_trees_share_a_step(void **state)
{
    u64 steps[2];

    add_ram(vm, 1, GB, 512ull * TABLES, LEVEL_4K);
    for (u64 i = 0; i < TABLES; i++)
        fault_by(&base, GB + 512 * i, ACCESS_WRITE);
    for (unsigned i = 0; i < 2; i++) {
        port_host.yields = 0;
        vm->spt.root_count += 7 * i;
        vm_memory_write_protect(vm, (gfn_t){ GB }, 512ull * TABLES);
        vm->spt.root_count -= 7 * i;
        steps[i] = port_host.yields;
    }
    assert_true(steps[1] >= 6 * steps[0]);
}

/* What a tree cannot map begins again with its first entry, if one does not look. */
static void test_beyond_the_tree_nothing_changes(void **state)
{
    u64 end = spt_root_end(vm->spt.base).v;

    fault_by(&base, 0, ACCESS_WRITE);
    spt_write_protect_all(&vm->spt, (gfn_t){ end }, (gfn_t){ end + 1024 }, false);
    assert_int_equal(spt_split_all(&vm->spt, (gfn_t){ end }, (gfn_t){ end + 1024 }, LEVEL_4K), 0);
    assert_int_equal(may(&base, 0), ALL);
    assert_int_equal(level_of(&base, 0), LEVEL_2M);
}

#define RANGE_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RANGE_TEST(test_C8_a_split_goes_on_where_it_yielded),
        RANGE_TEST(test_C8_write_protect_goes_on_below_what_is_split),
        RANGE_TEST(test_C8_read_only_goes_on_below_what_is_split),
        RANGE_TEST(test_write_protection_is_given_back_without_a_lock),
        RANGE_TEST(test_beyond_the_tree_nothing_changes),
        RANGE_TEST(test_R8_trees_share_a_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
