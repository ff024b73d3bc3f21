/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/fault_inside.c: what a vCPU resolves without leaving its stay, what it must leave for, and what it never touches. Races
 * with others that flush are the explorer's (tests/explorer/scenario_inside.c).
 */
#include "mm/dirty_ring.h"
#include "mm/tlb.h"
#include "tests/unit/dirty_support.h"

enum { BASE = 1024, PAGES = 1024, REGION = 512, GFN = BASE + 6, BEYOND = BASE + PAGES };

static bool resolve_as(struct cpu *cpu, u64 gfn, u32 access)
{
    enter(cpu);
    return vcpu_memory_fault_inside(&cpu->vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
}

static bool resolve(struct cpu *cpu, u64 gfn)
{
    return resolve_as(cpu, gfn, ACCESS_WRITE);
}

/* A write that is resolved inside, and then needs nothing more. */
static void write_inside(struct cpu *cpu, u64 gfn)
{
    assert_false(hardware_write(cpu, gfn));
    assert_true(resolve(cpu, gfn));
    assert_true(hardware_write(cpu, gfn));
}

static u64 *entry_for(const struct cpu *cpu, u64 gfn)
{
    int level;

    return leaf_of(cpu, gfn, &level);
}

/* It is not resolved, and the entry stays as it is. */
static void assert_left_alone(struct cpu *cpu, u64 gfn, u32 access)
{
    u64 *entry = entry_for(cpu, gfn), before = *entry;

    assert_false(resolve_as(cpu, gfn, access));
    assert_int_equal(*entry, before);
}

/* Where the processor logs, this is how permissions are taken; where not, a harvest does the same. */
static void take_permissions(void)
{
    leave_all();
    vm_memory_write_protect(vm, (gfn_t){ BASE }, PAGES);
}

static void map_all(void)
{
    for (u64 gfn = BASE; gfn < BASE + PAGES; gfn++)
        guest_write(&cpus[0], gfn);
    take_permissions();
}

/* All is mapped in pages of 4K, in the log of nobody any more, and the next write to each will be seen. */
static void show_protected(void)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    start_log(0);
    map_all();
    harvest();
}

static struct page_set *written(void)
{
    return &memslot_log(memslots_find_id(memslots_active(&vm->slots), 0))->written;
}

/* ---- what it does */

static void test_C10_a_write_resolved_inside_is_reported(void **state)
{
    show_protected();
    u64 before = *entry_for(&cpus[0], GFN);
    assert_false(hardware_write(&cpus[0], GFN));
    assert_true(resolve_as(&cpus[0], GFN, ACCESS_READ | ACCESS_WRITE));
    assert_int_equal(*entry_for(&cpus[0], GFN), before | EPT_WRITE);
    assert_true(cpus[0].in_guest && cpus[0].vcpu.inside != 0);
    assert_true(hardware_write(&cpus[0], GFN));
    assert_reported(DIRTY_OPERATOR, GFN);
    /* And the next one anew. */
    take_permissions();
    write_inside(&cpus[1], GFN);
    assert_reported(DIRTY_OPERATOR, GFN);
    assert_nothing_lost();
}

static void test_many_writes_in_one_stay_are_counted_when_it_ends(void **state)
{
    show_protected();
    struct vm_memory_stats before = vm_memory_get_stats(vm), after;
    for (u64 gfn = BASE; gfn < BASE + PAGES; gfn++)
        write_inside(&cpus[0], gfn);
    assert_false(resolve(&cpus[0], BEYOND));
    leave_all();
    after = vm_memory_get_stats(vm);
    assert_int_equal(after.faults - before.faults, PAGES);
    assert_int_equal(after.faults_spurious - before.faults_spurious, PAGES);
    assert_int_equal(after.faults_lockless - before.faults_lockless, PAGES);
    /* Once. */
    enter(&cpus[0]);
    leave_all();
    assert_int_equal(vm_memory_get_stats(vm).faults, after.faults);
    assert_int_equal(harvest(), PAGES);
}

static void test_a_page_that_nobody_logs(void **state)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    map_all();
    assert_int_equal(vm->logging, 0);
    write_inside(&cpus[0], GFN);
}

