/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/tlb_gather.c: the flush cannot be forgotten. */
#include "tests/unit/view_support.h"

#include "mm/tlb_gather.h"

static struct vm_memory *vm, *flushed;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    flushed = NULL;
    return 0;
}

static int finish(void **state)
{
    port_host.on_kick = NULL;
    port_host.on_pte = NULL;
    port_host.on_point = NULL;
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* Those that are no root. */
static u64 tables(void)
{
    return frame_get_stats().used[FRAME_TABLE] - 1;
}

static void remember(struct vm_memory *kicked)
{
    flushed = kicked;
    assert_int_equal(tables(), 2);
}

static void test_P2_tables_go_after_the_flush(void **state)
{
    TLB_GATHER(gather, vm);

    tlb_gather_table(&gather, shadow_page_alloc());
    tlb_gather_table(&gather, shadow_page_alloc());
    assert_int_equal(gather.count, 2);
    port_host.on_kick = remember;
    tlb_gather_flush(&gather);
    assert_ptr_equal(flushed, vm);
    assert_int_equal(tables(), 2);
    tlb_gather_release(&gather);
    assert_int_equal(tables(), 0);
    assert_int_equal(port_host.kicks, 1);
}

static void test_P5_no_release_without_flush(void **state)
{
    TLB_GATHER(gather, vm);

    tlb_gather_table(&gather, shadow_page_alloc());
    assert_true(ASSERTS(tlb_gather_release(&gather)));
    assert_int_equal(tables(), 1);
    tlb_gather_finish(&gather);
}

static void leave_noted(void)
{
    TLB_GATHER(gather, vm);

    tlb_gather_note(&gather);
}

static struct shadow_page *left;

static void leave_flushed(void)
{
    TLB_GATHER(gather, vm);

    left = shadow_page_alloc();
    tlb_gather_table(&gather, left);
    tlb_gather_flush(&gather);
}

static void test_P5_no_end_without_flush(void **state)
{
    assert_true(ASSERTS(leave_noted()));
}

static void test_P5_no_end_without_release(void **state)
{
    assert_true(ASSERTS(leave_flushed()));
    shadow_page_free(left);
}

static void test_P5_what_comes_after_a_flush_needs_another(void **state)
{
    TLB_GATHER(gather, vm);

    tlb_gather_note(&gather);
    tlb_gather_flush(&gather);
    tlb_gather_note(&gather);
    assert_true(ASSERTS(tlb_gather_release(&gather)));
    tlb_gather_finish(&gather);
    assert_int_equal(port_host.kicks, 2);
}

static void test_nothing_removed_nothing_flushed(void **state)
{
    TLB_GATHER(gather, vm);

    tlb_gather_finish(&gather);
    assert_int_equal(port_host.kicks, 0);
}

/* A vCPU that is inside keeps what it may still use. */
static struct vcpu_memory inside;
static u64 waited;

static void leave_at_last(void)
{
    assert_int_equal(tables(), 1);
    if (++waited == 3)
        vcpu_memory_leave(&inside);
}

static void test_P2_flush_waits_for_who_is_inside(void **state)
{
    struct vcpu_memory outside;

    vcpu_memory_init(&inside, vm);
    vcpu_memory_init(&outside, vm);
    assert_true(vcpu_memory_enter(&inside).invept);
    vcpu_memory_leave(&inside);
    assert_false(vcpu_memory_enter(&inside).invept);
    port_host.kicks = waited = 0;
    port_host.on_relax = leave_at_last;
    {
        TLB_GATHER(gather, vm);

        tlb_gather_table(&gather, shadow_page_alloc());
        tlb_gather_finish(&gather);
    }
    port_host.on_relax = NULL;
    assert_int_equal(waited, 3);
    /* One round for all (P5), and who comes back has to flush before it can use anything (G5). */
    assert_int_equal(port_host.kicks, 1);
    assert_true(vcpu_memory_enter(&inside).invept);
    vcpu_memory_leave(&inside);
    vcpu_memory_destroy(&inside);
    vcpu_memory_destroy(&outside);
}

/* Somebody has removed a leaf and is not at its flush yet. */
static void remove_without_flush(struct tlb_gather *gather)
{
    assert_int_equal(fault(vm, 1, ACCESS_WRITE), FAULT_INSTALLED);
    rwlock_lock(&vm->spt.lock);
    spt_zap_range(&vm->spt, vm->spt.base->page, (gfn_t){ 1 }, (gfn_t){ 2 }, ZAP_MAPPED, NULL, gather);
    rwlock_unlock(&vm->spt.lock);
    port_host.kicks = 0;
}

static void test_P2_who_finds_it_gone_does_not_return_before_a_flush(void **state)
{
    TLB_GATHER(somebody, vm);
    struct vcpu_memory a;

    add_ram(vm, 0, 0, 512, LEVEL_4K);
    start_vcpu(&a, vm, new_view(vm), 4);
    assert_int_equal(protect(vm, 1, 5, 1, ACCESS_READ), 0);
    remove_without_flush(&somebody);
    spt_zap_all(&vm->spt, (gfn_t){ 1 }, (gfn_t){ 2 });
    assert_int_equal(port_host.kicks, 1);
    spt_write_protect_all(&vm->spt, (gfn_t){ 1 }, (gfn_t){ 2 }, true);
    assert_int_equal(port_host.kicks, 2);
    assert_int_equal(protect(vm, 1, 1, 1, ACCESS_READ), 0);
    assert_int_equal(port_host.kicks, 3);
    tlb_gather_finish(&somebody);
    assert_int_equal(port_host.kicks, 4);
    /* From here on nothing is due. */
    spt_zap_all(&vm->spt, (gfn_t){ 1 }, (gfn_t){ 2 });
    assert_int_equal(port_host.kicks, 4);
    vcpu_memory_destroy(&a);
}

static u64 removals, flushes;

static void expect_note(u64 *entry, u64 old, u64 value)
{
    if (!ept_change_needs_flush(old, value))
        return;
    removals++;
    assert_int_not_equal(vm->unflushed, 0);
}

static void expect_still_due(struct vm_memory *kicked)
{
    flushes++;
    assert_int_not_equal(kicked->unflushed, 0);
}

static void test_P2_it_is_told_from_before_the_change_to_the_flush(void **state)
{
    removals = flushes = 0;
    add_ram(vm, 0, 0, 512, LEVEL_4K);
    assert_int_equal(fault(vm, 1, ACCESS_WRITE), FAULT_INSTALLED);
    port_host.on_pte = expect_note;
    port_host.on_kick = expect_still_due;
    spt_write_protect_all(&vm->spt, (gfn_t){ 1 }, (gfn_t){ 2 }, true);
    assert_true(removals == 1 && flushes == 1);
    spt_zap_all(&vm->spt, (gfn_t){ 1 }, (gfn_t){ 2 });
    assert_true(removals > 1 && flushes == 2);
    assert_int_equal(vm->unflushed, 0);
}

static u64 old_generation;

/* The first step of giving the lock back, under which the roots became others. */
static void expect_note_of_new_roots(const void *word)
{
    const char *lock = (const char *)&vm->spt.lock;

    if (vm->spt.generation == old_generation || (const char *)word < lock ||
        (const char *)word >= lock + sizeof(vm->spt.lock))
        return;
    port_host.on_point = NULL;
    assert_int_not_equal(vm->unflushed, 0);
}

static void test_G2_new_roots_are_told_under_the_lock(void **state)
{
    old_generation = vm->spt.generation;
    port_host.on_point = expect_note_of_new_roots;
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    assert_null(port_host.on_point);
    assert_int_equal(vm->unflushed, 0);
}

#define GATHER_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATHER_TEST(test_P2_tables_go_after_the_flush),
        GATHER_TEST(test_P5_no_release_without_flush),
        GATHER_TEST(test_P5_no_end_without_flush),
        GATHER_TEST(test_P5_no_end_without_release),
        GATHER_TEST(test_P5_what_comes_after_a_flush_needs_another),
        GATHER_TEST(test_nothing_removed_nothing_flushed),
        GATHER_TEST(test_P2_flush_waits_for_who_is_inside),
        GATHER_TEST(test_P2_who_finds_it_gone_does_not_return_before_a_flush),
        GATHER_TEST(test_P2_it_is_told_from_before_the_change_to_the_flush),
        GATHER_TEST(test_G2_new_roots_are_told_under_the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
