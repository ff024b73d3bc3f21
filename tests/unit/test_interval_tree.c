/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/interval_tree.c: every overlap is found, once and in order, against a flat array. */
#include "tests/unit/mm_support.h"

#include "mm/interval_tree.h"

enum { INTERVALS = 100, SPACE = 400 };

static struct interval_node intervals[INTERVALS];
static bool in_tree[INTERVALS];

static void check_query(const struct rb_tree *tree, u64 first, u64 last)
{
    bool seen[INTERVALS] = { false };
    u64 begin = 0;

    for (const struct interval_node *node = interval_tree_first(tree, first, last); node != NULL;
         node = interval_tree_next(node, first, last)) {
        u64 i = (u64)(node - intervals);

        assert_true(i < INTERVALS && in_tree[i] && !seen[i]);
        assert_true(node->first <= last && node->last >= first);
        assert_true(node->first >= begin);
        begin = node->first;
        seen[i] = true;
    }
    for (u64 i = 0; i < INTERVALS; i++) {
        if (in_tree[i] && intervals[i].first <= last && intervals[i].last >= first)
            assert_true(seen[i]);
    }
}

static void test_M7_all_overlaps_are_found(void **state)
{
    struct rb_tree tree;
    u64 seed = 5;

    interval_tree_init(&tree);
    for (unsigned step = 0; step < 5000; step++) {
        u64 i = random_below(&seed, INTERVALS);

        if (in_tree[i]) {
            interval_tree_remove(&tree, &intervals[i]);
        } else {
            intervals[i].first = random_below(&seed, SPACE);
            /* Mostly short, some very long: those hide behind short ones in the order. */
            intervals[i].last = intervals[i].first + random_below(&seed, random_below(&seed, 10) ? 8 : SPACE);
            interval_tree_insert(&tree, &intervals[i]);
        }
        in_tree[i] = !in_tree[i];
        u64 first = random_below(&seed, SPACE);
        check_query(&tree, first, first + random_below(&seed, 30));
        check_query(&tree, first, first);
    }
}

static void test_ends_of_the_space(void **state)
{
    struct rb_tree tree;
    struct interval_node low = { .first = 0, .last = 0 }, high = { .first = ~0ull, .last = ~0ull };

    interval_tree_init(&tree);
    assert_null(interval_tree_first(&tree, 0, ~0ull));
    interval_tree_insert(&tree, &low);
    interval_tree_insert(&tree, &high);
    assert_ptr_equal(interval_tree_first(&tree, 0, 0), &low);
    assert_null(interval_tree_next(&low, 0, 0));
    assert_ptr_equal(interval_tree_next(&low, 0, ~0ull), &high);
    assert_ptr_equal(interval_tree_first(&tree, 1, ~0ull), &high);
    assert_null(interval_tree_first(&tree, 1, ~0ull - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_M7_all_overlaps_are_found),
        cmocka_unit_test(test_ends_of_the_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
