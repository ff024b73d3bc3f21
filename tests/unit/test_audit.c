/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/audit.c: it finds each thing that it looks for. A judge that always acquits would make every other test worthless. */
#include "tests/unit/mm_support.h"

#include "mm/backing_change.h"
#include "mm/dirty_log.h"
#include "mm/frame_share.h"

static struct vm_memory *vm;
static struct backing *backing;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    backing = new_backing(1100, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, LEVEL_2M), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ 1024 }, 70, backing, 1024, MEMSLOT_READ_ONLY, LEVEL_2M), 0);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 4096 + 1 }, 1000, backing, 1, 0, LEVEL_2M), 0);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1025, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1026, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 4096 + 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mm_audit(), 0);
    assert_int_equal(port_host.logs, 0);
    return 0;
}

static int finish(void **state)
{
    assert_int_equal(mm_audit(), 0);
    backing_put(backing);
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* The audit complains while *word is `wrong`, and names the rule. */
static void assert_found(u64 *word, u64 wrong, const char *rule)
{
    u64 right = *word;
    u64 logs = port_host.logs;

    *word = wrong;
    unsigned violations = mm_audit();
    *word = right;
    assert_true(violations > 0);
    assert_int_equal(port_host.logs - logs, violations);
    assert_non_null(strstr(port_host.last_log, rule));
}

static void test_C4_finds_a_wrong_frame(void **state)
{
    u64 *small = entry_at(vm, 1025, LEVEL_4K), *large = entry_at(vm, 5, LEVEL_2M);

    assert_found(small, *small + PAGE_SIZE, "C4");
    assert_found(small, *entry_at(vm, 1026, LEVEL_4K), "C4");
    assert_found(large, *large + 512 * PAGE_SIZE, "C4");
}

static void test_finds_malformed_entries(void **state)
{
    u64 *small = entry_at(vm, 1025, LEVEL_4K), *large = entry_at(vm, 5, LEVEL_2M);

    assert_found(small, *small & ~EPT_TYPE, "malformed");
    assert_found(small, *small | EPT_LARGE, "malformed");
    assert_found(large, *large & ~EPT_TYPE, "malformed");
    assert_found(large, *large | PAGE_SIZE, "C4");
    assert_found(small, *small | 1ull << 50, "C4");
    assert_found(small, *small | EPT_WRITE, "permits too much");
    assert_found(entry_at(vm, 1027, LEVEL_4K), 0, "not empty");
    assert_found(entry_at(vm, 1027, LEVEL_4K), EPT_EMPTY | PAGE_SIZE, "not empty");
    /* A device's marker stands in tables of 4K pages only. */
    assert_found(entry_at(vm, 512 * 100, LEVEL_2M), ept_marker(0), "not empty");
    /* What may become writable without a lock is as good as writable. */
    assert_found(small, *small | EPT_MAY_WRITE, "permits too much");
}

/* No processor has entries of 512 GiB. */
static void test_C6_finds_a_leaf_of_512g(void **state)
{
    u64 *top = entry_at(vm, 5, LEVEL_512G);
    u64 tables = vm_memory_get_stats(vm).tables;

    vm->spt.leaves[0].mapped[LEVEL_4K] -= 3;
    vm->spt.leaves[0].mapped[LEVEL_2M]--;
    u64 right = *top, logs = port_host.logs;
    *top = ept_leaf((pfn_t){ 0 }, LEVEL_512G, EPT_READ);
    /* The leaf, each of the tables that nothing leads to now, and how many those are. */
    assert_int_equal(vm_memory_audit(vm), 1 + (tables - 1) + 1);
    *top = right;
    assert_true(port_host.logs > logs);
    vm->spt.leaves[0].mapped[LEVEL_4K] += 3;
    vm->spt.leaves[0].mapped[LEVEL_2M]++;
}

static void test_finds_what_the_backing_has_not(void **state)
{
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 1);
    struct backing *other = new_backing(1100, BACKING_ON_DEMAND);

    slot->backing = other;
    unsigned violations = mm_audit();
    slot->backing = backing;
    assert_true(violations >= 2);
    backing_put(other);
}

static void test_C5_finds_a_page_that_is_too_large(void **state)
{
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);
    enum level right = slot->largest;

    slot->largest = LEVEL_4K;
    assert_int_equal(vm_memory_audit(vm), 1);
    assert_non_null(strstr(port_host.last_log, "C5"));
    slot->largest = right;
    slot->npages = 511;
    assert_true(vm_memory_audit(vm) > 0);
    slot->npages = 1024;
}

/* It was one piece, and is not any more. */
static void test_C6_finds_a_page_that_is_larger_than_its_piece(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    struct backing_page found;

    assert_int_equal(backing_migrate(backing, 7), 0);
    assert_int_equal(backing_lookup(backing, 0, &found), 0);
    struct spt_mapping mapping = { { 0 }, found.pfn, LEVEL_2M, EPT_PERMISSIONS, ARM_NONE };
    assert_int_equal(table_cache_fill(&cache, 4), 0);
    rwlock_lock_shared(&vm->spt.lock);
    assert_int_equal(spt_map(&vm->spt, vm->spt.base, &mapping, EPT_READ, &cache, &gather), 0);
    rwlock_unlock_shared(&vm->spt.lock);
    tlb_gather_finish(&gather);
    table_cache_drain(&cache);
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "C5"));
    vm_memory_zap(vm, (gfn_t){ 0 }, 1);
}

