/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/rbtree.c: random operations against a flat array, with every property checked after each. */
#include "tests/unit/mm_support.h"

#include "mm/rbtree.h"

enum { MEMBERS = 200 };

struct member {
    struct rb_node node;
    u64 key;
    u64 weight;
    u64 sum;  /* of the keys in the subtree, or */
    u64 most; /* the largest weight in it: mostly that changes in few nodes only */
    bool in_tree;
};

static struct member *member_of(const struct rb_node *node)
{
    return container_of(node, struct member, node);
}

static bool update_sum(struct rb_node *node)
{
    struct member *member = member_of(node);
    u64 before = member->sum;

    member->sum = member->key;
    for (int side = 0; side < 2; side++) {
        if (node->child[side] != NULL)
            member->sum += member_of(node->child[side])->sum;
    }
    return member->sum != before;
}

static bool update_most(struct rb_node *node)
{
    struct member *member = member_of(node);
    u64 before = member->most;

    member->most = member->weight;
    for (int side = 0; side < 2; side++) {
        if (node->child[side] != NULL && member_of(node->child[side])->most > member->most)
            member->most = member_of(node->child[side])->most;
    }
    return member->most != before;
}

static struct rb_tree tree;
static struct member members[MEMBERS];

static void insert(struct member *member)
{
    struct rb_node *parent = NULL;
    unsigned side = 0;

    for (struct rb_node *at = tree.root; at != NULL; at = at->child[side]) {
        parent = at;
        side = member->key > member_of(at)->key;
    }
    rb_insert(&tree, &member->node, parent, side);
    member->in_tree = true;
}

/* The number of black nodes on every path down from `node`. */
static unsigned check_node(const struct rb_node *node, const struct rb_node *parent, unsigned depth, unsigned *height)
{
    if (node == NULL)
        return 0;
    assert_ptr_equal(rb_parent(node), parent);
    assert_true(member_of(node)->in_tree);
    if (rb_is_red(node))
        assert_true(parent != NULL && !rb_is_red(parent));
    if (depth > *height)
        *height = depth;

    u64 sum = member_of(node)->key, most = member_of(node)->weight;
    for (int side = 0; side < 2; side++) {
        const struct member *child = node->child[side] == NULL ? NULL : member_of(node->child[side]);

        sum += child == NULL ? 0 : child->sum;
        most = child != NULL && child->most > most ? child->most : most;
    }
    if (tree.update == update_sum)
        assert_int_equal(member_of(node)->sum, sum);
    if (tree.update == update_most)
        assert_int_equal(member_of(node)->most, most);

    unsigned left = check_node(node->child[0], node, depth + 1, height);
    unsigned right = check_node(node->child[1], node, depth + 1, height);
    assert_int_equal(left, right);
    return left + !rb_is_red(node);
}

static void check_tree(void)
{
    unsigned height = 0, limit = 0, count = 0;
    u64 last = 0;

    check_node(tree.root, NULL, 1, &height);
    for (const struct rb_node *node = rb_first(&tree); node != NULL; node = rb_next(node)) {
        assert_true(member_of(node)->key > last);
        last = member_of(node)->key;
        count++;
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        count -= members[i].in_tree;
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < MEMBERS; i++)
        count += members[i].in_tree;
    while (1u << limit < count + 1)
        limit++;
    assert_true(height <= 2 * limit);
}

static void run(u64 seed, bool (*update)(struct rb_node *))
{
    tree = (struct rb_tree){ .update = update };
    memset(members, 0, sizeof(members));
    for (u64 i = 0; i < MEMBERS; i++)
        members[i].key = (i * 7919 % MEMBERS) + 1;
    for (unsigned step = 0; step < 4000; step++) {
        struct member *member = &members[random_below(&seed, MEMBERS)];

        /* Phases that grow and phases that shrink. */
        if (!member->in_tree)
            member->weight = random_below(&seed, MEMBERS / 4);
        if (!member->in_tree && random_below(&seed, 4) < (step / 500 % 2 ? 1 : 3)) {
            insert(member);
        } else if (member->in_tree && random_below(&seed, 4) < (step / 500 % 2 ? 3 : 1)) {
            rb_erase(&tree, &member->node);
            member->in_tree = false;
        } else {
            continue;
        }
        check_tree();
    }
    for (u64 i = 0; i < MEMBERS; i++) {
        if (members[i].in_tree) {
            rb_erase(&tree, &members[i].node);
            members[i].in_tree = false;
            check_tree();
        }
    }
    assert_null(tree.root);
}

static void test_M9_random_operations_keep_all_properties(void **state)
{
    bool (*const updates[])(struct rb_node *) = { NULL, update_sum, update_most };

    for (u64 seed = 1; seed <= 6; seed++)
        run(seed, updates[seed % 3]);
}

static void test_M9_sorted_insertion_stays_flat(void **state)
{
    tree = (struct rb_tree){ 0 };
    memset(members, 0, sizeof(members));
    for (u64 i = 0; i < MEMBERS; i++) {
        members[i].key = i + 1;
        insert(&members[i]);
        check_tree();
    }
    for (u64 i = 0; i < MEMBERS; i++) {
        rb_erase(&tree, &members[i].node);
        members[i].in_tree = false;
        check_tree();
    }
}

static void test_empty_tree(void **state)
{
    struct rb_tree empty = { 0 };

    assert_null(rb_first(&empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_M9_random_operations_keep_all_properties),
        cmocka_unit_test(test_M9_sorted_insertion_stays_flat),
        cmocka_unit_test(test_empty_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
