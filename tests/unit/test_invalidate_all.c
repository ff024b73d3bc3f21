/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_root.c and mm/spt_dying.c: all roots die at once, and once only, and are found until they are gone. */
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

static unsigned dying_roots(void)
{
    unsigned count = 0;

    for (const struct list_node *node = vm->spt.dying.next; node != &vm->spt.dying; node = node->next)
        count++;
    return count;
}

static struct shadow_page *old_page[3];
static unsigned kicked, found_dead;
static pfn_t entered[2];

static void enter_at_the_kick(struct vm_memory *which)
{
    if (kicked++ != 0)
        return;
    /* Nothing has yielded, and whoever enters from here on has the new root and executes INVEPT. */
    assert_int_equal(port_host.yields, 0);
    assert_true(dying_roots() > 0);
    struct vcpu_entry entry = vcpu_memory_enter(&a);
    assert_true(entry.invept);
    entered[0] = entry.root;
    vcpu_memory_leave(&a);
    entry = vcpu_memory_enter(&b);
    assert_true(entry.invept);
    entered[1] = entry.root;
    vcpu_memory_leave(&b);
    for (unsigned i = 0; i < 2; i++)
        found_dead += entered[i].v == old_page[i]->frame.v;
}

static void test_G2_all_roots_are_new_at_the_kick(void **state)
{
    u32 view = new_view(vm);

    kicked = found_dead = 0;
    assert_int_equal(protect(vm, view, 0, 1, 0), 0);
    assert_int_equal(vcpu_memory_select(&b, view, 5), 0);
    touch(&a, 10);
    touch(&b, 10);
    vcpu_memory_leave((vcpu_memory_enter(&a), &a));
    vcpu_memory_leave((vcpu_memory_enter(&b), &b));
    old_page[0] = a.root->page;
    old_page[1] = b.root->page;
    port_host.on_kick = enter_at_the_kick;
    port_host.kicks = port_host.yields = 0;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_int_equal(found_dead, 0);
    assert_true(kicked > 1);
    assert_int_equal(entered[0].v, a.root->page->frame.v);
    assert_int_equal(entered[1].v, b.root->page->frame.v);
    assert_int_equal(level_of(&a, 513), 0);
    assert_int_equal(tables_of(vm), 2);
}

static u64 changes, changes_at_kick;

static void count_changes(u64 *entry, u64 old, u64 value)
{
    changes++;
}

static void note_changes(struct vm_memory *which)
{
    if (kicked++ == 0)
        changes_at_kick = changes;
}