static void test_H7_finds_wrong_counts(void **state)
{
    struct shadow_page *page = shadow_page_of(port_frame_of(entry_at(vm, 1025, LEVEL_4K)));

    assert_found(&page->present, 3, "H7");
    assert_found(&vm->spt.leaves[0].mapped[LEVEL_4K], 7, "H7");
    assert_found(&vm->spt.leaves[0].mapped[LEVEL_2M], 0, "H7");
    assert_found(entry_at(vm, 1027, LEVEL_4K), *entry_at(vm, 1025, LEVEL_4K), "H7");
}

static void test_H1_finds_orphans_and_leaks(void **state)
{
    assert_found(&vm->spt.tables, 3, "H1");
    /* Cut off, but still in the list. */
    assert_found(entry_at(vm, 4096 + 5, LEVEL_2M), EPT_EMPTY, "");
    assert_found(entry_at(vm, 4096 + 5, LEVEL_512G), EPT_EMPTY, "H7");
    /* In no tree and in no list. */
    struct shadow_page *page = shadow_page_alloc();
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "H1"));
    shadow_page_free(page);
}

static void test_H2_H3_finds_a_table_at_two_places(void **state)
{
    u64 *one = entry_at(vm, 1025, LEVEL_2M), *other = entry_at(vm, 5, LEVEL_2M);
    struct shadow_page *page = shadow_page_of(ept_frame(*one));
    u64 table = *one;

    assert_found(other, table, "");
    assert_found(&page->gfn.v, 512, "H3");
    page->role.view = 1;
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "H3"));
    page->role.view = 0;
    assert_found(&page->generation, 7, "G1");
    assert_found(&page->references, 2, "H1");
    assert_found(&page->frame.v, page->frame.v + 1, "");
    /* A frame that is no table. */
    pfn_t pfn;
    assert_int_equal(frame_alloc(0, FRAME_TABLE, &pfn), 0);
    assert_found(one, ept_table(pfn), "");
    frame_free(pfn, 0, FRAME_TABLE);
}

static void test_H2_finds_what_the_hash_does_not(void **state)
{
    struct vcpu_memory vcpu;

    vcpu_memory_init(&vcpu, vm);
    assert_int_equal(vcpu_memory_select(&vcpu, 0, 5), 0);
    struct shadow_page *page = table_with(entry_at(vm, 1025, LEVEL_4K));
    assert_int_equal(mm_audit(), 0);
    assert_true(shadow_hash_put(vm->spt.hash, page));
    page->references = 1;
    assert_int_equal(mm_audit(), 2);
    assert_non_null(strstr(port_host.last_log, "H2"));
    assert_ptr_equal(shadow_hash_find_or_add(vm->spt.hash, page), page);
    vcpu_memory_destroy(&vcpu);
}

static void test_M3_finds_what_is_mapped_without_a_slot(void **state)
{
    u64 *gap = entry_at(vm, 1100, LEVEL_4K);
    struct shadow_page *page = table_with(gap);

    *gap = *entry_at(vm, 1025, LEVEL_4K);
    page->present++;
    vm->spt.leaves[0].mapped[LEVEL_4K]++;
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "M3"));
    *gap = EPT_EMPTY;
    page->present--;
    vm->spt.leaves[0].mapped[LEVEL_4K]--;
}

static void test_M5_finds_sets_that_differ(void **state)
{
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 1);
    struct memslot *below = memslots_find_id(memslots_active(&vm->slots), 0);

    assert_found(&vm->slots.set[0].generation, 99, "M5");
    assert_found(&vm->slots.set[0].count, 2, "M5");
    assert_found(&vm->slots.set[1].count, 2, "M5");
    slot->invalid[0] = true;
    assert_int_equal(mm_audit(), 1);
    slot->invalid[0] = false;
    slot->id = 77;
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "M5"));
    slot->id = 1;
    for (unsigned set = 0; set < 2; set++) {
        rb_erase(&vm->slots.set[set].by_gfn, &slot->by_gfn[set]);
        assert_true(mm_audit() > 0);
        rb_insert(&vm->slots.set[set].by_gfn, &slot->by_gfn[set], &below->by_gfn[set], 1);
    }
}

static void test_M7_finds_overlaps(void **state)
{
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);

    assert_found(&slot->npages, 1025, "M7");
    slot = memslots_find_id(memslots_active(&vm->slots), 2);
    unsigned active = vm->slots.active;
    interval_tree_remove(&vm->slots.set[active].by_hva, &slot->by_hva[active]);
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "M7"));
    interval_tree_insert(&vm->slots.set[active].by_hva, &slot->by_hva[active]);
}

