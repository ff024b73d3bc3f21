/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/backing_clone.c and mm/copy_on_write.c: two backings with the same frames, and what a write makes of it. */
#include "tests/unit/backing_support.h"

#include "mm/backing_object.h"
#include "mm/invalidation.h"

enum { GIB = 1 << 18 };

static void test_clone_shares_every_frame(void **state)
{
    struct backing *backing = new_content(1100, 10);
    struct backing *clone = clone_of(backing);

    assert_int_equal(backing_pages(clone), 1100);
    assert_int_not_equal(backing_hva(clone).v, backing_hva(backing).v);
    check_frames(1100);
    check_shared(backing, clone, 0, 1100);
    assert_int_equal(lookup(backing, 3).level, LEVEL_2M);
    assert_int_equal(lookup(clone, 3).level, LEVEL_2M);
    assert_int_equal(lookup(clone, 1050).level, LEVEL_4K);
    check_content(clone, 0, 1100, 10);
    assert_int_equal(frame_share_get_stats().pages, 2200);
    /* One step for 2M. */
    assert_int_equal(backing_sequence(backing), 3);
    backing_put(backing);
    check_frames(1100);
    check_content(clone, 0, 1100, 10);
    assert_int_equal(frame_share_get_stats().frames, 0);
    backing_put(clone);
}

static void test_clone_of_holes_costs_nothing(void **state)
{
    struct backing *backing = new_backing(1ull << 30, BACKING_ON_DEMAND);

    put_content(backing, 1ull << 29, 7);
    struct backing *clone = clone_of(backing);
    assert_int_equal(backing_sequence(backing), 1);
    check_frames(1);
    assert_int_equal(content(clone, 1ull << 29), 7);
    assert_false(has_frame(clone, 0));
    put_content(clone, 0, 8);
    assert_false(has_frame(backing, 0));
    backing_put(clone);
    check_frames(1);
    backing_put(backing);
}

static void test_writes_are_seen_on_one_side_only(void **state)
{
    struct backing *backing = new_content(1100, 10);
    struct backing *clone = clone_of(backing);
    u64 frame = lookup(backing, 700).pfn.v;

    put_content(clone, 700, 1);
    assert_int_equal(content(backing, 700), 710);
    assert_int_equal(lookup(backing, 700).pfn.v, frame);
    assert_int_not_equal(lookup(clone, 700).pfn.v, frame);
    check_frames(1101);
    put_content(backing, 1099, 2);
    assert_int_equal(content(clone, 1099), 1109);
    check_frames(1102);
    /* Neighbours are as they were. */
    check_shared(backing, clone, 512, 700);
    check_shared(backing, clone, 701, 1099);
    check_content(clone, 0, 700, 10);
    check_content(clone, 701, 1100, 10);
    check_content(backing, 0, 1099, 10);
    /* The other large pieces are too. */
    assert_int_equal(lookup(backing, 700).level, LEVEL_2M);
    assert_int_equal(lookup(clone, 701).level, LEVEL_4K);
    assert_int_equal(lookup(clone, 0).level, LEVEL_2M);
    backing_put(clone);
    check_frames(1100);
    backing_put(backing);
}

static void test_the_last_one_takes_the_frame_over(void **state)
{
    struct backing *backing = new_content(600, 10);
    struct backing *clone = clone_of(backing);
    struct backing_page found, before = lookup(backing, 20);

    put_content(clone, 20, 1);
    check_frames(601);
    /* A read alone changes nothing. */
    assert_int_equal(backing_resolve(backing, 20, LEVEL_1G, false, &found), 0);
    assert_false(found.writable);
    assert_int_equal(found.pfn.v, before.pfn.v);
    assert_int_equal(backing_resolve(backing, 20, LEVEL_1G, true, &found), 0);
    assert_true(found.writable);
    assert_int_equal(found.pfn.v, before.pfn.v);
    assert_int_equal(found.level, LEVEL_4K);
    check_frames(601);
    assert_false(lookup(backing, 21).writable);
    backing_put(clone);
    check_frames(600);
    put_content(backing, 21, 1);
    assert_int_equal(lookup(backing, 21).pfn.v, before.pfn.v + 1);
    check_frames(600);
    /* What is written once is not looked at again. */
    u64 sequence = backing_sequence(backing);
    put_content(backing, 21, 2);
    assert_int_equal(backing_sequence(backing), sequence);
    backing_put(backing);
}

