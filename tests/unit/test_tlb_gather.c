/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/tlb_gather.c: the flush cannot be forgotten. */
#include "tests/unit/mm_support.h"

#include "mm/tlb_gather.h"

static struct vm_memory *flushed;

static void remember(struct vm_memory *vm)
{
    flushed = vm;
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 2);
}

static void test_P2_tables_go_after_the_flush(void **state)
{
    struct vm_memory *vm = (struct vm_memory *)&flushed;
    TLB_GATHER(gather, vm);

    tlb_gather_table(&gather, shadow_page_alloc());
    tlb_gather_table(&gather, shadow_page_alloc());
    assert_int_equal(gather.count, 2);
    port_host.on_flush = remember;
    tlb_gather_flush(&gather);
    assert_ptr_equal(flushed, vm);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 2);
    tlb_gather_release(&gather);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 0);
    assert_int_equal(port_host.flushes, 1);
}

static void test_P5_no_release_without_flush(void **state)
{
    TLB_GATHER(gather, NULL);

    tlb_gather_table(&gather, shadow_page_alloc());
    assert_true(ASSERTS(tlb_gather_release(&gather)));
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
    tlb_gather_finish(&gather);
}

static void leave_noted(void)
{
    TLB_GATHER(gather, NULL);

    tlb_gather_note(&gather);
}

static struct shadow_page *left;

static void leave_flushed(void)
{
    TLB_GATHER(gather, NULL);

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
    TLB_GATHER(gather, NULL);

    tlb_gather_note(&gather);
    tlb_gather_flush(&gather);
    tlb_gather_note(&gather);
    assert_true(ASSERTS(tlb_gather_release(&gather)));
    tlb_gather_finish(&gather);
    assert_int_equal(port_host.flushes, 2);
}

static void test_nothing_removed_nothing_flushed(void **state)
{
    TLB_GATHER(gather, NULL);

    tlb_gather_finish(&gather);
    assert_int_equal(port_host.flushes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_P2_tables_go_after_the_flush),
        SMALL_TEST(test_P5_no_release_without_flush),
        SMALL_TEST(test_P5_no_end_without_flush),
        SMALL_TEST(test_P5_no_end_without_release),
        SMALL_TEST(test_P5_what_comes_after_a_flush_needs_another),
        SMALL_TEST(test_nothing_removed_nothing_flushed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
