/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/balloon.c: what goes back to the machine, and what comes again. */
#include "tests/unit/backing_support.h"

enum { GIB = 1 << 18 };

static void test_punch_frees_whole_pieces(void **state)
{
    struct backing *backing = new_content(3 * 512 + 7, 1000);
    u64 sequence = backing_sequence(backing);

    backing_punch(backing, 512, 1024 + 7);
    check_frames(512);
    check_content(backing, 0, 512, 1000);
    for (u64 page = 512; page < 3 * 512 + 7; page++)
        assert_false(has_frame(backing, page));
    /* The two pieces of 2M, and the rest. */
    assert_int_equal(backing_sequence(backing) - sequence, 3);
    assert_int_equal(lookup(backing, 0).level, LEVEL_2M);
    put_content(backing, 700, 0);
    backing_put(backing);
}

static void test_punch_parts_of_pieces(void **state)
{
    static const struct {
        u64 first, npages;
    } ranges[] = { { 0, 1 }, { 511, 1 }, { 100, 50 }, { 500, 24 }, { 500, 600 }, { 0, 513 }, { 1535, 1 }, { 3, 1533 } };

    for (unsigned i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        struct backing *backing = new_content(1536, 5000);
        u64 first = ranges[i].first, end = first + ranges[i].npages;
        u64 neighbour = lookup(backing, end % 1536).pfn.v;

        assert_int_equal(backing_punch(backing, first, end - first), 0);
        check_frames(1536 - (end - first));
        check_content(backing, 0, first, 5000);
        check_content(backing, end, 1536, 5000);
        for (u64 page = first; page < end; page++)
            assert_false(has_frame(backing, page));
        if (end < 1536) {
            assert_int_equal(lookup(backing, end).pfn.v, neighbour);
            assert_int_equal(lookup(backing, end).level, end % 512 == 0 ? LEVEL_2M : LEVEL_4K);
        }
        /* Who comes again finds zeros. */
        for (u64 page = first; page < end; page++) {
            struct backing_page found;

            assert_int_equal(backing_resolve(backing, page, LEVEL_1G, false, &found), 0);
            assert_int_equal(content(backing, page), 0);
        }
        check_frames(1536);
        backing_put(backing);
    }
}

static void test_punch_takes_2m_at_a_time(void **state)
{
    struct backing *backing = new_scattered(1100, 10);

    assert_int_equal(backing_punch(backing, 5, 1090), 0);
    /* Faults elsewhere do not wait for all of it. */
    assert_int_equal(backing_sequence(backing), 3);
    check_frames(10);
    check_content(backing, 0, 5, 10);
    check_content(backing, 1095, 1100, 10);
    backing_put(backing);
}

static void test_punch_of_holes_disturbs_nobody(void **state)
{
    struct backing *backing = new_backing(1ull << 30, BACKING_ON_DEMAND);

    backing_punch(backing, 0, 1ull << 30);
    backing_punch(backing, 12345, 1ull << 20);
    assert_int_equal(backing_sequence(backing), 0);
    put_content(backing, 1ull << 29, 7);
    backing_punch(backing, 0, 1ull << 29);
    assert_int_equal(backing_sequence(backing), 0);
    backing_punch(backing, 0, 1ull << 30);
    assert_int_equal(backing_sequence(backing), 1);
    check_frames(0);
    backing_put(backing);
}

static void test_punch_of_1g(void **state)
{
    port_host_start(GIB + 4096);
    struct backing *backing = new_backing(GIB, 0);

    assert_int_equal(lookup(backing, 0).level, LEVEL_1G);
    put_content(backing, 1023, 1);
    put_content(backing, 1537, 2);
    /* Within it a region of 2M, and a page: nodes for these only. */
    u64 control = frame_get_stats().used[FRAME_CONTROL];
    assert_int_equal(backing_punch(backing, 1024, 513), 0);
    check_frames(GIB - 513);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL] - control, 2);
    assert_int_equal(content(backing, 1023), 1);
    assert_int_equal(content(backing, 1537), 2);
    assert_int_equal(lookup(backing, 0).level, LEVEL_2M);
    assert_int_equal(lookup(backing, GIB - 1).level, LEVEL_2M);
    backing_put(backing);

    backing = new_backing(GIB, 0);
    assert_int_equal(backing_punch(backing, 0, GIB), 0);
    assert_int_equal(backing_sequence(backing), 1);
    check_frames(0);
    backing_put(backing);
    port_host_stop();
}