static void test_clones_of_clones(void **state)
{
    struct backing *backings[5] = { new_content(520, 10) };

    for (unsigned i = 1; i < 5; i++)
        backings[i] = clone_of(backings[i / 2]);
    check_frames(520);
    assert_int_equal(frame_share_get_stats().pages, 5 * 520);
    for (unsigned i = 0; i < 5; i++)
        put_content(backings[i], 100 + i, i);
    for (unsigned i = 0; i < 5; i++) {
        for (u64 page = 0; page < 520; page++)
            assert_int_equal(content(backings[i], page), page == 100 + i ? i : 10 + page);
    }
    check_frames(525);
    for (unsigned i = 0; i < 5; i++)
        put_content(backings[i], 300, i);
    check_frames(529); /* the last of them needed no copy */
    static const unsigned order[] = { 2, 0, 4, 1, 3 };
    for (unsigned i = 0; i < 5; i++) {
        backing_put(backings[order[i]]);
        check_audit();
    }
    check_frames(0);
}

static void test_clone_of_a_compacted_region(void **state)
{
    struct backing *backing = new_scattered(512, 10);

    assert_int_equal(backing_compact(backing, 0), 0);
    struct backing *clone = clone_of(backing);
    check_shared(backing, clone, 0, 512);
    assert_int_equal(lookup(backing, 9).level, LEVEL_2M);
    assert_int_equal(lookup(clone, 9).level, LEVEL_2M);
    put_content(backing, 9, 1);
    assert_int_equal(lookup(backing, 8).level, LEVEL_4K);
    assert_int_equal(lookup(clone, 8).level, LEVEL_2M);
    check_content(clone, 0, 512, 10);
    check_frames(513);
    backing_put(backing);
    check_frames(512);
    backing_put(clone);
}

static struct backing *scattered;
static unsigned when, points;

/* Another processor makes one piece of the region, unless the clone holds it by now. */
static void compact_at_point(const void *word)
{
    if (points++ != when)
        return;
    port_host.on_point = NULL;
    if (!backing_is_changing(scattered, 0, 512))
        assert_int_equal(backing_compact(scattered, 0), 0);
}

static void test_clone_of_what_becomes_one_piece(void **state)
{
    for (when = 0; when < 12; when++) {
        points = 0;
        scattered = new_backing(512, BACKING_ON_DEMAND);
        put_content(scattered, 1, 7);
        put_content(scattered, 2, 8);
        port_host.on_point = compact_at_point;
        struct backing *clone = clone_of(scattered);
        assert_null(port_host.on_point);
        for (u64 page = 0; page < 512; page++) {
            assert_int_equal(content(clone, page), page == 1 || page == 2 ? page + 6 : 0);
            assert_int_equal(content(scattered, page), content(clone, page));
        }
        check_audit();
        backing_put(scattered);
        backing_put(clone);
        check_frames(0);
    }
}

static void test_clone_of_1g(void **state)
{
    port_host_start(GIB + 4096);
    struct backing *backing = new_backing(GIB, 0);

    put_content(backing, 100000, 3);
    struct backing *clone = clone_of(backing);
    check_frames(GIB);
    assert_int_equal(lookup(backing, 100001).level, LEVEL_2M);
    assert_int_equal(lookup(clone, 100001).level, LEVEL_2M);
    assert_int_equal(frame_share_get_stats().frames, GIB);
    put_content(clone, 100000, 4);
    assert_int_equal(content(backing, 100000), 3);
    backing_put(clone);
    check_frames(GIB);
    backing_put(backing);
    port_host_stop();
}

static void test_clone_of_a_lost_page(void **state)
{
    struct backing *backing = new_content(5, 10);
    struct backing_page found;

    assert_int_equal(memory_retire(lookup(backing, 2).pfn, false), 0);
    struct backing *clone = clone_of(backing);
    assert_int_equal(backing_lookup(clone, 2, &found), -EIO);
    check_frames(4);
    assert_int_equal(backing_punch(clone, 0, 5), 0);
    put_content(clone, 2, 1);
    assert_int_equal(backing_lookup(backing, 2, &found), -EIO);
    backing_put(clone);
    backing_put(backing);
}

static void check_unharmed(struct backing *backing, u64 npages)
{
    check_content(backing, 0, npages, 10);
    check_frames(npages);
    assert_int_equal(frame_share_get_stats().frames, 0);
}

