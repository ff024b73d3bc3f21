/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Red-black trees after Cormen, Leiserson, Rivest, Stein: "Introduction to Algorithms", chapter 13. Both mirror images of
 * every case are one piece of code: `side` is where it happens, !side is the other one.
 */
#include "mm/rbtree.h"

static bool is_red(const struct rb_node *node)
{
    return node != NULL && node->red;
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
        node = node->parent;
}

/* Puts `by`, which may be NULL, in the place that `node` has below its parent. */
static void replace(struct rb_tree *tree, const struct rb_node *node, struct rb_node *by)
{
    if (node->parent == NULL)
        tree->root = by;
    else
        node->parent->child[node == node->parent->child[1]] = by;
    if (by != NULL)
        by->parent = node->parent;
}

/* Moves `node` down to `side`; its child of the other side comes up. */
static void rotate(struct rb_tree *tree, struct rb_node *node, unsigned side)
{
    struct rb_node *up = node->child[!side];

    replace(tree, node, up);
    node->child[!side] = up->child[side];
    if (node->child[!side] != NULL)
        node->child[!side]->parent = node;
    up->child[side] = node;
    node->parent = up;
    update(tree, node);
    update(tree, up);
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, unsigned side)
{
    *node = (struct rb_node){ .parent = parent, .red = true };
    if (parent == NULL) {
        assert(tree->root == NULL);
        tree->root = node;
    } else {
        assert(parent->child[side] == NULL);
        parent->child[side] = node;
    }
    update(tree, node);
    update_upwards(tree, parent);

    while (parent = node->parent, is_red(parent)) {
        struct rb_node *grandparent = parent->parent; /* there is one: the root is black */
        unsigned at = parent == grandparent->child[1];
        struct rb_node *uncle = grandparent->child[!at];

        if (is_red(uncle)) {
            parent->red = uncle->red = false;
            grandparent->red = true;
            node = grandparent;
            continue;
        }
        if (node == parent->child[!at]) {
            rotate(tree, parent, at);
            parent = node;
        }
        parent->red = false;
        grandparent->red = true;
        rotate(tree, grandparent, !at);
        break;
    }
    tree->root->red = false;
}

/* Every path through `node`, a child of `parent` and maybe NULL, has one black node too few. */
static void erase_fixup(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent)
{
    while (parent != NULL && !is_red(node)) {
        unsigned at = parent->child[0] != node;
        struct rb_node *sibling = parent->child[!at]; /* there is one: its paths have at least two black nodes */

        if (sibling->red) {
            sibling->red = false;
            parent->red = true;
            rotate(tree, parent, at);
            sibling = parent->child[!at];
        }
        if (!is_red(sibling->child[0]) && !is_red(sibling->child[1])) {
            sibling->red = true;
            node = parent;
            parent = node->parent;
            continue;
        }
        if (!is_red(sibling->child[!at])) {
            sibling->child[at]->red = false;
            sibling->red = true;
            rotate(tree, sibling, !at);
            sibling = parent->child[!at];
        }
        sibling->red = parent->red;
        parent->red = false;
        sibling->child[!at]->red = false;
        rotate(tree, parent, at);
        return;
    }
    if (node != NULL)
        node->red = false;
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
        parent = node->parent;
        red = node->red;
        replace(tree, node, child);
        above = parent;
    } else {
        struct rb_node *next = leftmost(node->child[1]);

        child = next->child[1];
        parent = next->parent == node ? next : next->parent;
        red = next->red;
        if (parent != next) {
            replace(tree, next, child);
            next->child[1] = node->child[1];
            next->child[1]->parent = next;
        }
        next->child[0] = node->child[0];
        next->child[0]->parent = next;
        next->red = node->red;
        replace(tree, node, next);
        /* It carries what belonged to its old place: whether that changes says nothing about the nodes above. */
        for (struct rb_node *at = parent; at != next; at = at->parent)
            update(tree, at);
        update(tree, next);
        above = next->parent;
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
    while (node->parent != NULL && node == node->parent->child[1])
        node = node->parent;
    return node->parent;
}

void rb_replace(struct rb_tree *tree, struct rb_node *old, struct rb_node *node)
{
    *node = *old;
    replace(tree, old, node);
    for (unsigned side = 0; side < 2; side++) {
        if (node->child[side] != NULL)
            node->child[side]->parent = node;
    }
}