static void test_a_page_of_one_slot_while_another_one_is_logged(void **state)
{
    show_protected();
    add_ram(vm, 1, BEYOND, 64, LEVEL_4K);
    guest_write(&cpus[0], BEYOND + 1);
    leave_all();
    vm_memory_write_protect(vm, (gfn_t){ BEYOND }, 64);
    write_inside(&cpus[0], BEYOND + 1);
    write_inside(&cpus[0], BEYOND - 1);
    assert_reported(DIRTY_OPERATOR, BEYOND - 1);
}

/* The set says more than was written then, and not less. */
static void test_C10_no_memory_to_note_the_page(void **state)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    map_all();
    start_log(0);
    take_permissions();
    assert_null(written()->chunks[0]);
    enter(&cpus[0]);
    port_host_take_all_but(0);
    write_inside(&cpus[0], GFN);
    port_host_give_back();
    assert_ptr_equal(written()->chunks[0], PAGE_SET_ALL);
    leave_all();
    assert_int_equal(harvest(), PAGES);
    assert_nothing_lost();
}

/* ---- the order */

static u64 *watched, *word_of_log;
static unsigned given, noted;

/* Hooks only count what is as it must be: locks and slots are held there. */
static void when_it_is_given(u64 *entry, u64 old, u64 value)
{
    if (entry == watched && ~old & value & EPT_WRITE)
        given += !(*word_of_log >> GFN % PAGE_SET_WORD & 1) && cpus[0].vcpu.inside != 0;
}

static void when_it_is_noted(const void *word)
{
    if (word == word_of_log)
        noted += *watched & EPT_WRITE && cpus[0].vcpu.inside != 0;
}

static void test_C10_the_permission_comes_first_then_the_log_and_both_inside(void **state)
{
    show_protected();
    watched = entry_for(&cpus[0], GFN);
    word_of_log = &written()->chunks[0]->words[GFN / PAGE_SET_WORD % PAGE_SET_WORDS];
    given = noted = 0;
    enter(&cpus[0]);
    port_host.on_pte = when_it_is_given;
    port_host.on_point = when_it_is_noted;
    assert_true(resolve(&cpus[0], GFN));
    port_host.on_pte = NULL;
    port_host.on_point = NULL;
    assert_int_equal(given, 1);
    assert_int_equal(noted, 1);
}

/* ---- what it is not for */

static void test_other_accesses_than_writes_leave(void **state)
{
    show_protected();
    assert_left_alone(&cpus[0], GFN, ACCESS_READ);
    assert_left_alone(&cpus[0], GFN, ACCESS_EXECUTE);
    assert_left_alone(&cpus[0], GFN, ACCESS_WRITE | ACCESS_EXECUTE);
    assert_left_alone(&cpus[0], GFN, 0);
    leave_all();
    assert_int_equal(harvest(), 0);
}

/* Somebody else was faster, or the violation was for another reason: who came for nothing would come again. */
static void test_what_is_permitted_already_leaves(void **state)
{
    show_protected();
    write_inside(&cpus[1], GFN);
    assert_left_alone(&cpus[0], GFN, ACCESS_WRITE);
}

/* Where there is a table: tests/unit/test_first_touch.c. */
static void test_where_there_is_no_table_it_leaves(void **state)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    guest_write(&cpus[0], GFN);
    assert_left_alone(&cpus[0], GFN + REGION, ACCESS_WRITE);
    /* And where no root leads: that is not cut off. */
    take_permissions();
    assert_false(resolve(&cpus[0], spt_root_end(cpus[0].vcpu.root).v + GFN));
    assert_false(*entry_for(&cpus[0], GFN) & EPT_WRITE);
}

static void test_C2_a_large_page_is_split_outside(void **state)
{
    u64 index = GFN - BASE;

    show(BASE, PAGES, 0, LEVEL_2M);
    guest_write(&cpus[0], GFN);
    leave_all();
    start_log(DIRTY_LAZY);
    u64 leaf = *entry_for(&cpus[0], GFN);
    assert_int_equal(leaf & (EPT_LARGE | EPT_WRITE | EPT_MAY_WRITE), EPT_LARGE | EPT_MAY_WRITE);
    /* The guest's memory is not a table, whatever stands in it. */
    u64 *words = port_frame_address(ept_frame(leaf));
    words[index] = EPT_READ | EPT_MAY_WRITE;
    assert_left_alone(&cpus[0], GFN, ACCESS_WRITE);
    assert_int_equal(words[index], EPT_READ | EPT_MAY_WRITE);
    guest_write(&cpus[0], GFN);
    assert_reported(DIRTY_OPERATOR, GFN);
}

