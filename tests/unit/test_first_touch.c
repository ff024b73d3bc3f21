/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/first_touch.c: what a vCPU maps without leaving its stay, and all that it leaves to mm/fault.c, where nothing may have
 * changed. Races are the explorer's (tests/explorer/scenario_first_touch.c).
 */
#include "mm/dirty_ring.h"
#include "mm/invalidation.h"
#include "mm/mapping_level.h"
#include "mm/tlb.h"
#include "tests/unit/dirty_support.h"

enum { BASE = 1024, PAGES = 2048, REGION = 512, ANCHOR = BASE + 5, GFN = BASE + 6, LARGE = BASE + 2 * REGION };

static bool touch(struct cpu *cpu, u64 gfn, u32 access)
{
    enter(cpu);
    return vcpu_memory_fault_inside(&cpu->vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
}

static u64 entry_now(u64 gfn, int *level)
{
    return *leaf_of(&cpus[0], gfn, level);
}

/* It is mapped so now, by an entry of `level` with these permissions, and counted. */
static void assert_touched(u64 gfn, u32 access, enum level level, u64 permissions)
{
    struct vm_memory_stats before = vm_memory_get_stats(vm), after;
    struct backing_page found = lookup(backing, offset + gfn - base);
    int at;

    assert_true(touch(&cpus[0], gfn, access));
    assert_true(cpus[0].in_guest && cpus[0].vcpu.inside != 0);
    u64 entry = entry_now(gfn, &at);
    pfn_t first = { found.pfn.v & ~(level_pages(level) - 1) };
    assert_int_equal(at, level);
    assert_int_equal(entry, ept_leaf(first, level, permissions));
    after = vm_memory_get_stats(vm);
    assert_int_equal(after.mapped[level] - before.mapped[level], 1);
    assert_int_equal(after.mapped[LEVEL_4K] + after.mapped[LEVEL_2M],
                     before.mapped[LEVEL_4K] + before.mapped[LEVEL_2M] + 1);
    assert_int_equal(after.tables, before.tables);
}

/* It is not, and nothing has changed: not even a count, and nothing is held. */
static void assert_left(u64 gfn, u32 access)
{
    struct vm_memory_stats before = vm_memory_get_stats(vm), after;
    int level, level_after;
    u64 entry = entry_now(gfn, &level), free_before = frame_get_stats().free, faults = cpus[0].vcpu.quick_faults;

    assert_false(touch(&cpus[0], gfn, access));
    assert_int_equal(entry_now(gfn, &level_after), entry);
    assert_int_equal(level, level_after);
    after = vm_memory_get_stats(vm);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(cpus[0].vcpu.quick_faults, faults);
    assert_int_equal(frame_get_stats().free, free_before);
    assert_false(memslots_is_read(memslots_active(&vm->slots)));
}

/* A slot of pages of 4K; one of them is mapped, so the first table is there. */
static void show_small(void)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    guest_read(&cpus[0], ANCHOR);
}

/* A slot of pages of 2M; the first is mapped. */
static void show_large(void)
{
    show(BASE, PAGES, 0, LEVEL_2M);
    guest_read(&cpus[0], BASE);
}

/* ---- what it does */

