/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/fault.c: two faults side by side, entries that change meanwhile, what needs no lock, and what every exit gives back. */
#include "tests/unit/fault_support.h"

/* Another processor installs the same first, or what needs the same tables. Both may hold the lock. */
static void install(void)
{
    assert_true(vm_memory_fault(&other, (gpa_t){ GFN * PAGE_SIZE }, ACCESS_WRITE) <= FAULT_SPURIOUS);
}

static void install_neighbour(void)
{
    assert_int_equal(vm_memory_fault(&other, (gpa_t){ (GFN + 1) * PAGE_SIZE }, ACCESS_WRITE), FAULT_INSTALLED);
}

static u64 tables_of_all(void)
{
    return vm_memory_get_stats(vm).tables + vcpu.cache.count + other.cache.count;
}

static void test_H2_faults_side_by_side_build_one_path(void **state)
{
    u64 moments = 0;

    show(LEVEL_4K, true);
    act_anywhere = true;
    do {
        forget_mapping();
        assert_int_equal(fault_with(install_neighbour, moments, ACCESS_WRITE), FAULT_INSTALLED);
        assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables_of_all());
        assert_int_equal(vm_memory_get_stats(vm).tables, 4);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], acts != 0 ? 2 : 1);
        assert_all_sound();
        moments++;
    } while (acts != 0);
    assert_true(moments > 20);
}

/* The same in a VM with a hash: who comes second finds the table of who was first. */
static void test_H2_with_a_hash_too(void **state)
{
    assert_int_equal(vcpu_memory_select(&vcpu, 0, 5), 0);
    assert_non_null(vm->spt.hash);
    show(LEVEL_4K, true);
    act_anywhere = true;
    u64 moments = 0;
    do {
        forget_mapping();
        assert_int_equal(fault_with(install_neighbour, moments, ACCESS_WRITE), FAULT_INSTALLED);
        assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables_of_all());
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], acts != 0 ? 2 : 1);
        assert_all_sound();
        moments++;
    } while (acts != 0);
    assert_true(moments > 20);
}

static void test_R3_who_loses_keeps_its_tables_for_the_next_fault(void **state)
{
    u64 moments = 0;

    show(LEVEL_4K, true);
    act_anywhere = true;
    do {
        forget_mapping();
        enum fault_result result = fault_with(install, moments, ACCESS_WRITE);
        assert_true(result <= FAULT_SPURIOUS);
        assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables_of_all());
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
        assert_true(vcpu.cache.count <= 3);
        moments++;
    } while (acts != 0);
    /* As many tables as a path has, taken before and used now: nothing is left to allocate. */
    forget_mapping();
    seen_at_lock = false;
    port_host.on_point = begin_at_lock;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_RETRY);
    assert_int_equal(vcpu.cache.count, 3);
    assert_int_equal(fault_by_vcpu(600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vcpu.cache.count, 0);
    invalidation_end(&invalidation);
}

/* Hardware sets A and D, or clears nothing: but here some bit is another one each time somebody looks. */
static u64 *restless;
static u64 looks;

static void change_always(const void *word)
{
    if (word == restless && ++looks < 10000)
        *restless ^= EPT_DIRTY;
}

static void test_R4_an_entry_that_never_rests_ends_in_a_retry(void **state)
{
    show(LEVEL_4K, true);
    for (unsigned may_return = 0; may_return < 2; may_return++) {
        assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
        spt_write_protect_all(&vm->spt, (gfn_t){ 0 }, (gfn_t){ PAGES }, may_return != 0);
        restless = entry_at(vm, GFN, LEVEL_4K);
        looks = 0;
        port_host.on_point = change_always;
        assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_RETRY);
        port_host.on_point = NULL;
        assert_true(looks > 3 && looks < 500);
        assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
        assert_int_equal(vm->spt.lock.reader_in, vm->spt.lock.reader_out);
        assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), may_return ? FAULT_SPURIOUS : FAULT_INSTALLED);
        forget_mapping();
    }
}

/* Not one word of a lock or of a set of slots is touched on the way. */
static void assert_no_lock(const void *word)
{
    const u8 *at = word;

    assert_false(at >= (const u8 *)&vm->spt.lock && at < (const u8 *)(&vm->spt.lock + 1));
    assert_false(at >= (const u8 *)&vm->slots && at < (const u8 *)(&vm->slots + 1));
}

