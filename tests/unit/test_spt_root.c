/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_root.c: the second root brings the hash to life, and roots of 4 and 5 levels share what is below. */
#include "tests/unit/view_support.h"

enum { REGIONS = 300 };
static struct vm_memory *vm;
static struct vcpu_memory a, b;

static int start(void **state)
{
    begin_with_two(&vm, &a, &b);
    add_ram(vm, 0, 0, 512ull * REGIONS, LEVEL_4K);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &a, &b);
}

/* One page in each of `regions` regions of 2M. */
static void touch(struct vcpu_memory *vcpu, u64 regions)
{
    for (u64 i = 0; i < regions; i++)
        assert_int_not_equal(fault_by(vcpu, 512 * i + i, ACCESS_WRITE), FAULT_RETRY);
}

static void test_H5_the_second_root_brings_the_hash(void **state)
{
    struct spt *spt = &vm->spt;

    touch(&a, 40);
    new_view(vm);
    assert_null(spt->hash);
    u64 tables = tables_of(vm);
    assert_int_equal(vcpu_memory_select(&b, 1, 4), 0);
    assert_non_null(spt->hash);
    assert_int_equal(shadow_hash_count(spt->hash), tables);
    for (const struct list_node *node = spt->pages.next; node != &spt->pages; node = node->next) {
        struct shadow_page *page = container_of(node, struct shadow_page, link);

        assert_ptr_equal(shadow_hash_find(spt->hash, page), page);
    }
    /* An equal view has the very same root, and what is touched in one is there in the other. */
    assert_ptr_equal(a.root->page, b.root->page);
    assert_int_equal(a.root->page->references, 2);
    assert_int_equal(fault_by(&b, 39 * 512 + 39, ACCESS_READ), FAULT_SPURIOUS);
    const struct shadow_hash *hash = spt->hash;
    assert_int_equal(vcpu_memory_select(&b, 0, 5), 0);
    assert_ptr_equal(spt->hash, hash);
    assert_all_sound(vm);
}

static void test_H6_one_root_looks_nothing_up(void **state)
{
    add_ram(vm, 1, 1ull << 18, 512 * 2, LEVEL_2M);
    touch(&a, 100);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 1ull << 18 }, 1024), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 2);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, 1ull << 19, LEVEL_4K), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 1ull << 19);
    vm_memory_zap(vm, (gfn_t){ 0 }, 1ull << 19);
    assert_int_equal(vcpu_memory_select(&b, 0, 4), 0);
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    touch(&b, 50);
    assert_int_equal(vm_memory_get_stats(vm).lookups, 0);
    assert_null(vm->spt.hash);
    assert_int_equal(vcpu_memory_select(&b, 0, 5), 0);
    touch(&b, 60);
    assert_true(vm_memory_get_stats(vm).lookups > 10);
}

static void test_H1_a_4_level_root_is_the_child_of_a_5_level_one(void **state)
{
    touch(&a, 20);
    u64 tables = tables_of(vm);
    assert_int_equal(vcpu_memory_select(&b, 0, 5), 0);
    assert_int_equal(tables_of(vm), tables + 1);
    assert_int_equal(level_of(&b, 0), 0);
    /* One fault and all that there is below the other root is there. */
    assert_int_equal(fault_by(&b, 0, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(tables_of(vm), tables + 1);
    assert_ptr_equal(table_of(&b, 0, LEVEL_512G), a.root->page);
    for (u64 i = 0; i < 20; i++)
        assert_int_equal(level_of(&b, 512 * i + i), LEVEL_4K);
    assert_int_equal(fault_by(&b, 512 * 30, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&a, 512 * 30), LEVEL_4K);
    assert_all_sound(vm);
    vm_memory_zap(vm, (gfn_t){ 0 }, 512 * 40);
    assert_int_equal(tables_of(vm), 2);
    assert_int_equal(level_of(&b, 0), 0);
    assert_all_sound(vm);
}

static void test_H4_unlinking_is_exclusive(void **state)
{
    TLB_GATHER(gather, vm);
    struct shadow_page *page = a.root->page;

    assert_true(ASSERTS(spt_table_put(&vm->spt, page, &gather)));
    rwlock_lock_shared(&vm->spt.lock);
    assert_true(ASSERTS(spt_table_put(&vm->spt, page, &gather)));
    assert_true(ASSERTS(spt_zap_range(&vm->spt, page, (gfn_t){ 0 }, (gfn_t){ 1 }, ZAP_TREE, NULL, &gather)));
    rwlock_unlock_shared(&vm->spt.lock);
    assert_int_equal(page->references, 1);
}

#define ROOT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOT_TEST(test_H5_the_second_root_brings_the_hash),
        ROOT_TEST(test_H6_one_root_looks_nothing_up),
        ROOT_TEST(test_H1_a_4_level_root_is_the_child_of_a_5_level_one),
        ROOT_TEST(test_H4_unlinking_is_exclusive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