static void test_every_kind_of_access_maps_the_page_for_all_kinds(void **state)
{
    show_small();
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    assert_touched(GFN + 1, ACCESS_WRITE, LEVEL_4K, EPT_PERMISSIONS);
    assert_touched(GFN + 2, ACCESS_EXECUTE, LEVEL_4K, EPT_PERMISSIONS);
    assert_touched(GFN + 3, ACCESS_READ | ACCESS_WRITE | 1u << 7, LEVEL_4K, EPT_PERMISSIONS);
    assert_touched(BASE, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    assert_touched(BASE + REGION - 1, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    assert_true(hardware_write(&cpus[0], GFN));
    /* As mm/fault.c does it. */
    assert_int_equal(access_fault(&cpus[0], GFN + 4, ACCESS_READ), FAULT_INSTALLED);
    int level;
    assert_int_equal((entry_now(GFN + 4, &level) ^ entry_now(GFN + 3, &level)) & ~EPT_ADDRESS, 0);
    /* Nobody's write is lost because of it. */
    start_log(0);
    assert_true(hardware_write(&cpus[1], GFN) || access_fault(&cpus[1], GFN, ACCESS_WRITE) <= FAULT_SPURIOUS);
    guest_write(&cpus[1], GFN);
    assert_nothing_lost();
}

static void test_faults_are_counted_when_the_stay_ends(void **state)
{
    show_small();
    struct vm_memory_stats before = vm_memory_get_stats(vm), after;
    for (u64 i = 1; i <= 10; i++)
        assert_true(touch(&cpus[0], ANCHOR + i, ACCESS_READ));
    assert_int_equal(cpus[0].vcpu.quick_faults, 10);
    leave_all();
    after = vm_memory_get_stats(vm);
    assert_int_equal(after.faults - before.faults, 10);
    assert_int_equal(after.faults_installed - before.faults_installed, 10);
    assert_int_equal(after.faults_spurious, before.faults_spurious);
    assert_int_equal(after.faults_lockless, before.faults_lockless);
    /* With one that gives a permission back. */
    vm_memory_write_protect(vm, (gfn_t){ GFN }, 1);
    assert_true(touch(&cpus[0], GFN, ACCESS_WRITE));
    assert_true(touch(&cpus[0], GFN + 20, ACCESS_WRITE));
    leave_all();
    before = after;
    after = vm_memory_get_stats(vm);
    assert_int_equal(after.faults - before.faults, 2);
    assert_int_equal(after.faults_installed - before.faults_installed, 1);
    assert_int_equal(after.faults_spurious - before.faults_spurious, 1);
    assert_int_equal(after.faults_lockless - before.faults_lockless, 1);
    enter(&cpus[0]);
    leave_all();
    assert_int_equal(vm_memory_get_stats(vm).faults, after.faults);
}

static void test_a_large_page(void **state)
{
    show_large();
    assert_touched(LARGE + 7, ACCESS_WRITE, LEVEL_2M, EPT_PERMISSIONS);
    assert_true(hardware_write(&cpus[0], LARGE + 511));
    /* By the table that is known now, and of another stay. */
    assert_touched(LARGE + REGION, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
    leave_all();
    assert_touched(LARGE - 1, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
}

static void test_C7_a_large_page_is_not_executable_where_that_is_dangerous(void **state)
{
    struct mm_caps caps = *mm_caps();

    caps.nx_large = true;
    mm_capabilities = caps;
    show_large();
    assert_left(LARGE, ACCESS_EXECUTE);
    assert_touched(LARGE, ACCESS_READ, LEVEL_2M, EPT_READ | EPT_WRITE);
    assert_true(access_fault(&cpus[0], LARGE, ACCESS_EXECUTE) <= FAULT_SPURIOUS);
    assert_int_equal(vm_memory_get_stats(vm).splits_for_execution, 1);
    /* The small ones are. */
    vm_memory_zap(vm, (gfn_t){ LARGE + 1 }, 1);
    assert_touched(LARGE + 1, ACCESS_EXECUTE, LEVEL_4K, EPT_PERMISSIONS);
}

/* A table of small pages may have taken the place of what was empty when the table above was remembered. */
static void test_a_small_page_below_a_table_that_is_remembered(void **state)
{
    show_large();
    assert_touched(LARGE, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
    add_ram(vm, 1, BASE + PAGES, REGION, LEVEL_4K);
    assert_int_equal(access_fault(&cpus[1], BASE + PAGES + 1, ACCESS_WRITE), FAULT_INSTALLED);
    vm_memory_write_protect(vm, (gfn_t){ BASE + PAGES }, 2);
    assert_touched(LARGE + REGION, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
    assert_true(touch(&cpus[0], BASE + PAGES + 1, ACCESS_WRITE));
    assert_true(hardware_write(&cpus[0], BASE + PAGES + 1));
    /* And back. */
    assert_touched(LARGE - 1, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
}

/* ---- what it is not for: tables */

static void test_where_there_is_no_table(void **state)
{
    show_small();
    assert_left(BASE + REGION, ACCESS_READ);
    /* Also not of what could be large, where the slot has small pages only. */
    assert_int_equal(access_fault(&cpus[0], BASE + REGION, ACCESS_READ), FAULT_INSTALLED);
    assert_touched(BASE + REGION + 1, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    assert_left(1ull << 30, ACCESS_READ);
    assert_false(touch(&cpus[0], spt_root_end(cpus[0].vcpu.root).v + GFN, ACCESS_READ));
}

static void test_what_cannot_be_large(void **state)
{
    /* The piece is large, and the slot shows it with another offset; or ends within; or begins. */
    show(BASE, PAGES, 0, LEVEL_2M);
    struct backing *other = new_backing(4 * REGION, 0);
    u64 at = BASE + 4 * REGION;
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ at }, REGION, other, 1, 0, LEVEL_2M), 0);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ at + REGION }, REGION - 1, other, 0, 0, LEVEL_2M), 0);
    assert_int_equal(vm_memory_add_slot(vm, 3, (gfn_t){ at + 2 * REGION + 1 }, REGION - 1, other, 1, 0, LEVEL_2M), 0);
    assert_int_equal(vm_memory_add_slot(vm, 4, (gfn_t){ at + 3 * REGION }, REGION, other, 0, 0, LEVEL_4K), 0);
    backing_put(other);
    guest_read(&cpus[0], BASE);
    for (u64 i = 0; i < 4; i++)
        assert_left(at + i * REGION + 1, ACCESS_READ);
    /* The same frames, but in small pieces. */
    assert_int_equal(backing_migrate(backing, REGION), 0);
    assert_left(BASE + REGION, ACCESS_READ);
    assert_left(BASE + REGION + 1, ACCESS_READ);
    assert_touched(BASE + 2 * REGION, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
}

static void test_C6_a_processor_without_large_pages(void **state)
{
    show_large();
    mm_capabilities.page_2m = false;
    assert_left(LARGE, ACCESS_READ);
    mm_capabilities.page_2m = true;
    assert_touched(LARGE, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
}

static void test_at_the_limit_of_tables(void **state)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    for (u64 gfn = BASE; gfn < BASE + PAGES; gfn += REGION)
        guest_read(&cpus[0], gfn);
    u64 tables = vm_memory_get_stats(vm).tables - 1;
    vm->spt.table_limit = tables;
    assert_left(GFN, ACCESS_READ);
    vm->spt.table_limit = tables + 1;
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
}

/* ---- what it is not for: slots */

static void test_where_there_is_no_slot(void **state)
{
    show(BASE, PAGES - 100, 0, LEVEL_4K);
    guest_read(&cpus[0], BASE + PAGES - 200);
    assert_left(BASE + PAGES - 100, ACCESS_READ);
    assert_touched(BASE + PAGES - 101, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
}

static void test_a_read_only_slot(void **state)
{
    show_small();
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN, ACCESS_WRITE);
    assert_left(GFN, ACCESS_READ | ACCESS_WRITE);
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_READ | EPT_EXECUTE);
    assert_touched(GFN + 1, ACCESS_EXECUTE, LEVEL_4K, EPT_READ | EPT_EXECUTE);
}

static void test_C10_a_slot_that_is_logged(void **state)
{
    show_small();
    start_log(0);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN, ACCESS_WRITE);
    assert_left(GFN, ACCESS_READ);
    leave_all();
    stop_log();
    assert_touched(GFN, ACCESS_WRITE, LEVEL_4K, EPT_PERMISSIONS);
}

static unsigned tried;

static void try_when_readers_are_waited_for(void)
{
    struct memslot_set *set = memslots_active(&vm->slots);
    const struct memslot *slot = memslots_find_id(set, 0);

    if (tried != 0 || slot == NULL || !memslots_is_invalid(set, slot))
        return;
    tried++;
    assert_false(touch(&cpus[0], GFN, ACCESS_READ));
    assert_false(touch(&cpus[0], GFN + 1, ACCESS_WRITE));
    leave_all();
}

/* M3: in front of the zap, when the slot is invalid and its memory still there. */
static void when_the_lock_is_taken(const void *word)
{
    if (word == &vm->spt.lock.writer_in)
        try_when_readers_are_waited_for();
}

static void test_M3_a_slot_on_its_way_out(void **state)
{
    show_small();
    enter(&cpus[0]);
    tried = 0;
    port_host.on_point = when_the_lock_is_taken;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    port_host.on_point = NULL;
    assert_int_equal(tried, 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

static void test_what_a_view_shows(void **state)
{
    u32 view = new_view(vm);

    show_small();
    assert_int_equal(vcpu_memory_select(&cpus[0].vcpu, view, 4), 0);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN, ACCESS_READ);
    leave_all();
    assert_int_equal(vcpu_memory_select(&cpus[0].vcpu, 0, 4), 0);
    /* The memory as it is, in a VM with views. */
    guest_read(&cpus[0], ANCHOR);
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
}

/* ---- what it is not for: frames */

static void test_R2_a_backing_that_is_being_changed(void **state)
{
    struct invalidation invalidation;

    show_small();
    invalidation_begin(&invalidation, backing, GFN - BASE, GFN - BASE + 1);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN, ACCESS_READ);
    assert_left(GFN + 1, ACCESS_READ); /* it does not look which page: mm/fault.c does */
    invalidation_end(&invalidation);
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
}

static void test_a_page_without_a_frame(void **state)
{
    show(BASE, PAGES, 0, LEVEL_4K);
    guest_read(&cpus[0], ANCHOR);
    leave_all();
    assert_int_equal(backing_punch(backing, GFN - BASE, 1), 0);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN, ACCESS_READ);
    assert_int_equal(memory_retire(lookup(backing, GFN + 1 - BASE).pfn, false), 0);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN + 1, ACCESS_READ);
    assert_int_equal(access_fault(&cpus[0], GFN + 1, ACCESS_READ), FAULT_LOST);
}

