/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/frame_share.c. */
#include "tests/unit/mm_support.h"

#include "mm/frame_share.h"

static pfn_t new_frame(void)
{
    pfn_t pfn;

    assert_int_equal(frame_alloc(0, FRAME_GUEST, &pfn), 0);
    return pfn;
}

static void check_stats(u64 frames, u64 pages)
{
    struct frame_share_stats stats = frame_share_get_stats();

    assert_int_equal(stats.frames, frames);
    assert_int_equal(stats.pages, pages);
}

static void test_a_frame_has_one_page_and_no_record(void **state)
{
    pfn_t pfn = new_frame();

    assert_false(frame_is_shared(pfn));
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
    assert_true(frame_unshare(pfn));
    check_stats(0, 0);
    frame_free(pfn, 0, FRAME_GUEST);
}

static void test_M8_exactly_one_is_the_last(void **state)
{
    pfn_t pfn = new_frame();

    for (u64 pages = 2; pages <= 100; pages++) {
        assert_int_equal(frame_share(pfn), 0);
        assert_true(frame_is_shared(pfn));
        check_stats(1, pages);
    }
    for (u64 pages = 99; pages >= 1; pages--) {
        assert_false(frame_unshare(pfn));
        assert_int_equal(frame_is_shared(pfn), pages > 1);
        check_stats(pages > 1, pages > 1 ? pages : 0);
    }
    /* The record went with the second last page. */
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
    assert_true(frame_unshare(pfn));
    frame_free(pfn, 0, FRAME_GUEST);
}

static void test_frames_are_counted_apart(void **state)
{
    pfn_t a = new_frame(), b = new_frame(), c = new_frame();

    assert_int_equal(frame_share(a), 0);
    assert_int_equal(frame_share(c), 0);
    assert_int_equal(frame_share(c), 0);
    assert_false(frame_is_shared(b));
    check_stats(2, 5);
    assert_false(frame_unshare(a));
    assert_true(frame_is_shared(c));
    check_stats(1, 3);
    assert_false(frame_unshare(c));
    assert_true(frame_is_shared(c));
    assert_false(frame_unshare(c));
    assert_false(frame_is_shared(c));
    frame_free(a, 0, FRAME_GUEST);
    frame_free(b, 0, FRAME_GUEST);
    frame_free(c, 0, FRAME_GUEST);
}

static void test_R3_no_memory_changes_nothing(void **state)
{
    pfn_t pfn = new_frame();

    port_host_take_all_but(0);
    assert_int_equal(frame_share(pfn), -ENOMEM);
    assert_false(frame_is_shared(pfn));
    check_stats(0, 0);
    port_host_give_back();
    assert_true(frame_unshare(pfn));
    frame_free(pfn, 0, FRAME_GUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_a_frame_has_one_page_and_no_record),
        SMALL_TEST(test_M8_exactly_one_is_the_last),
        SMALL_TEST(test_frames_are_counted_apart),
        SMALL_TEST(test_R3_no_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
