/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/retire.c: frames that went bad, wherever they are. */
#include "tests/unit/backing_support.h"

static void check_gone(pfn_t pfn)
{
    pfn_t taken[SMALL_RAM];
    u64 count = 0;

    assert_int_equal(frame_kind_of(pfn), FRAME_ABSENT);
    while (count < SMALL_RAM && frame_alloc(0, FRAME_CONTROL, &taken[count]) == 0)
        assert_int_not_equal(taken[count++].v, pfn.v);
    while (count > 0)
        frame_free(taken[--count], 0, FRAME_CONTROL);
}

static void test_retire_a_free_frame(void **state)
{
    pfn_t pfn = { PORT_HOST_BASE + 1234 };

    assert_int_equal(memory_retire(pfn, true), 0);
    check_gone(pfn);
    assert_int_equal(frame_get_stats().retired, 1);
    assert_int_equal(memory_retire(pfn, true), -ENOENT);
    assert_int_equal(memory_retire((pfn_t){ 3 }, true), -ENOENT);
    assert_int_equal(memory_retire((pfn_t){ PORT_HOST_BASE + SMALL_RAM }, true), -ENOENT);
}

static void test_retire_what_is_ours(void **state)
{
    static const enum frame_kind kinds[] = { FRAME_CONTROL, FRAME_TABLE, FRAME_GUEST };

    for (unsigned i = 0; i < 3; i++) {
        pfn_t pfn;

        /* The last is a guest's, but no backing knows it: that too has an end. */
        assert_int_equal(frame_alloc(0, kinds[i], &pfn), 0);
        assert_int_equal(memory_retire(pfn, false), -EBUSY);
        assert_int_equal(frame_kind_of(pfn), kinds[i]);
        frame_free(pfn, 0, kinds[i]);
    }
}

static void test_retire_with_content(void **state)
{
    struct backing *other = new_content(600, 5000), *backing = new_content(600, 10);
    pfn_t in_piece = lookup(backing, 100).pfn, single = lookup(backing, 599).pfn;

    assert_int_equal(memory_retire(in_piece, true), 0);
    assert_int_equal(memory_retire(single, true), 0);
    check_gone(in_piece);
    check_gone(single);
    assert_int_equal(frame_get_stats().retired, 2);
    check_content(backing, 0, 600, 10);
    check_content(other, 0, 600, 5000);
    check_frames(1200);
    assert_int_equal(lookup(backing, 101).pfn.v, in_piece.v + 1);
    assert_true(lookup(backing, 100).writable);
    assert_int_equal(lookup(other, 100).level, LEVEL_2M);
    backing_put(other);
    backing_put(backing);
}

static void test_retire_without_content(void **state)
{
    struct backing *backing = new_content(600, 10);
    struct backing_page found;
    pfn_t bad = lookup(backing, 100).pfn;

    assert_int_equal(memory_retire(bad, false), 0);
    check_gone(bad);
    check_frames(599);
    assert_int_equal(backing_lookup(backing, 100, &found), -EIO);
    assert_int_equal(backing_resolve(backing, 100, LEVEL_4K, false, &found), -EIO);
    assert_int_equal(backing_resolve(backing, 100, LEVEL_4K, true, &found), -EIO);
    check_content(backing, 0, 100, 10);
    check_content(backing, 101, 600, 10);
    /* The balloon forgets it. */
    backing_punch(backing, 100, 1);
    put_content(backing, 100, 3);
    check_frames(600);
    backing_put(backing);
}

static void test_retire_a_shared_frame(void **state)
{
    struct backing *backing = new_content(520, 10);
    struct backing *clones[] = { clone_of(backing), clone_of(backing), clone_of(backing) };
    pfn_t bad = lookup(backing, 100).pfn;

    put_content(clones[2], 100, 7);
    assert_int_equal(memory_retire(bad, true), 0);
    check_gone(bad);
    /* Three shared it, and share the copy. */
    check_frames(521);
    check_shared(backing, clones[0], 100, 101);
    check_shared(backing, clones[1], 100, 101);
    check_content(backing, 0, 520, 10);
    check_content(clones[0], 0, 520, 10);
    assert_int_equal(content(clones[2], 100), 7);
    put_content(clones[0], 100, 8);
    put_content(clones[1], 100, 9);
    assert_int_equal(content(backing, 100), 110);
    check_frames(523);
    put_content(backing, 100, 1);
    check_frames(523);

    bad = lookup(backing, 99).pfn;
    assert_int_equal(memory_retire(bad, false), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct backing_page found;

        assert_int_equal(backing_lookup(clones[i], 99, &found), -EIO);
        backing_put(clones[i]);
    }
    check_frames(519);
    backing_put(backing);
}

static void test_retire_finds_all_pages_of_one_backing(void **state)
{
    struct backing *backing = new_backing(512, 0);

    for (u64 page = 1; page < 512; page++)
        assert_int_equal(backing_share(backing, 0, backing, page), 0);
    pfn_t bad = lookup(backing, 0).pfn;
    assert_int_equal(memory_retire(bad, true), 0);
    check_gone(bad);
    check_frames(1);
    assert_int_equal(frame_share_get_stats().pages, 512);
    backing_put(backing);
}

/* At no moment can anybody else get the frame. */
static pfn_t never;

static void take_a_frame(const void *word)
{
    pfn_t pfn;

    assert_int_equal(frame_alloc(0, FRAME_CONTROL, &pfn), 0);
    assert_int_not_equal(pfn.v, never.v);
    frame_free(pfn, 0, FRAME_CONTROL);
}