static void test_G6_the_way_to_the_kick_does_not_grow(void **state)
{
    u64 regions[] = { 1, REGIONS }, cost[2];

    port_host.on_pte = count_changes;
    port_host.on_kick = note_changes;
    for (unsigned i = 0; i < 2; i++) {
        touch(&a, regions[i]);
        changes = kicked = 0;
        assert_int_equal(vm_memory_invalidate_all(vm), 0);
        cost[i] = changes_at_kick;
    }
    assert_int_equal(cost[0], 0);
    assert_int_equal(cost[1], 0);
    assert_true(changes > REGIONS);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

static unsigned yields;

/* While the old trees are taken apart, new ones grow: nothing of the old is in them. */
static void fault_between(void)
{
    port_host.on_yield = NULL;
    yields++;
    assert_tree_sound(vm);
    for (u64 i = 0; i < REGIONS; i += 7) {
        assert_int_equal(fault_by(&a, 512 * i + i, ACCESS_READ), FAULT_INSTALLED);
        assert_int_not_equal(fault_by(&b, 512 * i + i, ACCESS_READ), FAULT_RETRY);
    }
    assert_tree_sound(vm);
    for (enum level level = LEVEL_4K; level <= LEVEL_512G; level++) {
        assert_int_equal(table_of(&a, 0, level)->generation, vm->spt.generation);
        assert_int_equal(table_of(&b, 0, level)->generation, vm->spt.generation);
    }
}

static void test_G1_no_table_of_the_old_generation_is_used_again(void **state)
{
    for (unsigned views = 0; views < 2; views++) {
        yields = 0;
        touch(&a, REGIONS);
        touch(&b, REGIONS);
        assert_true(may(&a, 0) == ALL && may(&b, 0) == ALL);
        u64 old = tables_of(vm);
        port_host.on_yield = fault_between;
        assert_int_equal(vm_memory_invalidate_all(vm), 0);
        port_host.on_yield = NULL;
        assert_int_equal(yields, 1);
        assert_true(tables_of(vm) < old / 2);
        for (u64 i = 0; i < REGIONS; i++)
            assert_int_equal(level_of(&a, 512 * i + i), i % 7 == 0 ? LEVEL_4K : 0);
        assert_all_sound(vm);
        if (views == 0) {
            assert_int_equal(protect(vm, new_view(vm), 512 * 5, 512 * 3, ACCESS_READ), 0);
            assert_int_equal(vcpu_memory_select(&b, 1, 5), 0);
        }
    }
}

static void test_G1_nothing_is_linked_below_a_dying_table(void **state)
{
    TABLE_CACHE(cache);
    struct spt_iter it;

    assert_int_equal(table_cache_fill(&cache, 1), 0);
    struct shadow_page *taken = container_of(cache.pages.next, struct shadow_page, link);
    rwlock_lock_shared(&vm->spt.lock);
    spt_iter_start(&it, &vm->spt, a.root->page, (gfn_t){ 0 });
    vm->spt.generation++;
    assert_true(ASSERTS(spt_link_table(&it, NULL, &cache, NULL)));
    vm->spt.generation--;
    rwlock_unlock_shared(&vm->spt.lock);
    shadow_page_free(taken);
}

static u64 mapped_before;

static void zap_what_is_dying(void)
{
    port_host.on_yield = NULL;
    yields++;
    assert_int_equal(dying_roots(), 1);
    mapped_before = vm_memory_get_stats(vm).mapped[LEVEL_4K];
    assert_true(mapped_before > 100);
    vm_memory_zap(vm, (gfn_t){ 512 * (REGIONS - 100) }, 512 * 100);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], mapped_before - 100);
    assert_int_equal(dying_roots(), 1);
    assert_tree_sound(vm);
}

static void test_G3_a_dying_root_is_found_and_gone_in_the_end(void **state)
{
    yields = 0;
    touch(&a, REGIONS);
    port_host.on_yield = zap_what_is_dying;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_int_equal(yields, 1);
    assert_int_equal(dying_roots(), 0);
    assert_int_equal(tables_of(vm), 1);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
}

static unsigned depth;

static void invalidate_again(void)
{
    if (depth++ < 4)
        assert_int_equal(vm_memory_invalidate_all(vm), 0);
    if (depth < 20)
        assert_int_not_equal(fault_by(&a, depth * 600, ACCESS_READ), FAULT_RETRY);
    assert_tree_sound(vm);
}

