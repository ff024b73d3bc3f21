/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/page_share.c. */
#include "tests/unit/backing_support.h"

static void test_share_makes_one_frame_of_two(void **state)
{
    struct backing *a = new_content(600, 10), *b = new_content(600, 10);

    assert_int_equal(backing_share(a, 30, b, 30), 0);
    check_frames(1199);
    check_shared(a, b, 30, 31);
    assert_true(lookup(a, 31).writable && lookup(b, 29).writable);
    assert_int_equal(lookup(a, 31).level, LEVEL_4K);
    /* Again, and the other way round: it is so already. */
    assert_int_equal(backing_share(b, 30, a, 30), 0);
    check_frames(1199);
    assert_int_equal(frame_share_get_stats().pages, 2);
    put_content(b, 30, 1);
    assert_int_equal(content(a, 30), 40);
    check_frames(1200);
    backing_put(a);
    check_content(b, 0, 30, 10);
    backing_put(b);
}

static void test_share_within_one_backing(void **state)
{
    struct backing *backing = new_backing(512, 0);

    for (u64 page = 1; page < 512; page++)
        assert_int_equal(backing_share(backing, 0, backing, page), 0);
    check_frames(1);
    assert_int_equal(frame_share_get_stats().pages, 512);
    assert_int_equal(backing_share(backing, 7, backing, 7), 0);
    put_content(backing, 7, 1);
    for (u64 page = 0; page < 512; page++)
        assert_int_equal(content(backing, page), page == 7);
    check_frames(2);
    assert_int_equal(backing_share(backing, 7, backing, 8), -EINVAL);
    backing_put(backing);
}

static void test_share_needs_equal_content(void **state)
{
    struct backing *a = new_content(3, 10), *b = new_backing(3, BACKING_ON_DEMAND);

    assert_int_equal(backing_share(a, 0, b, 0), -ENOENT);
    assert_int_equal(backing_share(b, 0, a, 0), -ENOENT);
    assert_int_equal(backing_share(b, 0, b, 0), -ENOENT);
    put_content(b, 0, 10);
    /* They differ in the last byte only. */
    ((u8 *)port_frame_address(lookup(b, 0).pfn))[PAGE_SIZE - 1] ^= 1;
    assert_int_equal(backing_share(a, 0, b, 0), -EINVAL);
    assert_true(lookup(a, 0).writable && lookup(b, 0).writable);
    check_frames(4);
    backing_put(a);
    backing_put(b);
}

static void test_R3_share_without_memory(void **state)
{
    struct backing *a = new_content(1, 10), *b = new_content(1, 10);

    FAILS_UNTIL(1, backing_share(a, 0, b, 0), {
        check_frames(2);
        assert_true(lookup(a, 0).writable && lookup(b, 0).writable);
    });
    check_frames(1);
    backing_put(a);
    backing_put(b);
}

/* A node may stay, but it says that its pages are one block: nobody is worse off. */
static void test_share_of_large_pieces_without_memory(void **state)
{
    struct backing *a = new_content(512, 10), *b = new_content(512, 10);
    int error = -ENOMEM;

    for (u64 free = 0; error != 0; free++) {
        port_host_take_all_but(free);
        error = backing_share(a, 9, b, 9);
        port_host_give_back();
        if (error == 0)
            break;
        assert_int_equal(error, -ENOMEM);
        for (u64 page = 0; page < 512; page++) {
            assert_true(lookup(a, page).level == LEVEL_2M && lookup(b, page).level == LEVEL_2M);
            assert_true(lookup(a, page).writable && lookup(b, page).writable);
        }
        check_frames(1024);
    }
    check_shared(a, b, 9, 10);
    check_frames(1023);
    backing_put(a);
    check_content(b, 0, 512, 10);
    backing_put(b);
}

/* Both pages are held, the one with the lower hva first: that is what keeps two tasks from waiting for each other. */
static struct backing *order[2];
static u64 order_seen;

static void note_order(const void *word)
{
    bool lower = backing_is_changing(order[0], 0, 1);
    bool upper = backing_is_changing(order[1], 0, 1);

    if (upper)
        assert_true(lower);
    order_seen |= lower && !upper ? 1 : 0;
    order_seen |= lower && upper ? 2 : 0;
}

static void on_point_once(const void *word)
{
    port_host.on_point = NULL;
    note_order(word);
    port_host.on_point = on_point_once;
}

static void test_share_holds_both_in_order_of_hva(void **state)
{
    order[0] = new_content(1, 10);
    order[1] = new_content(1, 10);
    if (backing_hva(order[0]).v > backing_hva(order[1]).v) {
        struct backing *lower = order[1];

        order[1] = order[0];
        order[0] = lower;
    }
    for (unsigned i = 0; i < 2; i++) {
        order_seen = 0;
        put_content(order[0], 0, 10);
        put_content(order[1], 0, 10);
        port_host.on_point = on_point_once;
        assert_int_equal(backing_share(order[i], 0, order[!i], 0), 0);
        port_host.on_point = NULL;
        assert_int_equal(order_seen & 2, 2);
    }
    backing_put(order[0]);
    backing_put(order[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_share_makes_one_frame_of_two),     SMALL_TEST(test_share_within_one_backing),
        SMALL_TEST(test_share_needs_equal_content),        SMALL_TEST(test_R3_share_without_memory),
        SMALL_TEST(test_share_holds_both_in_order_of_hva), SMALL_TEST(test_share_of_large_pieces_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