static void test_M8_a_bad_frame_is_never_free(void **state)
{
    struct backing *backing = new_content(600, 10), *clone;

    never = lookup(backing, 100).pfn;
    port_host.on_point = take_a_frame;
    assert_int_equal(memory_retire(never, true), 0);
    port_host.on_point = NULL;
    clone = clone_of(backing);
    never = lookup(backing, 599).pfn;
    port_host.on_point = take_a_frame;
    assert_int_equal(memory_retire(never, false), 0);
    port_host.on_point = NULL;
    backing_put(clone);
    backing_put(backing);
}

/*
 * When the first page has got its copy, another one becomes the only owner of the bad frame, writes, and is shared with a
 * fourth: the copy is not what these two hold.
 */
static struct backing *rewritten;

static void rewrite(const void *word)
{
    port_host.on_point = NULL;
    if (lookup(rewritten, 0).pfn.v == never.v || backing_is_changing(rewritten, 0, 4)) {
        port_host.on_point = rewrite;
        return;
    }
    assert_int_equal(backing_punch(rewritten, 1, 1), 0);
    put_content(rewritten, 2, 99);
    put_content(rewritten, 3, 99);
    assert_int_equal(lookup(rewritten, 2).pfn.v, never.v);
    assert_int_equal(backing_share(rewritten, 2, rewritten, 3), 0);
}

static void test_R3_retire_does_not_give_an_old_copy(void **state)
{
    rewritten = new_backing(4, 0);
    for (u64 page = 0; page < 3; page++)
        put_content(rewritten, page, 10);
    assert_int_equal(backing_share(rewritten, 0, rewritten, 1), 0);
    assert_int_equal(backing_share(rewritten, 0, rewritten, 2), 0);
    never = lookup(rewritten, 0).pfn;
    port_host.on_point = rewrite;
    assert_int_equal(memory_retire(never, true), 0);
    assert_null(port_host.on_point);
    check_gone(never);
    assert_int_equal(content(rewritten, 0), 10);
    assert_false(has_frame(rewritten, 1));
    assert_int_equal(content(rewritten, 2), 99);
    assert_int_equal(content(rewritten, 3), 99);
    check_audit();
    backing_put(rewritten);
}

static void test_R3_retire_without_memory(void **state)
{
    struct backing *backing = new_content(1, 10);
    pfn_t bad = lookup(backing, 0).pfn;

    port_host_take_all_but(0);
    assert_int_equal(memory_retire(bad, true), -ENOMEM);
    assert_int_equal(lookup(backing, 0).pfn.v, bad.v);
    check_frames(1);
    port_host_give_back();

    struct backing *clone = clone_of(backing);
    for (u64 free = 0; free < 2; free++) {
        port_host_take_all_but(free);
        int error = memory_retire(bad, true);
        check_frames(1);
        port_host_give_back();
        check_content(clone, 0, 1, 10);
        check_content(backing, 0, 1, 10);
        if (error == 0)
            break;
        assert_int_equal(error, -ENOMEM);
        assert_int_equal(lookup(backing, 0).pfn.v, bad.v);
    }
    if (frame_kind_of(bad) != FRAME_ABSENT)
        assert_int_equal(memory_retire(bad, true), 0);
    check_content(clone, 0, 1, 10);
    check_shared(backing, clone, 0, 1);
    check_frames(1);
    backing_put(clone);
    backing_put(backing);
}

/* While page after page leaves the bad frame, guests write to some of them: every moment, every page. */
static struct {
    struct backing *backing;
    unsigned countdown;
} writer;

static void write_seven(const void *word)
{
    struct backing_page found;

    if (writer.countdown == 0 || --writer.countdown != 0)
        return;
    if (backing_resolve(writer.backing, 7, LEVEL_4K, true, &found) != 0) {
        writer.countdown = 1; /* at the next one then */
        return;
    }
    /* A guest that has it mapped writes; who changes the page now holds an invalidation, and a guest would wait. */
    if (backing_is_changing(writer.backing, 7, 8))
        return;
    for (u64 i = 0; i < WORDS; i++)
        ((u64 *)port_frame_address(found.pfn))[i] = 99 * (i + 1);
}

static void test_R3_retire_races_with_writes(void **state)
{
    unsigned at = 0, retired = 0;

    do {
        struct backing *backings[3] = { new_content(9, 10) };

        backings[1] = clone_of(backings[0]);
        backings[2] = clone_of(backings[0]);
        pfn_t bad = lookup(backings[0], 7).pfn;
        at++;
        writer.backing = backings[at % 3];
        writer.countdown = at / 3 + 1;
        port_host.on_point = write_seven;
        assert_int_equal(memory_retire(bad, true), 0);
        port_host.on_point = NULL;
        check_gone(bad);
        retired++;
        for (unsigned i = 0; i < 3; i++) {
            u64 seen = content(backings[i], 7);

            assert_true(seen == 17 || (seen == 99 && i == at % 3));
            assert_int_equal(frame_kind_of(lookup(backings[i], 7).pfn), FRAME_GUEST);
        }
        check_audit();
        for (unsigned i = 0; i < 3; i++)
            backing_put(backings[i]);
        check_frames(0);
    } while (writer.countdown == 0 && at < 2000);
    assert_true(at > 30 && at < 2000);
    assert_int_equal(frame_get_stats().retired, retired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RETIRE_TEST(test_retire_a_free_frame),          SMALL_TEST(test_retire_what_is_ours),
        RETIRE_TEST(test_retire_with_content),          RETIRE_TEST(test_retire_without_content),
        RETIRE_TEST(test_retire_a_shared_frame),        RETIRE_TEST(test_retire_finds_all_pages_of_one_backing),
        RETIRE_TEST(test_R3_retire_without_memory),     RETIRE_TEST(test_R3_retire_races_with_writes),
        RETIRE_TEST(test_M8_a_bad_frame_is_never_free), RETIRE_TEST(test_R3_retire_does_not_give_an_old_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
