/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Red-black trees, with the node inside the member, and optionally augmented: a member can carry something that is
 * computed from itself and its two children (mm/interval_tree.c: the largest end below it).
 */
#ifndef MM_RBTREE_H
#define MM_RBTREE_H

#include "mm/types.h"

struct rb_node {
    uintptr_t parent_and_red; /* RB_RED besides the address */
    struct rb_node *child[2]; /* 0: smaller, 1: larger */
};

enum { RB_RED = 1 };

static inline struct rb_node *rb_parent(const struct rb_node *node)
{
    return (struct rb_node *)(node->parent_and_red & ~(uintptr_t)RB_RED);
}

static inline bool rb_is_red(const struct rb_node *node)
{
    return node->parent_and_red & RB_RED;
}

struct rb_tree {
    struct rb_node *root;
    /* Recomputes what `node` carries from its children, and tells whether that changed; NULL: nothing is carried. */
    bool (*update)(struct rb_node *node);
};

/* Adds `node` as child `side` of `parent`, where there is none; parent NULL: the tree is empty. */
void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, unsigned side);

void rb_erase(struct rb_tree *tree, struct rb_node *node);

/* Puts `node`, whose member is equal to that of `old` in order and in what is carried, in the place of `old`. */
void rb_replace(struct rb_tree *tree, struct rb_node *old, struct rb_node *node);

/* In the order of the members; NULL at the end. */
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);

#endif
