/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/compaction.c: single pages that move, and regions that become large. */
#include "tests/unit/backing_support.h"

enum { GIB = 1 << 18 };

static void test_migrate_moves_one_page(void **state)
{
    struct backing *backing = new_content(1024, 100);
    u64 frame = lookup(backing, 77).pfn.v;

    assert_int_equal(backing_migrate(backing, 77), 0);
    assert_int_not_equal(lookup(backing, 77).pfn.v, frame);
    assert_int_equal(frame_kind_of((pfn_t){ frame }), FRAME_NO_KIND);
    assert_int_equal(lookup(backing, 78).pfn.v, frame + 1);
    assert_int_equal(lookup(backing, 76).pfn.v, frame - 1);
    assert_int_equal(lookup(backing, 78).level, LEVEL_4K);
    assert_int_equal(lookup(backing, 77).level, LEVEL_4K);
    assert_true(lookup(backing, 77).writable);
    assert_int_equal(lookup(backing, 512).level, LEVEL_2M);
    assert_int_equal(backing_migrate(backing, 77), 0);
    check_content(backing, 0, 1024, 100);
    check_frames(1024);
    backing_put(backing);
}

static void test_migrate_a_single_page(void **state)
{
    struct backing *backing = new_content(1, 5);
    u64 frame = lookup(backing, 0).pfn.v;

    FAILS_UNTIL(1, backing_migrate(backing, 0), assert_int_equal(lookup(backing, 0).pfn.v, frame));
    assert_int_not_equal(lookup(backing, 0).pfn.v, frame);
    check_content(backing, 0, 1, 5);
    backing_put(backing);
}

static void test_R3_migrate_without_memory(void **state)
{
    struct backing *backing = new_content(1024, 5);
    u64 sequence = backing_sequence(backing);

    /* The frame, and a node for the piece. */
    FAILS_UNTIL(2, backing_migrate(backing, 600), {
        check_content(backing, 600, 700, 5);
        assert_int_equal(lookup(backing, 600).level, LEVEL_2M);
    });
    assert_true(backing_sequence(backing) - sequence <= 2);
    check_content(backing, 0, 1024, 5);
    backing_put(backing);
}

static void test_R3_migrate_out_of_1g_without_memory(void **state)
{
    port_host_start(GIB + 2048);
    struct backing *backing = new_backing(GIB, 0);

    put_content(backing, 12345, 9);
    FAILS_UNTIL(3, backing_migrate(backing, 12345), assert_int_equal(lookup(backing, 12345).level, LEVEL_1G));
    assert_int_equal(content(backing, 12345), 9);
    assert_int_equal(lookup(backing, 12346).level, LEVEL_4K);
    assert_int_equal(lookup(backing, 0).level, LEVEL_2M);
    check_frames(GIB);
    backing_put(backing);
    port_host_stop();
}

static void test_migrate_leaves_others_that_share(void **state)
{
    struct backing *clone, *backing = new_content(512, 5);
    u64 frame = lookup(backing, 9).pfn.v;

    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_int_equal(backing_migrate(backing, 9), 0);
    assert_int_not_equal(lookup(backing, 9).pfn.v, frame);
    assert_true(lookup(backing, 9).writable);
    assert_int_equal(lookup(clone, 9).pfn.v, frame);
    assert_int_equal(lookup(clone, 9).level, LEVEL_2M);
    check_frames(513);
    check_content(backing, 0, 512, 5);
    check_content(clone, 0, 512, 5);
    backing_put(backing);
    check_frames(512);
    backing_put(clone);
}

static void test_migrate_needs_a_frame(void **state)
{
    struct backing *backing = new_backing(3, BACKING_ON_DEMAND);

    assert_int_equal(backing_migrate(backing, 1), -ENOENT);
    put_content(backing, 1, 1);
    assert_int_equal(memory_retire(lookup(backing, 1).pfn, false), 0);
    assert_int_equal(backing_migrate(backing, 1), -EIO);
    assert_int_equal(backing_sequence(backing), 1);
    check_frames(0);
    backing_put(backing);
}

static void check_one_block(const struct backing *backing, u64 first)
{
    u64 block = lookup(backing, first).pfn.v;

    assert_int_equal(block % 512, 0);
    for (u64 i = 0; i < 512; i++) {
        struct backing_page found = lookup(backing, first + i);

        assert_int_equal(found.pfn.v, block + i);
        assert_int_equal(found.level, LEVEL_2M);
        assert_true(found.writable);
    }
}

static void test_compact_makes_a_region_large(void **state)
{
    struct backing *backing = new_scattered(1030, 100);

    assert_int_equal(lookup(backing, 600).level, LEVEL_4K);
    assert_int_equal(backing_compact(backing, 600), 0);
    check_one_block(backing, 512);
    assert_int_equal(lookup(backing, 511).level, LEVEL_4K);
    assert_int_equal(lookup(backing, 1024).level, LEVEL_4K);
    check_content(backing, 0, 1030, 100);
    check_frames(1030);

    u64 sequence = backing_sequence(backing);
    assert_int_equal(backing_compact(backing, 512), 0);
    assert_int_equal(backing_sequence(backing), sequence);
    assert_int_equal(backing_compact(backing, 1023), 0);
    check_frames(1030);
    backing_put(backing);
}

