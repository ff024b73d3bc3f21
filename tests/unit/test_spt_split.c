/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_split.c and spt_split_all(): the children map what the leaf mapped, in every root, and undo nothing. */
#include <pthread.h>
#include <sched.h>

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

static void test_C4_children_are_what_the_leaf_was(void **state)
{
    static const u64 extra[] = { 0, EPT_ACCESSED, EPT_ACCESSED | EPT_DIRTY };

    for (unsigned i = 0; i < 3; i++) {
        vm_memory_zap(vm, (gfn_t){ 0 }, 1024);
        assert_int_equal(fault_by(&base, 5, ACCESS_WRITE), FAULT_INSTALLED);
        assert_int_equal(fault_by(&base, 600, ACCESS_WRITE), FAULT_INSTALLED);
        if (i == 2)
            vm_memory_write_protect(vm, (gfn_t){ 0 }, 1);
        *entry_of(&base, 0) |= extra[i];
        u64 leaf = *entry_of(&base, 0);
        watch_flushes();
        port_host.kicks = 0;
        assert_int_equal(split(100, 1, LEVEL_4K), 0);
        assert_int_equal(port_host.kicks, 1);
        assert_false(flush_is_due);
        for (u64 gfn = 0; gfn < 512; gfn++)
            assert_int_equal(*entry_of(&base, gfn), (leaf & ~EPT_LARGE) + gfn * PAGE_SIZE);
        assert_int_equal((leaf & EPT_MAY_WRITE) != 0, i == 2);
        assert_int_equal(level_of(&base, 600), LEVEL_2M);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512);
        /* There is nothing left to do. */
        port_host.kicks = 0;
        assert_int_equal(split(0, 512, LEVEL_4K), 0);
        assert_int_equal(split(512, 512, LEVEL_2M), 0);
        assert_int_equal(port_host.kicks, 0);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 1);
        assert_all_sound(vm);
    }
}

static void test_C4_from_1g_to_2m_to_4k(void **state)
{
    port_host_start(RAM_GB);
    struct backing *backing = new_backing(GB, 0);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, GB, backing, 0, 0, LEVEL_1G), 0);
    backing_put(backing);
    assert_int_equal(fault_by(&base, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_1G], 1);
    u64 frame = ept_frame(*entry_of(&base, 0)).v;
    assert_int_equal(split(7, 1, LEVEL_1G), 0);
    assert_int_equal(level_of(&base, 5), LEVEL_1G);
    assert_int_equal(split(512 * 9 + 7, 1, LEVEL_2M), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 512);
    assert_int_equal(split(512 * 9 + 7, 512 * 2, LEVEL_4K), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512 * 3);
    for (u64 gfn = 0; gfn < GB; gfn += 512) {
        u64 region = gfn / 512;

        assert_int_equal(level_of(&base, gfn), region >= 9 && region <= 11 ? LEVEL_4K : LEVEL_2M);
        assert_int_equal(ept_frame(*entry_of(&base, gfn)).v, frame + gfn);
    }
    assert_all_sound(vm);
    /* All at once, in steps, from one leaf of 1G to the end. */
    vm_memory_zap(vm, (gfn_t){ 0 }, GB);
    assert_int_equal(fault_by(&base, 5, ACCESS_READ), FAULT_INSTALLED);
    port_host.yields = port_host.kicks = 0;
    assert_int_equal(split(0, GB, LEVEL_4K), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], GB);
    assert_int_equal(vm_memory_get_stats(vm).tables, 3 + 512);
    assert_true(port_host.yields >= 512 / 16 && port_host.yields <= 512 / 16 + 2);
    assert_true(port_host.kicks <= port_host.yields);
    for (u64 gfn = 0; gfn < GB; gfn += 511)
        assert_int_equal(ept_frame(*entry_of(&base, gfn)).v, frame + gfn);
    assert_all_sound(vm);
    vcpu_memory_destroy(&base);
    vm_memory_destroy(vm);
    port_host_stop();
}

static void make_view(u64 first, u64 npages, u32 permissions)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, first, npages, permissions), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
}