static void test_punch_without_memory_clears_in_place(void **state)
{
    struct backing *backing = new_content(1024, 1);

    port_host_take_all_but(0);
    assert_int_equal(backing_punch(backing, 100, 600), 0);
    check_frames(1024);
    port_host_give_back();
    check_content(backing, 0, 100, 1);
    check_content(backing, 700, 1024, 1);
    for (u64 page = 100; page < 700; page++)
        assert_int_equal(content(backing, page), 0);
    assert_int_equal(lookup(backing, 100).level, LEVEL_2M);
    backing_put(backing);
}

static void test_punch_without_memory_spares_who_shares(void **state)
{
    struct backing *clone, *backing = new_content(1024, 1);

    assert_int_equal(backing_clone(backing, &clone), 0);
    port_host_take_all_but(0);
    assert_int_equal(backing_punch(backing, 100, 924), -ENOMEM);
    port_host_give_back();
    check_content(clone, 0, 1024, 1);
    check_content(backing, 0, 512, 1);
    assert_false(has_frame(backing, 512)); /* all else is done */
    assert_int_equal(backing_punch(backing, 100, 924), 0);
    check_content(clone, 0, 1024, 1);
    check_content(backing, 0, 100, 1);
    assert_false(has_frame(backing, 100));
    check_frames(1024);
    backing_put(clone);
    check_frames(100);
    backing_put(backing);
}

static void test_populate_fills_holes(void **state)
{
    struct backing *backing = new_backing(1600, BACKING_ON_DEMAND);

    put_content(backing, 600, 1);
    assert_int_equal(backing_populate(backing, 100, 1500), 0);
    /* The pieces are as large as the extent allows, also where that is more than was asked for. */
    check_frames(1600);
    assert_int_equal(lookup(backing, 100).level, LEVEL_2M);
    assert_int_equal(lookup(backing, 601).level, LEVEL_4K);
    assert_int_equal(lookup(backing, 1024).level, LEVEL_2M);
    assert_int_equal(lookup(backing, 1599).level, LEVEL_4K);
    assert_int_equal(content(backing, 600), 1);
    for (u64 page = 0; page < 1600; page++)
        assert_int_equal(content(backing, page), page == 600);
    assert_true(port_host.yields >= 3);
    backing_put(backing);
}

static void test_populate_says_what_is_missing(void **state)
{
    struct backing *backing = new_backing(100, BACKING_ON_DEMAND);

    port_host_take_all_but(50);
    assert_int_equal(backing_populate(backing, 0, 100), -ENOMEM);
    check_audit();
    port_host_give_back();
    assert_int_equal(memory_retire(lookup(backing, 3).pfn, false), 0);
    assert_int_equal(backing_populate(backing, 0, 100), -EIO);
    check_frames(99);
    assert_int_equal(backing_populate(backing, 4, 96), 0);
    backing_put(backing);
}

static struct backing *filled;
static unsigned looked;

/* The first time that clearing a piece of 2M lets others run. */
static void look_for_the_page(void)
{
    if (looked++ == 0)
        assert_false(has_frame(filled, 5));
}

static void test_P1_a_piece_is_cleared_before_it_is_found(void **state)
{
    filled = new_backing(512, BACKING_ON_DEMAND);
    looked = 0;
    port_host.on_yield = look_for_the_page;
    assert_int_equal(backing_populate(filled, 0, 512), 0);
    port_host.on_yield = NULL;
    assert_true(looked > 0);
    assert_int_equal(lookup(filled, 5).level, LEVEL_2M);
    backing_put(filled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_punch_frees_whole_pieces),
        SMALL_TEST(test_punch_parts_of_pieces),
        SMALL_TEST(test_punch_takes_2m_at_a_time),
        SMALL_TEST(test_punch_of_holes_disturbs_nobody),
        cmocka_unit_test(test_punch_of_1g),
        SMALL_TEST(test_punch_without_memory_clears_in_place),
        SMALL_TEST(test_punch_without_memory_spares_who_shares),
        SMALL_TEST(test_populate_fills_holes),
        SMALL_TEST(test_P1_a_piece_is_cleared_before_it_is_found),
        RETIRE_TEST(test_populate_says_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