static void test_compact_fills_holes_with_zeros(void **state)
{
    struct backing *backing = new_backing(1024, BACKING_ON_DEMAND);

    for (u64 page = 0; page < 512; page += 3)
        put_content(backing, page, page + 1);
    assert_int_equal(backing_compact(backing, 511), 0);
    check_one_block(backing, 0);
    for (u64 page = 0; page < 512; page++)
        assert_int_equal(content(backing, page), page % 3 == 0 ? page + 1 : 0);
    check_frames(512);
    /* And where there is nothing at all. */
    assert_int_equal(backing_compact(backing, 1000), 0);
    check_one_block(backing, 512);
    for (u64 page = 512; page < 1024; page++)
        assert_int_equal(content(backing, page), 0);
    check_frames(1024);
    backing_put(backing);
}

static void test_compact_refuses(void **state)
{
    struct backing *backing = new_scattered(1030, 100), *clone;

    assert_int_equal(backing_compact(backing, 1024), -EINVAL);
    port_host_take_all_but(1000);
    struct frame_stats before = frame_get_stats(), after;
    u64 sequence = backing_sequence(backing);
    assert_int_equal(backing_compact(backing, 0), -ENOMEM);
    after = frame_get_stats();
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(backing_sequence(backing), sequence); /* nobody was disturbed */
    port_host_give_back();

    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_int_equal(backing_compact(backing, 0), -EBUSY);
    backing_put(clone);
    /* What is left of it are only marks. */
    assert_int_equal(backing_compact(backing, 0), 0);
    check_one_block(backing, 0);

    assert_int_equal(memory_retire(lookup(backing, 700).pfn, false), 0);
    assert_int_equal(backing_compact(backing, 700), -EIO);
    assert_int_equal(lookup(backing, 699).level, LEVEL_4K);
    check_frames(1029);
    backing_punch(backing, 700, 1);
    assert_int_equal(backing_compact(backing, 700), 0);
    check_content(backing, 0, 700, 100);
    check_frames(1030);
    backing_put(backing);
}

static void test_compact_recognises_a_block(void **state)
{
    struct backing *clone, *backing = new_content(512, 100);
    u64 frame = lookup(backing, 0).pfn.v;

    /* A piece that fell apart, because it was shared, and whose frames all stayed. */
    assert_int_equal(backing_clone(backing, &clone), 0);
    backing_put(clone);
    put_content(backing, 5, 105);
    assert_int_equal(lookup(backing, 5).level, LEVEL_4K);
    assert_int_equal(lookup(backing, 5).pfn.v, frame + 5);
    assert_int_equal(backing_compact(backing, 5), 0);
    assert_int_equal(lookup(backing, 0).pfn.v, frame);
    check_one_block(backing, 0);
    check_content(backing, 0, 512, 100);
    check_frames(512);
    backing_put(backing);
}

static void punch_one(struct backing *backing)
{
    backing_punch(backing, 5, 1);
    put_content(backing, 5, 105);
}

static void migrate_one(struct backing *backing)
{
    assert_int_equal(backing_migrate(backing, 5), 0);
}

static void retire_one(struct backing *backing)
{
    assert_int_equal(memory_retire(lookup(backing, 5).pfn, true), 0);
}

static void write_one(struct backing *backing)
{
    struct backing *clone;

    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_int_equal(lookup(backing, 5).level, LEVEL_2M);
    assert_false(lookup(backing, 5).writable);
    put_content(backing, 5, 105);
    check_content(clone, 0, 512, 100);
    backing_put(clone);
}

static void share_one(struct backing *backing)
{
    struct backing *other = new_content(1, 105);

    assert_int_equal(backing_share(backing, 5, other, 0), 0);
    backing_put(other);
}

/* C4: what is reported as one block is one. */
static void test_C4_a_block_ends_with_its_first_different_page(void **state)
{
    static void (*const changes[])(struct backing *) = { punch_one, migrate_one, retire_one, write_one, share_one };

    for (unsigned i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        struct backing *backing = new_scattered(512, 100);

        assert_int_equal(backing_compact(backing, 0), 0);
        check_one_block(backing, 0);
        changes[i](backing);
        for (u64 page = 0; page < 512; page++)
            assert_int_equal(lookup(backing, page).level, LEVEL_4K);
        check_content(backing, 0, 512, 100);
        check_frames(512);
        backing_put(backing);
    }
}

/* Another processor fills a hole of the region at every possible moment, and its page is not lost. */
static struct {
    struct backing *backing;
    u64 page;
    enum level largest;
    unsigned countdown;
} filler;