static void test_H3_each_root_splits_into_its_own(void **state)
{
    make_view(0, 512, ACCESS_READ);
    assert_int_equal(fault_by(&base, 0, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by(&base, 600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, 0, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&a, 600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 4);
    u64 tables = tables_of(vm);
    assert_int_equal(split(0, 1024, LEVEL_4K), 0);
    for (u64 gfn = 0; gfn < 1024; gfn++) {
        assert_int_equal(may(&base, gfn), ALL);
        assert_int_equal(may(&a, gfn), gfn < 512 ? ACCESS_READ : ALL);
    }
    /* What is equal is one table after the split too. */
    assert_int_equal(tables_of(vm), tables + 3);
    assert_ptr_equal(table_of(&a, 600, LEVEL_4K), table_of(&base, 600, LEVEL_4K));
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512 * 3);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
}

/* In the tree for all there is a table of 4K with one page, in the view's a large leaf at the same place. */
static void half_a_table(void)
{
    TABLE_CACHE(cache);
    struct spt_iter it;

    make_view(0, 1, ACCESS_READ);
    assert_int_equal(fault_by(&base, 0, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    rwlock_lock_shared(&vm->spt.lock);
    it = iter_at(vm, 512, LEVEL_2M);
    assert_int_equal(spt_link_table(&it, NULL, &cache, NULL), 0);
    rwlock_unlock_shared(&vm->spt.lock);
    assert_int_equal(fault_by(&base, 515, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, 515), LEVEL_4K);
    assert_int_equal(fault_by(&a, 515, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, 515), LEVEL_2M);
}

static void test_H2_a_split_fills_the_table_that_exists(void **state)
{
    half_a_table();
    u64 frame = ept_frame(*entry_of(&a, 515)).v;
    u64 tables = tables_of(vm);
    watch_flushes();
    assert_int_equal(split(512, 512, LEVEL_4K), 0);
    assert_false(flush_is_due);
    assert_int_equal(tables_of(vm), tables);
    assert_ptr_equal(table_of(&a, 515, LEVEL_4K), table_of(&base, 515, LEVEL_4K));
    for (u64 gfn = 512; gfn < 1024; gfn++) {
        assert_int_equal(may(&a, gfn) & may(&base, gfn), ALL);
        assert_int_equal(ept_frame(*entry_of(&a, gfn)).v, frame + gfn - 512);
    }
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 512);
}

static pthread_t other;
static u64 done, waits;

static void *protect_all(void *unused)
{
    port_host_processor = 1;
    spt_write_protect_all(&vm->spt, (gfn_t){ 512 }, (gfn_t){ 1024 }, false);
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    return unused;
}

static void wait_for_the_other(void)
{
    __atomic_store_n(&waits, 1, __ATOMIC_SEQ_CST);
    sched_yield();
}

/* Another processor protects, until it is done or has to wait for the split. */
static void protect_meanwhile(u64 *entry, u64 old, u64 value)
{
    if (!ept_is_leaf(old, LEVEL_2M) || table_with(entry)->role.level != LEVEL_2M)
        return;
    port_host.on_pte = NULL;
    port_host.on_relax = wait_for_the_other;
    assert_int_equal(pthread_create(&other, NULL, protect_all, NULL), 0);
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST) && !__atomic_load_n(&waits, __ATOMIC_SEQ_CST))
        sched_yield();
}

/* The split has linked a table that others have, too, and not filled it yet. */
static void test_P6_filling_a_table_does_not_undo_write_protection(void **state)
{
    half_a_table();
    done = waits = 0;
    port_host.on_pte = protect_meanwhile;
    assert_int_equal(split(512, 512, LEVEL_4K), 0);
    assert_null(port_host.on_pte);
    assert_int_equal(pthread_join(other, NULL), 0);
    port_host.on_relax = NULL;
    for (u64 gfn = 512; gfn < 1024; gfn++)
        assert_int_equal((may(&a, gfn) | may(&base, gfn)) & ACCESS_WRITE, 0);
}