static void test_a_permission_is_given_back_without_a_lock(void **state)
{
    enum level level;
    pfn_t pfn;

    show(LEVEL_2M, false);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_INSTALLED);
    u64 flushes = port_host.kicks;
    vm_memory_write_protect(vm, (gfn_t){ GFN }, 1);
    assert_int_equal(port_host.kicks, flushes + 1);
    assert_false(ept_walk(vm, (gfn_t){ GFN }, EPT_WRITE, &pfn, &level));
    assert_true(ept_walk(vm, (gfn_t){ GFN }, EPT_READ | EPT_EXECUTE, &pfn, &level));
    struct rwlock before = vm->spt.lock;
    port_host.on_point = assert_no_lock;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless, 0);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_SPURIOUS);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless, 1);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ | ACCESS_WRITE), FAULT_SPURIOUS);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless, 1);
    port_host.on_point = NULL;
    assert_memory_equal(&before, &vm->spt.lock, sizeof(before));
    /* More permission needs no flush (P6). */
    assert_int_equal(port_host.kicks, flushes + 1);
    assert_true(ept_walk(vm, (gfn_t){ GFN }, EPT_WRITE, &pfn, &level));
    assert_int_equal(level, LEVEL_2M);
    assert_int_equal(vcpu.inside, 0);
}

/* Whoever is at a table has the lock, or has said that it is inside: so a flush waits for it. */
static u64 steps_in_tables;

static void is_announced(const void *word)
{
    const u8 *at = word, *ram = port_frame_address((pfn_t){ PORT_HOST_BASE });

    if (at < ram || at >= ram + port_host.frames * PAGE_SIZE || frame_kind_of(port_frame_of(word)) != FRAME_TABLE)
        return;
    steps_in_tables++;
    assert_true(vcpu.inside != 0 || vm->spt.lock.reader_in != vm->spt.lock.reader_out);
}

static void test_P2_walks_without_a_lock_are_announced(void **state)
{
    show(LEVEL_4K, true);
    steps_in_tables = 0;
    port_host.on_point = is_announced;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_SPURIOUS);
    port_host.on_point = NULL;
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 8);
    port_host.on_point = is_announced;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_SPURIOUS);
    vm_memory_mark_device(&vcpu, (gpa_t){ 5000 * PAGE_SIZE });
    assert_true(vm_memory_is_device(&vcpu, (gpa_t){ 5000 * PAGE_SIZE }));
    port_host.on_point = NULL;
    assert_true(steps_in_tables > 15);
    assert_int_equal(vcpu.inside, 0);
}

static void test_what_was_never_writable_is_not_given_back(void **state)
{
    backing = new_content(8, 1);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 8, backing, 0, MEMSLOT_READ_ONLY, LEVEL_4K), 0);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_INSTALLED);
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 8);
    assert_false(*entry_at(vm, GFN, LEVEL_4K) & EPT_MAY_WRITE);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless, 0);
}

/* Logged, then made read-only: the permission that could have come back is gone for good. */
static void test_a_slot_that_became_read_only_gives_nothing_back(void **state)
{
    show(LEVEL_4K, true);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 8);
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_SPURIOUS);
}

/* The entry goes between the look and the exchange: nothing is given back to nobody. */
static void take_entry(const void *word)
{
    if (word != restless || ++looks != 2)
        return;
    *restless = EPT_EMPTY;
}

static void test_R4_giving_back_notices_that_the_entry_went(void **state)
{
    show(LEVEL_4K, true);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
    vm_memory_write_protect(vm, (gfn_t){ 0 }, 8);
    restless = entry_at(vm, GFN, LEVEL_4K);
    looks = 0;
    port_host.on_point = take_entry;
    table_with(restless)->present--;
    vm->spt.leaves[0].mapped[LEVEL_4K]--;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
    port_host.on_point = NULL;
    assert_int_equal(vm_memory_get_stats(vm).faults_lockless, 0);
    assert_all_sound();
}