static void test_a_page_that_must_not_be_written_leaves(void **state)
{
    show_protected();
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    assert_left_alone(&cpus[0], GFN, ACCESS_WRITE);
    assert_int_equal(access_fault(&cpus[0], GFN, ACCESS_WRITE), FAULT_READ_ONLY);
}

static void test_what_the_view_denies_leaves(void **state)
{
    u32 view = new_view(vm);

    show_protected();
    assert_int_equal(protect(vm, view, GFN, 1, ACCESS_READ | ACCESS_EXECUTE), 0);
    assert_int_equal(vcpu_memory_select(&cpus[0].vcpu, view, 4), 0);
    guest_read(&cpus[0], GFN);
    guest_write(&cpus[0], GFN + 1);
    take_permissions();
    u64 *in_view = entry_for(&cpus[0], GFN), *in_base = entry_for(&cpus[1], GFN);
    assert_ptr_not_equal(in_view, in_base);
    assert_int_equal(*in_base & (EPT_WRITE | EPT_MAY_WRITE), EPT_MAY_WRITE);
    assert_left_alone(&cpus[0], GFN, ACCESS_WRITE);
    assert_int_equal(*in_base & (EPT_WRITE | EPT_MAY_WRITE), EPT_MAY_WRITE);
    /* Beside it the view permits what the memory does, by an entry of its own. */
    write_inside(&cpus[0], GFN + 1);
    assert_false(in_base[1] & EPT_WRITE);
    leave_all();
    assert_int_equal(vcpu_memory_select(&cpus[0].vcpu, 0, 4), 0);
}

static unsigned looks;

/* Between the look at the entry and the change of it the slot has become read-only. */
static void forbid(const void *word)
{
    if (word == watched && ++looks == 2)
        *watched &= ~EPT_MAY_WRITE;
}

static void test_P3_an_entry_that_changes_meanwhile_leaves(void **state)
{
    show_protected();
    watched = entry_for(&cpus[0], GFN);
    u64 before = *watched;
    looks = 0;
    enter(&cpus[0]);
    port_host.on_point = forbid;
    bool result = resolve(&cpus[0], GFN);
    port_host.on_point = NULL;
    assert_false(result);
    assert_int_equal(looks, 2);
    assert_int_equal(*watched, before & ~EPT_MAY_WRITE);
    assert_false(page_set_has(written(), GFN));
    *watched = before;
}

/* ---- the table that is remembered */

static void test_another_table_is_not_taken_for_the_one_before(void **state)
{
    enum { AT = 300 };

    show_protected();
    write_inside(&cpus[0], BASE + AT);
    /* Next to it, so near that the difference is less than a table; as far as a table; and back. */
    write_inside(&cpus[0], BASE + REGION + AT - 200);
    write_inside(&cpus[0], BASE + AT + 1);
    write_inside(&cpus[0], BASE + REGION + AT);
    write_inside(&cpus[0], BASE);
    write_inside(&cpus[0], BASE + REGION - 1);
    write_inside(&cpus[0], BASE + REGION);
    leave_all();
    assert_int_equal(harvest(), 7);
    assert_nothing_lost();
}

/* What the table of an earlier stay was is anything by now. */
static void test_P2_a_table_is_remembered_for_one_stay(void **state)
{
    static pfn_t frames[4 * SMALL_RAM];
    u64 count = 0, index = GFN % REGION;

    show_protected();
    write_inside(&cpus[0], GFN);
    u64 *table = cpus[0].vcpu.walked.entries;
    assert_ptr_equal(&table[index], entry_for(&cpus[0], GFN));
    leave_all();
    vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
    do
        assert_int_equal(frame_alloc(0, FRAME_CONTROL, &frames[count++]), 0);
    while (port_frame_address(frames[count - 1]) != table);
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        table[i] = EPT_READ | EPT_MAY_WRITE;
    assert_false(resolve(&cpus[0], GFN));
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        assert_int_equal(table[i], EPT_READ | EPT_MAY_WRITE);
    while (count > 0)
        frame_free(frames[--count], 0, FRAME_CONTROL);
}

static bool happened, used;