static void fill_hole(const void *word)
{
    if (filler.countdown == 0 || --filler.countdown != 0 || has_frame(filler.backing, filler.page))
        return;

    struct backing_page found;
    assert_int_equal(backing_resolve(filler.backing, filler.page, filler.largest, true, &found), 0);
    /* No guest writes now, but if it were lost it would show. */
    for (u64 i = 0; i < WORDS; i++)
        ((u64 *)port_frame_address(found.pfn))[i] = 77 * (i + 1);
}

static void compact_while_filled(bool is_empty, u64 page, enum level largest, unsigned at)
{
    struct backing *backing = new_backing(512 * 600, BACKING_ON_DEMAND);

    if (!is_empty)
        put_content(backing, 2, 42);
    filler.backing = backing;
    filler.page = page;
    filler.largest = largest;
    filler.countdown = at;
    port_host.on_point = fill_hole;
    assert_int_equal(backing_compact(backing, 0), 0);
    port_host.on_point = NULL;
    check_frames(512);
    check_one_block(backing, 0);
    u64 found = content(backing, page);
    assert_true(found == 77 || found == 0);
    /* A filler that came before the region was looked at is never overwritten. */
    if (at == 1)
        assert_int_equal(found, 77);
    assert_int_equal(content(backing, 2), is_empty ? 0 : 42);
    backing_put(backing);
}

static void test_R3_compact_keeps_what_others_fill(void **state)
{
    unsigned at = 0;

    do
        compact_while_filled(true, 7, LEVEL_4K, ++at);
    while (filler.countdown == 0);
    at = 0;
    do
        compact_while_filled(true, 7, LEVEL_2M, ++at);
    while (filler.countdown == 0);
    at = 0;
    do
        compact_while_filled(false, 500, LEVEL_4K, at += at < 20 ? 1 : 97);
    while (filler.countdown == 0);
    assert_true(at > 1000);
}

/* The same at every moment around the one at which page 3 gets its zeros: page 2 has moved already. */
static u64 moves_from;

static void fill_next(const void *word)
{
    struct backing_page found;

    port_host.on_point = NULL;
    if (lookup(filler.backing, 2).pfn.v == moves_from || --filler.countdown != 0)
        port_host.on_point = fill_next;
    else if (!has_frame(filler.backing, 3))
        assert_int_equal(backing_resolve(filler.backing, 3, LEVEL_4K, true, &found), 0);
}

static void test_R3_compact_meets_a_filler(void **state)
{
    for (unsigned at = 1; at < 40; at++) {
        struct backing *backing = new_backing(512, BACKING_ON_DEMAND);

        put_content(backing, 2, 42);
        filler.backing = backing;
        moves_from = lookup(backing, 2).pfn.v;
        filler.countdown = at;
        port_host.on_point = fill_next;
        assert_int_equal(backing_compact(backing, 0), 0);
        assert_null(port_host.on_point);
        check_frames(512);
        check_one_block(backing, 0);
        assert_int_equal(content(backing, 2), 42);
        assert_int_equal(content(backing, 3), 0);
        backing_put(backing);
    }
}

/* Two processors make nodes of the same piece, because each changes another page of it. */
static struct {
    struct backing *backing;
    unsigned countdown;
} rival;

static void rival_migrates(const void *word)
{
    if (rival.countdown == 0 || --rival.countdown != 0)
        return;
    assert_int_equal(backing_migrate(rival.backing, 8), 0);
}

static void test_R3_two_split_one_piece(void **state)
{
    unsigned at = 0;

    do {
        struct backing *backing = new_content(1024, 10);
        u64 block = lookup(backing, 0).pfn.v;

        rival.backing = backing;
        rival.countdown = ++at;
        port_host.on_point = rival_migrates;
        assert_int_equal(backing_migrate(backing, 7), 0);
        port_host.on_point = NULL;
        assert_int_equal(lookup(backing, 6).pfn.v, block + 6);
        assert_int_not_equal(lookup(backing, 7).pfn.v, block + 7);
        assert_int_equal(lookup(backing, 8).pfn.v == block + 8, rival.countdown != 0);
        check_content(backing, 0, 1024, 10);
        check_frames(1024);
        backing_put(backing);
        assert_int_equal(frame_get_stats().free, SMALL_RAM);
    } while (rival.countdown == 0);
    assert_true(at > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_migrate_moves_one_page),
        SMALL_TEST(test_migrate_a_single_page),
        SMALL_TEST(test_R3_migrate_without_memory),
        cmocka_unit_test(test_R3_migrate_out_of_1g_without_memory),
        SMALL_TEST(test_migrate_leaves_others_that_share),
        RETIRE_TEST(test_migrate_needs_a_frame),
        SMALL_TEST(test_compact_makes_a_region_large),
        SMALL_TEST(test_compact_fills_holes_with_zeros),
        RETIRE_TEST(test_compact_refuses),
        SMALL_TEST(test_compact_recognises_a_block),
        RETIRE_TEST(test_C4_a_block_ends_with_its_first_different_page),
        SMALL_TEST(test_R3_compact_keeps_what_others_fill),
        SMALL_TEST(test_R3_compact_meets_a_filler),
        SMALL_TEST(test_R3_two_split_one_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