static int finish_retired(void **state)
{
    leave_all();
    vm_memory_zap(vm, (gfn_t){ 0 }, SPACE);
    drain_cpus();
    port_host.on_kick = NULL;
    vcpu_memory_destroy(&cpus[0].vcpu);
    vcpu_memory_destroy(&cpus[1].vcpu);
    backing_put(backing);
    vm_memory_destroy(vm);
    return stop_retired(state);
}

static void test_a_write_to_a_page_that_is_shared(void **state)
{
    show_small();
    struct backing *clone = clone_of(backing);
    guest_read(&cpus[0], ANCHOR);
    assert_left(GFN, ACCESS_WRITE);
    assert_left(GFN, ACCESS_READ | ACCESS_WRITE);
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_READ | EPT_EXECUTE);
    guest_write(&cpus[0], GFN);
    assert_int_equal(*(const u64 *)port_frame_address(lookup(clone, GFN - BASE).pfn), 0);
    leave_all();
    backing_put(clone);
}

/* ---- locks, flushes, others */

static void test_it_does_not_wait_for_a_writer(void **state)
{
    show_small();
    port_host_processor = 1;
    rwlock_lock(&vm->spt.lock);
    port_host_processor = 0;
    assert_left(GFN, ACCESS_READ);
    port_host_processor = 1;
    rwlock_unlock(&vm->spt.lock);
    port_host_processor = 0;
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    assert_true(is_free(&vm->spt.lock));
    /* Beside readers. */
    rwlock_lock_shared(&vm->spt.lock);
    assert_touched(GFN + 1, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    rwlock_unlock_shared(&vm->spt.lock);
    assert_true(is_free(&vm->spt.lock));
}

static u64 *watched;
static unsigned looks;

/* Between the look at the entry and the change of it another vCPU has been here. */
static void fill_it(const void *word)
{
    if (word == watched && ++looks == 2)
        *watched = EPT_MARKER;
}

static void test_P3_an_entry_that_is_not_empty_any_more(void **state)
{
    int level;

    show_small();
    watched = leaf_of(&cpus[0], GFN, &level);
    looks = 0;
    enter(&cpus[0]);
    port_host.on_point = fill_it;
    bool result = touch(&cpus[0], GFN, ACCESS_READ);
    port_host.on_point = NULL;
    assert_false(result);
    assert_int_equal(looks, 2);
    assert_int_equal(*watched, EPT_MARKER);
    assert_int_equal(cpus[0].vcpu.quick_faults, 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    *watched = EPT_EMPTY;
}

/* G7: a marker says something; it goes by what counts entries and looks at flushes. */
static void test_H7_a_marker_is_not_empty(void **state)
{
    show(BASE, PAGES - 1, 0, LEVEL_4K);
    guest_read(&cpus[0], BASE + PAGES - 2);
    leave_all();
    vm_memory_mark_device(&cpus[0].vcpu, gfn_to_gpa((gfn_t){ BASE + PAGES - 1 }));
    int level;
    assert_true(ept_is_marker(entry_now(BASE + PAGES - 1, &level)));
    assert_left(BASE + PAGES - 1, ACCESS_READ);
    add_ram(vm, 1, BASE + PAGES - 1, 1, LEVEL_4K);
    assert_left(BASE + PAGES - 1, ACCESS_READ);
    guest_read(&cpus[0], BASE + PAGES - 1);
}

static bool happened, used;
static u64 victim;

static void touch_when_the_table_goes(u64 *entry, u64 old, u64 value)
{
    u64 *table = victim == GFN ? cpus[0].vcpu.walked.entries : cpus[0].vcpu.walked_large.entries;
    enum level level = victim == GFN ? LEVEL_2M : LEVEL_1G;

    if (happened || ept_is_table(value, level) || !ept_is_table(old, level) ||
        port_frame_address(ept_frame(old)) != table)
        return;
    happened = cpus[0].in_guest && vm->unflushed != 0;
    /* As it would be if the lock was free by now. */
    struct rwlock lock = vm->spt.lock;
    vm->spt.lock = (struct rwlock){ 0 };
    used = touch(&cpus[0], victim, ACCESS_READ);
    vm->spt.lock = lock;
}

static void test_P2_a_table_that_was_unlinked_is_not_filled_before_the_flush_either(void **state)
{
    show_small();
    assert_touched(GFN + 1, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    happened = used = false;
    victim = GFN;
    port_host.on_pte = touch_when_the_table_goes;
    vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
    port_host.on_pte = NULL;
    assert_true(happened && !used);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    guest_read(&cpus[0], GFN);
}

static void test_P2_nor_one_of_large_pages(void **state)
{
    show_large();
    assert_touched(LARGE, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
    happened = used = false;
    victim = LARGE + REGION;
    port_host.on_pte = touch_when_the_table_goes;
    vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
    port_host.on_pte = NULL;
    assert_true(happened && !used);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_2M], 0);
}

static void test_a_removal_elsewhere_makes_it_leave(void **state)
{
    TLB_GATHER(gather, vm);

    show_small();
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    leave_all();
    tlb_gather_note(&gather);
    assert_left(GFN + 1, ACCESS_READ);
    leave_all();
    tlb_gather_finish(&gather);
    assert_touched(GFN + 1, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
}

/* What an earlier stay has met is anything by now. */
static void test_P2_a_table_of_large_pages_is_remembered_for_one_stay(void **state)
{
    static pfn_t frames[4 * SMALL_RAM];
    u64 count = 0;

    show_large();
    assert_touched(LARGE, ACCESS_READ, LEVEL_2M, EPT_PERMISSIONS);
    u64 *table = cpus[0].vcpu.walked_large.entries;
    leave_all();
    vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
    do
        assert_int_equal(frame_alloc(0, FRAME_CONTROL, &frames[count++]), 0);
    while (port_frame_address(frames[count - 1]) != table);
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        table[i] = EPT_EMPTY;
    assert_false(touch(&cpus[0], LARGE, ACCESS_READ));
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        assert_int_equal(table[i], EPT_EMPTY);
    while (count > 0)
        frame_free(frames[--count], 0, FRAME_CONTROL);
}

static void touch_when_it_is_kicked(struct vm_memory *kicked)
{
    happened = true;
    used |= touch(&cpus[0], GFN, ACCESS_READ);
    on_kick(kicked);
}

static void test_a_flush_that_has_begun_makes_it_leave(void **state)
{
    show_small();
    enter(&cpus[0]);
    /* The second time the table is known. */
    for (unsigned i = 1; i <= 2; i++) {
        happened = used = false;
        port_host.on_kick = touch_when_it_is_kicked;
        tlb_flush(vm);
        port_host.on_kick = on_kick;
        assert_true(happened && !used);
        assert_touched(GFN + i, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
    }
    assert_touched(GFN, ACCESS_READ, LEVEL_4K, EPT_PERMISSIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_every_kind_of_access_maps_the_page_for_all_kinds),
        BOTH(test_faults_are_counted_when_the_stay_ends),
        BOTH(test_a_large_page),
        BOTH(test_C7_a_large_page_is_not_executable_where_that_is_dangerous),
        BOTH(test_a_small_page_below_a_table_that_is_remembered),
        BOTH(test_where_there_is_no_table),
        BOTH(test_what_cannot_be_large),
        BOTH(test_C6_a_processor_without_large_pages),
        BOTH(test_at_the_limit_of_tables),
        BOTH(test_where_there_is_no_slot),
        BOTH(test_a_read_only_slot),
        BOTH(test_C10_a_slot_that_is_logged),
        BOTH(test_M3_a_slot_on_its_way_out),
        BOTH(test_what_a_view_shows),
        BOTH(test_R2_a_backing_that_is_being_changed),
        cmocka_unit_test_setup_teardown(test_a_page_without_a_frame, start_protect, finish_retired),
        BOTH(test_a_write_to_a_page_that_is_shared),
        BOTH(test_it_does_not_wait_for_a_writer),
        BOTH(test_P3_an_entry_that_is_not_empty_any_more),
        BOTH(test_H7_a_marker_is_not_empty),
        BOTH(test_P2_a_table_that_was_unlinked_is_not_filled_before_the_flush_either),
        BOTH(test_P2_nor_one_of_large_pages),
        BOTH(test_a_removal_elsewhere_makes_it_leave),
        BOTH(test_P2_a_table_of_large_pages_is_remembered_for_one_stay),
        BOTH(test_a_flush_that_has_begun_makes_it_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
