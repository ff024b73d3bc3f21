/* SPDX-License-Identifier: BSD-2-Clause */
/* Intervals of u64, both ends included, that may overlap: found by overlap in O(log n) for each that is found. */
#ifndef MM_INTERVAL_TREE_H
#define MM_INTERVAL_TREE_H

#include "mm/rbtree.h"

struct interval_node {
    struct rb_node rb;
    u64 first, last;
    u64 max_last; /* the largest `last` of this node and all below it */
};

void interval_tree_init(struct rb_tree *tree);

/* node->first and node->last are set. Its place: the parent, or NULL in an empty tree, and the side for rb_insert(). */
struct rb_node *interval_tree_place(const struct rb_tree *tree, const struct interval_node *node, unsigned *side);

/* Into its place. */
void interval_tree_insert(struct rb_tree *tree, struct interval_node *node);

void interval_tree_remove(struct rb_tree *tree, struct interval_node *node);

/* Puts `node`, which is the same interval, in the place of `old`. */
void interval_tree_replace(struct rb_tree *tree, struct interval_node *old, struct interval_node *node);

/* The intervals that overlap [first, last], in the order of their begin; NULL at the end. */
struct interval_node *interval_tree_first(const struct rb_tree *tree, u64 first, u64 last);
struct interval_node *interval_tree_next(const struct interval_node *node, u64 first, u64 last);

#endif
