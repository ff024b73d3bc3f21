/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/view.h. */
#include "mm/view.h"

#include "mm/ept.h"
#include "mm/pool.h"

POOL(view_pool, struct view);
POOL(range_pool, struct view_range);

static struct view_range *range_of(struct interval_node *node)
{
    return container_of(node, struct view_range, node);
}

/* The first range that overlaps [first, end), or NULL. */
static struct view_range *first_range(const struct view *view, gfn_t first, gfn_t end)
{
    struct interval_node *node = interval_tree_first(&view->ranges, first.v, end.v - 1);

    return node == NULL ? NULL : range_of(node);
}

u64 view_permissions(const struct view *view, gfn_t gfn)
{
    const struct view_range *range = view == NULL ? NULL : first_range(view, gfn, (gfn_t){ gfn.v + 1 });

    return range == NULL ? EPT_PERMISSIONS : range->permissions;
}

bool view_is_uniform(const struct view *view, gfn_t first, gfn_t end)
{
    const struct view_range *range = view == NULL ? NULL : first_range(view, first, end);

    return range == NULL || (range->node.first <= first.v && range->node.last >= end.v - 1);
}

bool view_differs(const struct view *view, gfn_t first, gfn_t end)
{
    return view != NULL && first_range(view, first, end) != NULL;
}

struct view *view_create(u32 id)
{
    struct view *view = pool_alloc(&view_pool);

    if (view == NULL)
        return NULL;
    view->id = id;
    interval_tree_init(&view->ranges);
    return view;
}

void view_destroy(struct view *view)
{
    struct view_range *range;

    while (range = first_range(view, (gfn_t){ 0 }, (gfn_t){ ~0ull }), range != NULL) {
        interval_tree_remove(&view->ranges, &range->node);
        pool_free(&range_pool, range);
    }
    pool_free(&view_pool, view);
}

int view_prepare(struct view_spare *spare)
{
    for (unsigned i = 0; i < 2; i++) {
        spare->range[i] = pool_alloc(&range_pool);
        if (spare->range[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

void view_spare_drop(struct view_spare *spare)
{
    for (unsigned i = 0; i < 2; i++) {
        if (spare->range[i] != NULL)
            pool_free(&range_pool, spare->range[i]);
    }
}

static void add(struct view *view, struct view_spare *spare, u64 first, u64 last, u64 permissions)
{
    unsigned i = spare->range[0] == NULL;
    struct view_range *range = spare->range[i];

    assert(range != NULL);
    spare->range[i] = NULL;
    range->node.first = first;
    range->node.last = last;
    range->permissions = permissions;
    interval_tree_insert(&view->ranges, &range->node);
}

/* Takes [first, last] out of `range`, which overlaps it. A part at each end may stay. */
static void cut(struct view *view, struct view_spare *spare, struct view_range *range, u64 first, u64 last)
{
    u64 old_first = range->node.first, old_last = range->node.last;

    interval_tree_remove(&view->ranges, &range->node);
    if (old_first < first) {
        range->node.last = first - 1;
        interval_tree_insert(&view->ranges, &range->node);
        if (old_last > last)
            add(view, spare, last + 1, old_last, range->permissions);
    } else if (old_last > last) {
        range->node.first = last + 1;
        interval_tree_insert(&view->ranges, &range->node);
    } else {
        pool_free(&range_pool, range);
    }
}

void view_set(struct view *view, struct view_spare *spare, gfn_t first, gfn_t end, u64 permissions)
{
    struct view_range *range;

    while (range = first_range(view, first, end), range != NULL)
        cut(view, spare, range, first.v, end.v - 1);
    if (permissions != EPT_PERMISSIONS)
        add(view, spare, first.v, end.v - 1, permissions);
}
