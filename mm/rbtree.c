/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Red-black trees after Cormen, Leiserson, Rivest, Stein: "Introduction to Algorithms", chapter 13. Both mirror images of
 * every case are one piece of code: `side` is where it happens, !side is the other one.
 */
#include "mm/rbtree.h"

static bool is_red(const struct rb_node *node)
{
    return node != NULL && rb_is_red(node);
}

static void set_parent(struct rb_node *node, const struct rb_node *parent)
{
    node->parent_and_red = (uintptr_t)parent | (node->parent_and_red & RB_RED);
}

static void set_red(struct rb_node *node)
{
    node->parent_and_red |= RB_RED;
}

static void set_black(struct rb_node *node)
{
    node->parent_and_red &= ~(uintptr_t)RB_RED;
}

static void set_color_of(struct rb_node *node, const struct rb_node *like)
{
    node->parent_and_red = (node->parent_and_red & ~(uintptr_t)RB_RED) | (like->parent_and_red & RB_RED);
}

static void update(struct rb_tree *tree, struct rb_node *node)
{
    if (tree->update != NULL)
        tree->update(node);
}

/* From `node`, which may be NULL, up to where nothing changes: what is above there was computed from the same. */
static void update_upwards(struct rb_tree *tree, struct rb_node *node)
{
    while (tree->update != NULL && node != NULL && tree->update(node))
        node = rb_parent(node);
}

/* Puts `by`, which may be NULL, in the place that `node` has below its parent. */
static void replace(struct rb_tree *tree, const struct rb_node *node, struct rb_node *by)
{
    struct rb_node *parent = rb_parent(node);

    if (parent == NULL)
        tree->root = by;
    else
        parent->child[node == parent->child[1]] = by;
    if (by != NULL)
        set_parent(by, parent);
}

/* Moves `node` down to `side`; its child of the other side comes up. */
static void rotate(struct rb_tree *tree, struct rb_node *node, unsigned side)
{
    struct rb_node *up = node->child[!side];

    replace(tree, node, up);
    node->child[!side] = up->child[side];
    if (node->child[!side] != NULL)
        set_parent(node->child[!side], node);
    up->child[side] = node;
    set_parent(node, up);
    update(tree, node);
    update(tree, up);
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, unsigned side)
{
    *node = (struct rb_node){ .parent_and_red = (uintptr_t)parent | RB_RED };
    if (parent == NULL) {
        assert(tree->root == NULL);
        tree->root = node;
    } else {
        assert(parent->child[side] == NULL);
        parent->child[side] = node;
    }
    update(tree, node);
    update_upwards(tree, parent);

    while (parent = rb_parent(node), is_red(parent)) {
        struct rb_node *grandparent = rb_parent(parent); /* there is one: the root is black */
        unsigned at = parent == grandparent->child[1];
        struct rb_node *uncle = grandparent->child[!at];

        if (is_red(uncle)) {
            set_black(parent);
            set_black(uncle);
            set_red(grandparent);
            node = grandparent;
            continue;
        }
        if (node == parent->child[!at]) {
            rotate(tree, parent, at);
            parent = node;
        }
        set_black(parent);
        set_red(grandparent);
        rotate(tree, grandparent, !at);
        break;
    }
    set_black(tree->root);
}

/* Every path through `node`, a child of `parent` and maybe NULL, has one black node too few. */
static void erase_fixup(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent)
{
    while (parent != NULL && !is_red(node)) {
        unsigned at = parent->child[0] != node;
        struct rb_node *sibling = parent->child[!at]; /* there is one: its paths have at least two black nodes */

        if (rb_is_red(sibling)) {
            set_black(sibling);
            set_red(parent);
            rotate(tree, parent, at);
            sibling = parent->child[!at];
        }
        if (!is_red(sibling->child[0]) && !is_red(sibling->child[1])) {
            set_red(sibling);
            node = parent;
            parent = rb_parent(node);
            continue;
        }
        if (!is_red(sibling->child[!at])) {
            set_black(sibling->child[at]);
            set_red(sibling);
            rotate(tree, sibling, !at);
            sibling = parent->child[!at];
        }
        set_color_of(sibling, parent);
        set_black(parent);
        set_black(sibling->child[!at]);
        rotate(tree, parent, at);
        return;
    }
    if (node != NULL)
        set_black(node);
}

static struct rb_node *leftmost(struct rb_node *node)
{
    while (node != NULL && node->child[0] != NULL)
        node = node->child[0];
    return node;
}

void rb_erase(struct rb_tree *tree, struct rb_node *node)
{
    struct rb_node *child, *parent; /* where a node goes missing */
    struct rb_node *above;          /* from here on only what is carried changes */
    bool red;                       /* the color that goes missing there */

    if (node->child[0] == NULL || node->child[1] == NULL) {
        child = node->child[node->child[0] == NULL];
        parent = rb_parent(node);
        red = rb_is_red(node);
        replace(tree, node, child);
        above = parent;
    } else {
        struct rb_node *next = leftmost(node->child[1]);

        child = next->child[1];
        parent = rb_parent(next) == node ? next : rb_parent(next);
        red = rb_is_red(next);
        if (parent != next) {
            replace(tree, next, child);
            next->child[1] = node->child[1];
            set_parent(next->child[1], next);
        }
        next->child[0] = node->child[0];
        set_parent(next->child[0], next);
        set_color_of(next, node);
        replace(tree, node, next);
        /* It carries what belonged to its old place: whether that changes says nothing about the nodes above. */
        for (struct rb_node *at = parent; at != next; at = rb_parent(at))
            update(tree, at);
        update(tree, next);
        above = rb_parent(next);
    }
    update_upwards(tree, above);
    if (!red)
        erase_fixup(tree, child, parent);
    *node = (struct rb_node){ 0 };
}

struct rb_node *rb_first(const struct rb_tree *tree)
{
    return leftmost(tree->root);
}

struct rb_node *rb_next(const struct rb_node *node)
{
    if (node->child[1] != NULL)
        return leftmost(node->child[1]);

    struct rb_node *parent = rb_parent(node);
    while (parent != NULL && node == parent->child[1]) {
        node = parent;
        parent = rb_parent(node);
    }
    return parent;
}

void rb_replace(struct rb_tree *tree, struct rb_node *old, struct rb_node *node)
{
    struct rb_node *parent = rb_parent(old);

    *node = *old;
    if (parent == NULL)
        tree->root = node;
    else
        parent->child[old == parent->child[1]] = node;
    for (unsigned side = 0; side < 2; side++) {
        if (node->child[side] != NULL)
            set_parent(node->child[side], node);
    }
}
