/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/tlb_gather.c: the flush cannot be forgotten. */
#include "tests/unit/mm_support.h"

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