static void test_R3_clone_without_memory(void **state)
{
    struct backing *backing = new_content(600, 10), *clone;

    /* Two pages of records and two nodes; when one is missing, the others are given back. */
    FAILS_UNTIL(4, backing_clone(backing, &clone), check_unharmed(backing, 600));
    check_content(clone, 0, 600, 10);
    backing_put(clone);
    /* The source can be written as before. */
    for (u64 page = 0; page < 600; page++)
        put_content(backing, page, page + 10);
    check_unharmed(backing, 600);
    backing_put(backing);
}

static void test_R3_copy_on_write_without_memory(void **state)
{
    struct backing *backing = new_content(512, 10);
    struct backing *clone = clone_of(backing);
    struct backing_page found = { .pfn = { 1 } };

    /* The copy, and a node for the piece. */
    FAILS_UNTIL(2, backing_resolve(clone, 9, LEVEL_1G, true, &found), {
        assert_int_equal(found.pfn.v, 1);
        check_frames(512);
        check_shared(backing, clone, 0, 512);
    });
    assert_int_equal(lookup(clone, 9).pfn.v, found.pfn.v);
    assert_int_equal(content(clone, 9), 19);
    check_frames(513);
    FAILS_UNTIL(1, backing_resolve(clone, 10, LEVEL_1G, true, &found), check_content(clone, 0, 512, 10));
    backing_put(clone);
    backing_put(backing);
}

static void test_a_write_does_not_wait_for_others(void **state)
{
    struct backing *backing = new_content(512, 10);
    struct backing *clone = clone_of(backing);
    struct invalidation invalidation;
    struct backing_page found;

    invalidation_begin(&invalidation, clone, 9, 10);
    u64 yields = port_host.yields;
    assert_int_equal(backing_resolve(clone, 9, LEVEL_1G, true, &found), -EAGAIN);
    assert_int_equal(backing_resolve(clone, 9, LEVEL_1G, false, &found), 0);
    assert_int_equal(backing_resolve(clone, 10, LEVEL_1G, true, &found), 0);
    assert_int_equal(backing_resolve(backing, 9, LEVEL_1G, true, &found), 0);
    assert_int_equal(port_host.yields, yields);
    invalidation_end(&invalidation);
    assert_int_equal(backing_resolve(clone, 9, LEVEL_1G, true, &found), 0);
    check_frames(514);
    check_content(clone, 0, 512, 10);
    backing_put(clone);
    backing_put(backing);
}

/* Between a writer's look and its invalidation, the page was punched, or lost, or another vCPU was faster. */
static void test_a_write_looks_again(void **state)
{
    struct backing *backing = new_content(512, 10);
    struct backing *clone = clone_of(backing);
    struct backing_page found;

    assert_int_equal(backing_punch(clone, 9, 1), 0);
    assert_int_equal(backing_copy_on_write(clone, 9, &found), -EAGAIN);
    assert_int_equal(memory_retire(lookup(clone, 10).pfn, false), 0);
    assert_int_equal(backing_copy_on_write(clone, 10, &found), -EIO);
    put_content(clone, 11, 1);
    assert_int_equal(backing_copy_on_write(clone, 11, &found), 0);
    assert_int_equal(found.pfn.v, lookup(clone, 11).pfn.v);
    assert_true(found.writable);
    assert_int_equal(content(clone, 11), 1);
    /* Neither left its invalidation behind. */
    assert_false(backing_is_changing(clone, 0, 512));
    check_frames(512);
    backing_put(clone);
    backing_put(backing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_clone_shares_every_frame),
        SMALL_TEST(test_clone_of_holes_costs_nothing),
        SMALL_TEST(test_writes_are_seen_on_one_side_only),
        SMALL_TEST(test_the_last_one_takes_the_frame_over),
        SMALL_TEST(test_clones_of_clones),
        SMALL_TEST(test_clone_of_a_compacted_region),
        SMALL_TEST(test_clone_of_what_becomes_one_piece),
        cmocka_unit_test(test_clone_of_1g),
        RETIRE_TEST(test_clone_of_a_lost_page),
        SMALL_TEST(test_R3_clone_without_memory),
        SMALL_TEST(test_R3_copy_on_write_without_memory),
        SMALL_TEST(test_a_write_does_not_wait_for_others),
        RETIRE_TEST(test_a_write_looks_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
