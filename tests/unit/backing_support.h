/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of backings and their changes share: content of pages, and memory that suffices for a part only. */
#ifndef TESTS_UNIT_BACKING_SUPPORT_H
#define TESTS_UNIT_BACKING_SUPPORT_H

#include "tests/unit/mm_support.h"

#include "mm/backing_change.h"
#include "mm/frame_share.h"

enum { WORDS = PAGE_SIZE / sizeof(u64) };

/* A guest writes the content `value` (0: zeros), all words different, to a page. */
static inline void put_content(struct backing *backing, u64 page, u64 value)
{
    struct backing_page found;

    assert_int_equal(backing_resolve(backing, page, LEVEL_4K, true, &found), 0);
    assert_true(found.writable);
    u64 *words = port_frame_address(found.pfn);
    for (u64 i = 0; i < WORDS; i++)
        words[i] = value * (i + 1);
}

/* What a page holds; zeros where it has no frame. The whole of it must be what put_content() wrote. */
static inline u64 content(const struct backing *backing, u64 page)
{
    struct backing_page found;
    int error = backing_lookup(backing, page, &found);

    if (error == -ENOENT)
        return 0;
    assert_int_equal(error, 0);
    const u64 *words = port_frame_address(found.pfn);
    for (u64 i = 0; i < WORDS; i++)
        assert_int_equal(words[i], words[0] * (i + 1));
    return words[0];
}

static inline struct backing_page lookup(const struct backing *backing, u64 page)
{
    struct backing_page found;

    assert_int_equal(backing_lookup(backing, page, &found), 0);
    return found;
}

static inline bool has_frame(const struct backing *backing, u64 page)
{
    struct backing_page found;

    return backing_lookup(backing, page, &found) != -ENOENT;
}

/* A backing whose page n holds first + n, filled in the largest pieces. */
static inline struct backing *new_content(u64 npages, u64 first)
{
    struct backing *backing = new_backing(npages, 0);

    for (u64 page = 0; page < npages; page++)
        put_content(backing, page, first + page);
    return backing;
}

/* The same in pieces of 4K, filled in an order in which no two neighbours follow each other. */
static inline struct backing *new_scattered(u64 npages, u64 first)
{
    struct backing *backing = new_backing(npages, BACKING_ON_DEMAND);

    for (u64 i = 0; i < npages; i++) {
        u64 page = i * 13 % npages;

        put_content(backing, page, first + page);
    }
    return backing;
}

static inline void check_content(const struct backing *backing, u64 from, u64 to, u64 first)
{
    for (u64 page = from; page < to; page++)
        assert_int_equal(content(backing, page), first + page);
}

/* No frame is counted twice or not at all. */
static inline void check_frames(u64 guest_frames)
{
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], guest_frames);
    assert_int_equal(backing_audit_frames(), guest_frames);
}

static inline void check_audit(void)
{
    check_frames(frame_get_stats().used[FRAME_GUEST]);
}

/* Two backings lead to the same frames, and both say so. */
static inline void check_shared(const struct backing *a, const struct backing *b, u64 from, u64 to)
{
    for (u64 page = from; page < to; page++) {
        struct backing_page in_a = lookup(a, page), in_b = lookup(b, page);

        assert_int_equal(in_a.pfn.v, in_b.pfn.v);
        assert_false(in_a.writable || in_b.writable);
        assert_true(frame_is_shared(in_a.pfn));
    }
}

static inline struct backing *clone_of(struct backing *backing)
{
    struct backing *clone;

    assert_int_equal(backing_clone(backing, &clone), 0);
    return clone;
}

/* As stop(), where frames have left for good. */
static inline int stop_retired(void **state)
{
    struct frame_stats stats = frame_get_stats();

    (void)state;
    assert_int_equal(stats.free + stats.retired, stats.total);
    assert_int_equal(frame_share_get_stats().frames, 0);
    port_host_forget();
    return 0;
}

#define RETIRE_TEST(test) cmocka_unit_test_setup_teardown(test, start_small, stop_retired)

/*
 * Does `operation`, which returns 0 or -ENOMEM, with 0, 1, 2 … free frames until it succeeds, which takes `needed` of them.
 * Each failure must leave the frames as they were, and `check` is done after it.
 */
#define FAILS_UNTIL(needed, operation, check)                            \
    do {                                                                 \
        int error_ = -ENOMEM;                                            \
        u64 free_ = 0;                                                   \
                                                                         \
        for (; error_ != 0; free_++) {                                   \
            port_host_take_all_but(free_);                               \
            struct frame_stats before_ = frame_get_stats();              \
            error_ = (operation);                                        \
            struct frame_stats after_ = frame_get_stats();               \
            if (error_ != 0) {                                           \
                assert_int_equal(error_, -ENOMEM);                       \
                assert_memory_equal(&before_, &after_, sizeof(before_)); \
                check;                                                   \
            }                                                            \
            port_host_give_back();                                       \
        }                                                                \
        assert_int_equal(free_ - 1, needed);                             \
    } while (false)

#endif