static void test_R3_finds_a_guest_frame_without_a_backing(void **state)
{
    pfn_t pfn;

    assert_int_equal(frame_alloc(0, FRAME_GUEST, &pfn), 0);
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "R3"));
    frame_free(pfn, 0, FRAME_GUEST);
    /* A page too many is counted for a frame that is shared: the number of frames is right. */
    struct backing *clone;
    struct backing_page page;
    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_int_equal(backing_lookup(clone, 0, &page), 0);
    assert_int_equal(frame_share(page.pfn), 0);
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "R3"));
    assert_false(frame_unshare(page.pfn));
    backing_put(clone);
}

/* A slot that is logged: a large page at 0, and behind it small ones, of which 600 was written. */
static int start_logged_with(struct mm_caps caps)
{
    port_host_start(SMALL_RAM);
    mm_init(&caps);
    vm = new_vm();
    backing = new_backing(1024, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, LEVEL_2M), 0);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 600, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_LAZY), 0);
    assert_true(fault(vm, 600, ACCESS_WRITE) <= FAULT_SPURIOUS);
    assert_int_equal(mm_audit(), 0);
    return 0;
}

static int start_logged(void **state)
{
    return start_logged_with(port_host_caps);
}

static int start_logged_pml(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.log_modifications = true;
    return start_logged_with(caps);
}

static int start_nx_large(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.nx_large = true;
    return start_logged_with(caps);
}

static void test_C10_finds_what_is_neither_armed_nor_in_the_log(void **state)
{
    struct dirty_log *log = memslot_log(memslots_find_id(memslots_active(&vm->slots), 0));
    u64 *large = entry_at(vm, 5, LEVEL_2M), *small = entry_at(vm, 601, LEVEL_4K), *written = small - 1;
    u64 dirty = mm_caps()->log_modifications ? EPT_DIRTY : EPT_WRITE;
    u64 right = *large;

    assert_found(large, *large | EPT_WRITE, "C10");
    assert_found(small, *small | dirty, "C10");
    /* Also where it cannot be written any more, if the processor would not log it when it can again. */
    assert_found(small, (*small & ~EPT_WRITE) | EPT_DIRTY | dirty, "C10");
    /* What is in the log may be written. */
    *written |= dirty;
    page_set_add(&log->written, 600);
    assert_int_equal(mm_audit(), 0);
    /* All of a large page has to be. */
    *large |= EPT_WRITE;
    page_set_add_range(&log->written, 0, 512);
    assert_int_equal(mm_audit(), 0);
    page_set_take(&log->written, 511 / PAGE_SET_WORD, 1ull << 511 % PAGE_SET_WORD);
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "C10"));
    assert_non_null(strstr(port_host.last_log, "0x1ff"));
    /* While a log starts that is so. */
    log->armed = false;
    assert_int_equal(mm_audit(), 0);
    log->armed = true;
    *large = right;
}

static void test_C5_finds_a_page_that_is_too_large_where_writes_are_logged(void **state)
{
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);

    slot->largest = LEVEL_4K;
    assert_int_equal(mm_audit(), 1);
    assert_non_null(strstr(port_host.last_log, "C5"));
    slot->largest = LEVEL_2M;
}

static void test_C7_finds_a_large_page_that_is_executable(void **state)
{
    u64 *large = entry_at(vm, 5, LEVEL_2M), *small = entry_at(vm, 601, LEVEL_4K);

    assert_int_equal(*large & EPT_EXECUTE, 0);
    assert_int_equal(*small & EPT_EXECUTE, EPT_EXECUTE);
    assert_found(large, *large | EPT_EXECUTE, "C7");
}

#define AUDIT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUDIT_TEST(test_C4_finds_a_wrong_frame),
        AUDIT_TEST(test_finds_malformed_entries),
        AUDIT_TEST(test_C6_finds_a_leaf_of_512g),
        AUDIT_TEST(test_finds_what_the_backing_has_not),
        AUDIT_TEST(test_C5_finds_a_page_that_is_too_large),
        AUDIT_TEST(test_C6_finds_a_page_that_is_larger_than_its_piece),
        AUDIT_TEST(test_H7_finds_wrong_counts),
        AUDIT_TEST(test_H1_finds_orphans_and_leaks),
        AUDIT_TEST(test_H2_H3_finds_a_table_at_two_places),
        AUDIT_TEST(test_H2_finds_what_the_hash_does_not),
        AUDIT_TEST(test_M3_finds_what_is_mapped_without_a_slot),
        AUDIT_TEST(test_M5_finds_sets_that_differ),
        AUDIT_TEST(test_M7_finds_overlaps),
        AUDIT_TEST(test_R3_finds_a_guest_frame_without_a_backing),
        cmocka_unit_test_setup_teardown(test_C10_finds_what_is_neither_armed_nor_in_the_log, start_logged, finish),
        cmocka_unit_test_setup_teardown(test_C10_finds_what_is_neither_armed_nor_in_the_log, start_logged_pml, finish),
        cmocka_unit_test_setup_teardown(test_C5_finds_a_page_that_is_too_large_where_writes_are_logged, start_logged,
                                        finish),
        cmocka_unit_test_setup_teardown(test_C7_finds_a_large_page_that_is_executable, start_nx_large, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