static void test_G4_overlapping_calls_zap_each_root_once(void **state)
{
    depth = 0;
    assert_int_equal(vcpu_memory_select(&b, 0, 5), 0);
    touch(&a, REGIONS);
    touch(&b, REGIONS);
    u64 generation = vm->spt.generation;
    port_host.on_yield = invalidate_again;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    port_host.on_yield = NULL;
    assert_int_equal(vm->spt.generation, generation + 5);
    assert_int_equal(dying_roots(), 0);
    assert_all_sound(vm);
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_int_equal(tables_of(vm), 2);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

static void test_R3_without_memory_nothing_is_invalidated(void **state)
{
    int error = -ENOMEM;
    u64 free;

    new_view(vm);
    assert_int_equal(protect(vm, 1, 0, 1, 0), 0);
    assert_int_equal(vcpu_memory_select(&b, 1, 5), 0);
    touch(&a, 5);
    touch(&b, 5);
    for (free = 0; error != 0; free++) {
        u64 generation = vm->spt.generation;
        const struct shadow_page *page = a.root->page;

        port_host_take_all_but(free);
        struct frame_stats before = frame_get_stats();
        error = vm_memory_invalidate_all(vm);
        struct frame_stats after = frame_get_stats();
        port_host_give_back();
        if (error == 0)
            break;
        assert_int_equal(error, -ENOMEM);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_int_equal(vm->spt.generation, generation);
        assert_ptr_equal(a.root->page, page);
        assert_int_equal(level_of(&a, 513), LEVEL_4K);
        assert_int_equal(port_host.kicks, 0);
        assert_true(list_is_empty(&vm->spt.dying));
        assert_all_sound(vm);
    }
    assert_true(free >= 2);
    assert_int_equal(level_of(&a, 513), 0);
}

static unsigned locked;

/* Before the lock is taken for the second time, with spares for as many roots as there were. */
static void open_another_root(const void *word)
{
    if (word != &vm->spt.lock.writer_in || ++locked != 2)
        return;
    port_host.on_point = NULL;
    assert_int_equal(vcpu_memory_select(&b, 0, 5), 0);
}

static void test_R3_a_root_that_comes_while_spares_are_taken(void **state)
{
    locked = 0;
    touch(&a, 3);
    port_host.on_point = open_another_root;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_null(port_host.on_point);
    assert_int_equal(tables_of(vm), 2);
    assert_int_equal(level_of(&b, 0), 0);
}

/* Between the decision to enter and being inside: until then nobody waits for this vCPU. */
static void invalidate_before_it_is_inside(const void *word)
{
    if (word != &a.inside)
        return;
    port_host.on_point = NULL;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
}

static void test_G2_who_comes_in_late_gets_the_new_root(void **state)
{
    touch(&a, 1);
    vcpu_memory_leave((vcpu_memory_enter(&a), &a));
    port_host.on_point = invalidate_before_it_is_inside;
    struct vcpu_entry entry = vcpu_memory_enter(&a);
    assert_null(port_host.on_point);
    assert_int_equal(entry.root.v, a.root->page->frame.v);
    assert_true(entry.invept);
    vcpu_memory_leave(&a);
    assert_false(vcpu_memory_enter(&a).invept);
    vcpu_memory_leave(&a);
}

static bool waits;

/* A reader waits for the lock at each change of an entry, and has it as soon as it is free. */
static void begin_to_wait(u64 *entry, u64 old, u64 value)
{
    if (rwlock_is_mine(&vm->spt.lock) && !waits) {
        vm->spt.lock.reader_in += 1u << 8;
        waits = true;
    }
}

static void be_served(const void *word)
{
    if (!rwlock_is_mine(&vm->spt.lock) && waits) {
        vm->spt.lock.reader_out += 1u << 8;
        waits = false;
    }
}

static void zap_all(void)
{
    vm_memory_zap(vm, (gfn_t){ 0 }, 512 * REGIONS);
}

static void invalidate_all(void)
{
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
}

static u64 flushes_under_contention(void (*operation)(void))
{
    touch(&a, REGIONS);
    port_host.kicks = 0;
    port_host.on_pte = begin_to_wait;
    port_host.on_point = be_served;
    operation();
    be_served(NULL);
    port_host.on_pte = NULL;
    port_host.on_point = NULL;
    return port_host.kicks;
}

/* Who waits makes the steps short, and not the flushes many: one is for many steps, and one for the change of roots. */
static void test_C3_flushes_under_contention(void **state)
{
    u64 zap = flushes_under_contention(zap_all), all = flushes_under_contention(invalidate_all);

    assert_true(zap <= REGIONS / ZAP_STEP + 1);
    assert_true(all <= zap + 1);
}

#define DEATH_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEATH_TEST(test_G2_all_roots_are_new_at_the_kick),
        DEATH_TEST(test_G2_who_comes_in_late_gets_the_new_root),
        DEATH_TEST(test_G6_the_way_to_the_kick_does_not_grow),
        DEATH_TEST(test_C3_flushes_under_contention),
        DEATH_TEST(test_G1_no_table_of_the_old_generation_is_used_again),
        DEATH_TEST(test_G1_nothing_is_linked_below_a_dying_table),
        DEATH_TEST(test_G3_a_dying_root_is_found_and_gone_in_the_end),
        DEATH_TEST(test_G4_overlapping_calls_zap_each_root_once),
        DEATH_TEST(test_R3_a_root_that_comes_while_spares_are_taken),
        DEATH_TEST(test_R3_without_memory_nothing_is_invalidated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