/* A view made a table of 4K where the memory as it is has a large leaf: a marker was there before the memory. */
static void test_H2_a_split_meets_the_table_that_a_view_made(void **state)
{
    make_view(0, 1, ACCESS_READ);
    for (unsigned round = 0; round < 2; round++) {
        vm_memory_mark_device(&a, gfn_to_gpa((gfn_t){ 2048 + 5 }));
        /* Not where the markers' counter comes round, which would take the table away. */
        if (vm->slots.generation % 4 == 3)
            continue;
        add_ram(vm, 1, 2048, 512, LEVEL_2M);
        assert_non_null(table_of(&a, 2048, LEVEL_4K));
        assert_int_equal(fault_by(&base, 2048, ACCESS_WRITE), FAULT_INSTALLED);
        assert_int_equal(level_of(&base, 2048), LEVEL_2M);
        assert_int_equal(split(2048, 512, LEVEL_4K), 0);
        for (u64 gfn = 2048; gfn < 2048 + 512; gfn++)
            assert_int_equal(may(&base, gfn), ALL);
        assert_ptr_equal(table_of(&base, 2048, LEVEL_4K), table_of(&a, 2048, LEVEL_4K));
        assert_all_sound(vm);
        assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    }
}

static u64 *contended;

static void set_dirty(const void *word)
{
    if (word != contended)
        return;
    port_host.on_point = NULL;
    __atomic_fetch_or(contended, EPT_DIRTY, __ATOMIC_RELAXED);
}

static void test_H7_a_split_that_loses_counts_nothing(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);

    for (unsigned views = 0; views < 2; views++) {
        assert_int_not_equal(fault_by(&base, 600, ACCESS_WRITE), FAULT_RETRY);
        assert_int_equal(table_cache_fill(&cache, 2), 0);
        rwlock_lock(&vm->spt.lock);
        struct spt_iter it = iter_at(vm, 512, LEVEL_2M);
        contended = spt_iter_entry(&it);
        port_host.on_point = set_dirty;
        assert_int_equal(spt_split_leaf(&it, NULL, ARM_NONE, &cache, &gather), 1);
        rwlock_unlock(&vm->spt.lock);
        tlb_gather_finish(&gather);
        assert_null(port_host.on_point);
        assert_int_equal(cache.count, 2);
        assert_true(*contended & EPT_DIRTY);
        assert_int_equal(level_of(&base, 600), LEVEL_2M);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
        *contended &= ~EPT_DIRTY;
        if (views == 0)
            make_view(0, 1, ACCESS_READ);
    }
}

static void test_R3_a_split_without_memory(void **state)
{
    int error = -ENOMEM;

    fault_by(&base, 0, ACCESS_WRITE);
    drain_caches(vm);
    for (u64 free = 0; error != 0; free++) {
        port_host_take_all_but(free);
        struct frame_stats before = frame_get_stats();
        error = split(0, 512, LEVEL_4K);
        struct frame_stats after = frame_get_stats();
        port_host_give_back();
        if (error != 0) {
            assert_int_equal(error, -ENOMEM);
            assert_memory_equal(&before, &after, sizeof(after));
            assert_int_equal(level_of(&base, 0), LEVEL_2M);
            assert_all_sound(vm);
        }
    }
    assert_int_equal(level_of(&base, 0), LEVEL_4K);
}

/* Where tables are found by what they are, two splits at once could make one table twice. */
static void test_H4_a_split_among_roots_is_exclusive(void **state)
{
    TABLE_CACHE(cache);

    make_view(0, 1, ACCESS_READ);
    assert_int_equal(fault_by(&base, 512, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(table_cache_fill(&cache, 1), 0);
    struct spt_iter it = iter_at(vm, 512, LEVEL_2M);
    rwlock_lock_shared(&vm->spt.lock);
    assert_true(ASSERTS(spt_split_leaf(&it, NULL, ARM_NONE, &cache, NULL)));
    rwlock_unlock_shared(&vm->spt.lock);
    assert_int_equal(level_of(&base, 512), LEVEL_2M);
}

#define SPLIT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPLIT_TEST(test_C4_children_are_what_the_leaf_was),
        cmocka_unit_test(test_C4_from_1g_to_2m_to_4k),
        SPLIT_TEST(test_H3_each_root_splits_into_its_own),
        SPLIT_TEST(test_H2_a_split_fills_the_table_that_exists),
        SPLIT_TEST(test_P6_filling_a_table_does_not_undo_write_protection),
        SPLIT_TEST(test_H2_a_split_meets_the_table_that_a_view_made),
        SPLIT_TEST(test_H7_a_split_that_loses_counts_nothing),
        SPLIT_TEST(test_H4_a_split_among_roots_is_exclusive),
        SPLIT_TEST(test_R3_a_split_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