static void resolve_when_the_table_goes(u64 *entry, u64 old, u64 value)
{
    u64 *table = cpus[0].vcpu.walked.entries, before = table[GFN % REGION];

    if (happened || ept_is_table(value, LEVEL_2M) || !ept_is_table(old, LEVEL_2M) ||
        port_frame_address(ept_frame(old)) != table)
        return;
    happened = cpus[0].in_guest && vm->unflushed != 0;
    used = resolve(&cpus[0], GFN) || table[GFN % REGION] != before;
}

static void test_P2_a_table_that_was_unlinked_is_not_used_before_the_flush_either(void **state)
{
    show_protected();
    write_inside(&cpus[0], GFN + 1);
    happened = false;
    port_host.on_pte = resolve_when_the_table_goes;
    vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
    port_host.on_pte = NULL;
    assert_true(happened && !used);
    guest_write(&cpus[0], GFN);
    assert_nothing_lost();
}

static void test_a_removal_elsewhere_only_makes_it_look_again(void **state)
{
    TLB_GATHER(gather, vm);

    show_protected();
    write_inside(&cpus[0], GFN);
    tlb_gather_note(&gather);
    write_inside(&cpus[0], GFN + 1);
    tlb_gather_finish(&gather);
    assert_int_equal(harvest(), 2);
}

/* ---- flushes */

static void resolve_when_it_is_kicked(struct vm_memory *kicked)
{
    happened = true;
    used |= resolve(&cpus[0], GFN) || *entry_for(&cpus[0], GFN) & EPT_WRITE;
    on_kick(kicked);
}

static void test_a_flush_that_has_begun_makes_it_leave(void **state)
{
    show_protected();
    enter(&cpus[0]);
    /* The second time the table is known. */
    for (unsigned i = 1; i <= 2; i++) {
        happened = used = false;
        port_host.on_kick = resolve_when_it_is_kicked;
        tlb_flush(vm);
        port_host.on_kick = on_kick;
        assert_true(happened && !used);
        write_inside(&cpus[0], GFN + i);
    }
    /* After the next entry nothing is in the way. */
    write_inside(&cpus[0], GFN);
}

/* ---- rings; where the processor logs, what it has logged comes there when the vCPU leaves */

static void test_a_full_ring_makes_it_leave(void **state)
{
    u64 count = 0;

    show_protected();
    assert_int_equal(vcpu_memory_open_ring(&cpus[0].vcpu, DIRTY_RING_MIN), 0);
    enter(&cpus[0]);
    while (resolve(&cpus[0], BASE + count))
        count++;
    const struct dirty_ring *ring = cpus[0].vcpu.ring;
    assert_true(dirty_ring_is_full(ring));
    assert_int_equal(ring->head - ring->tail, count + 1);
    /* What filled it was permitted, and is in the log like all before it. */
    assert_true(*entry_for(&cpus[0], BASE + count) & EPT_WRITE);
    leave(&cpus[0]);
    assert_true(vcpu_memory_enter(&cpus[0].vcpu).blocked);
    vcpu_memory_leave(&cpus[0].vcpu);
    assert_int_equal(harvest(), count + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C10_a_write_resolved_inside_is_reported),
        BOTH(test_many_writes_in_one_stay_are_counted_when_it_ends),
        BOTH(test_a_page_that_nobody_logs),
        BOTH(test_a_page_of_one_slot_while_another_one_is_logged),
        BOTH(test_C10_no_memory_to_note_the_page),
        BOTH(test_C10_the_permission_comes_first_then_the_log_and_both_inside),
        BOTH(test_other_accesses_than_writes_leave),
        BOTH(test_what_is_permitted_already_leaves),
        BOTH(test_where_there_is_no_table_it_leaves),
        BOTH(test_C2_a_large_page_is_split_outside),
        BOTH(test_a_page_that_must_not_be_written_leaves),
        BOTH(test_what_the_view_denies_leaves),
        BOTH(test_P3_an_entry_that_changes_meanwhile_leaves),
        BOTH(test_another_table_is_not_taken_for_the_one_before),
        BOTH(test_P2_a_table_is_remembered_for_one_stay),
        BOTH(test_P2_a_table_that_was_unlinked_is_not_used_before_the_flush_either),
        BOTH(test_a_removal_elsewhere_only_makes_it_look_again),
        BOTH(test_a_flush_that_has_begun_makes_it_leave),
        cmocka_unit_test_setup_teardown(test_a_full_ring_makes_it_leave, start_protect, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