/* Slots come and go at one place, in the same memory: the vCPU never uses what it remembers of another generation. */
static void test_M6_what_the_vcpu_remembers_ends_with_the_slot(void **state)
{
    enum level level;
    pfn_t pfn;

    for (u64 i = 0; i < 8; i++) {
        struct backing *shown = new_content(4, 10 * i + 1);

        assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 8 }, 4 - i % 4, shown, i % 4, i % 2, LEVEL_4K), 0);
        assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 8 * PAGE_SIZE }, ACCESS_READ), FAULT_INSTALLED);
        assert_non_null(vcpu.last_used);
        assert_true(ept_walk(vm, (gfn_t){ 8 }, EPT_READ, &pfn, &level));
        assert_int_equal(pfn.v, lookup(shown, i % 4).pfn.v);
        assert_int_equal(ept_walk(vm, (gfn_t){ 8 }, EPT_WRITE, &pfn, &level), i % 2 == 0);
        assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ (12 - i % 4) * PAGE_SIZE }, ACCESS_READ), FAULT_NO_SLOT);
        assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 8 * PAGE_SIZE }, ACCESS_READ), FAULT_SPURIOUS);
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
        assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 8 * PAGE_SIZE }, ACCESS_READ), FAULT_NO_SLOT);
        backing_put(shown);
        assert_all_sound();
    }
}

/* Right before the set without the slot is shown: the vCPU looks into the one that has it, and remembers it. */
static void fault_before_publication(const void *word)
{
    const struct memslot_set *set = &vm->slots.set[vm->slots.active];

    if (word != &vm->slots.active || vm->slots.generation == set->generation)
        return;
    if (!memslots_is_invalid(set, memslots_first(set)))
        return;
    port_host.on_point = NULL;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_RETRY);
    assert_ptr_equal(vcpu.last_used, memslots_first(set));
    acts++;
}

static void test_M6_what_is_remembered_has_the_generation_of_its_set(void **state)
{
    show(LEVEL_4K, true);
    acts = 0;
    port_host.on_point = fault_before_publication;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(acts, 1);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_NO_SLOT);
}

/* Whatever ends the fault, at any number of free frames: when the vCPU is gone nothing is missing. */
static void test_R3_every_exit_gives_back_what_it_took(void **state)
{
    enum fault_result result = FAULT_NO_MEMORY;
    u64 failures = 0;

    add_ram(vm, 0, 0, PAGES, LEVEL_4K);
    add_ram(vm, 1, 1ull << 30, PAGES, LEVEL_1G);
    for (u64 free = 0; result == FAULT_NO_MEMORY; free++, failures++) {
        struct vcpu_memory mortal;

        assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 1ull << 30 }, PAGES), 0);
        vcpu_memory_init(&mortal, vm);
        port_host_take_all_but(free);
        u64 free_before = frame_get_stats().free;
        for (unsigned i = 0; i < 3; i++)
            result = vm_memory_fault(&mortal, (gpa_t){ (1ull << 30 | GFN) * PAGE_SIZE }, ACCESS_WRITE);
        u64 tables = vm_memory_get_stats(vm).tables;
        vcpu_memory_destroy(&mortal);
        assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables);
        if (result == FAULT_NO_MEMORY) {
            assert_int_equal(tables, 1);
            /* At most what the backing keeps: the page and the nodes on the way to it. */
            assert_true(free_before - frame_get_stats().free <= 3);
        }
        assert_false(memslots_is_read(&vm->slots.set[0]) || memslots_is_read(&vm->slots.set[1]));
        assert_int_equal(vm->spt.lock.reader_in, vm->spt.lock.reader_out);
        port_host_give_back();
        assert_all_sound();
    }
    assert_int_equal(result, FAULT_SPURIOUS);
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_H2_faults_side_by_side_build_one_path),
        FAULT_TEST(test_H2_with_a_hash_too),
        FAULT_TEST(test_R3_who_loses_keeps_its_tables_for_the_next_fault),
        FAULT_TEST(test_R4_an_entry_that_never_rests_ends_in_a_retry),
        FAULT_TEST(test_a_permission_is_given_back_without_a_lock),
        FAULT_TEST(test_P2_walks_without_a_lock_are_announced),
        FAULT_TEST(test_what_was_never_writable_is_not_given_back),
        FAULT_TEST(test_a_slot_that_became_read_only_gives_nothing_back),
        FAULT_TEST(test_R4_giving_back_notices_that_the_entry_went),
        FAULT_TEST(test_M6_what_the_vcpu_remembers_ends_with_the_slot),
        FAULT_TEST(test_M6_what_is_remembered_has_the_generation_of_its_set),
        FAULT_TEST(test_R3_every_exit_gives_back_what_it_took),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
