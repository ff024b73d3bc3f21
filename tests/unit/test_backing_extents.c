/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/backing.c: extents are never used again, so some day there are none. A program of its own: for it that day is over. */
#include "tests/unit/backing_support.h"

enum { LARGEST_BITS = 36 }; /* 256 TiB */

static void test_R3_no_extent_is_left(void **state)
{
    struct backing *backing;
    u64 last = 0, count = 0;

    while (backing_create(1ull << LARGEST_BITS, BACKING_ON_DEMAND, &backing) == 0) {
        assert_true(backing_hva(backing).v > last);
        last = backing_hva(backing).v;
        backing_put(backing);
        count++;
    }
    assert_int_equal(count, (1ull << (64 - PAGE_SHIFT - LARGEST_BITS)) - 1);
    assert_int_equal(backing_create(1ull << LARGEST_BITS, BACKING_ON_DEMAND, &backing), -ENOMEM);
    /* A small one has still room; and a clone needs an extent too. */
    backing = new_backing(1ull << (LARGEST_BITS - 1), BACKING_ON_DEMAND);
    struct backing *clone;
    assert_int_equal(backing_clone(backing, &clone), -ENOMEM);
    backing_put(backing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_R3_no_extent_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
