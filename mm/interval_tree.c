/* SPDX-License-Identifier: BSD-2-Clause */
/* A red-black tree by the begin of the intervals, augmented with the largest end of each subtree. */
#include "mm/interval_tree.h"

#include "mm/list.h"

static struct interval_node *interval_of(const struct rb_node *node)
{
    return container_of(node, struct interval_node, rb);
}

static bool update_max(struct rb_node *rb)
{
    struct interval_node *node = interval_of(rb);
    u64 before = node->max_last;

    node->max_last = node->last;
    for (unsigned side = 0; side < 2; side++) {
        if (rb->child[side] != NULL && interval_of(rb->child[side])->max_last > node->max_last)
            node->max_last = interval_of(rb->child[side])->max_last;
    }
    return node->max_last != before;
}

void interval_tree_init(struct rb_tree *tree)
{
    *tree = (struct rb_tree){ .update = update_max };
}

struct rb_node *interval_tree_place(const struct rb_tree *tree, const struct interval_node *node, unsigned *side)
{
    struct rb_node *parent = NULL;

    assert(node->first <= node->last);
    *side = 0;
    for (struct rb_node *at = tree->root; at != NULL; at = at->child[*side]) {
        parent = at;
        *side = node->first >= interval_of(at)->first;
    }
    return parent;
}

void interval_tree_insert(struct rb_tree *tree, struct interval_node *node)
{
    unsigned side;
    struct rb_node *parent = interval_tree_place(tree, node, &side);

    rb_insert(tree, &node->rb, parent, side);
}

void interval_tree_remove(struct rb_tree *tree, struct interval_node *node)
{
    rb_erase(tree, &node->rb);
}

void interval_tree_replace(struct rb_tree *tree, struct interval_node *old, struct interval_node *node)
{
    assert(old->first == node->first && old->last == node->last);
    node->max_last = old->max_last;
    rb_replace(tree, &old->rb, &node->rb);
}

/* The first overlapping interval at or below `at`. */
static struct interval_node *first_below(const struct rb_node *at, u64 first, u64 last)
{
    while (at != NULL && interval_of(at)->max_last >= first) {
        const struct rb_node *smaller = at->child[0];

        if (smaller != NULL && interval_of(smaller)->max_last >= first) {
            /* Whatever overlaps begins in there, or nothing does: all further right begins later still. */
            at = smaller;
        } else if (interval_of(at)->first > last) {
            return NULL;
        } else if (interval_of(at)->last >= first) {
            return interval_of(at);
        } else {
            at = at->child[1];
        }
    }
    return NULL;
}

struct interval_node *interval_tree_first(const struct rb_tree *tree, u64 first, u64 last)
{
    return first_below(tree->root, first, last);
}

struct interval_node *interval_tree_next(const struct interval_node *node, u64 first, u64 last)
{
    const struct rb_node *at = &node->rb;

    for (;;) {
        struct interval_node *found = first_below(at->child[1], first, last);

        if (found != NULL)
            return found;
        do {
            const struct rb_node *from = at;

            at = rb_parent(at);
            if (at == NULL || (from == at->child[0] && interval_of(at)->first > last))
                return NULL;
            if (from == at->child[0])
                break;
        } while (true);
        if (interval_of(at)->last >= first)
            return interval_of(at);
    }
}
