/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view: another look at a VM's memory, in which some ranges have less permissions. The ranges do not overlap; where there
 * is none, the view is equal to the memory as it is, and shares its tables (mm/spt.h).
 */
#ifndef MM_VIEW_H
#define MM_VIEW_H

#include "mm/interval_tree.h"
#include "mm/list.h"

struct view {
    /* the VM's lock, exclusive to change: */
    struct list_node link; /* in spt->views */
    struct rb_tree ranges; /* struct view_range by gfn */
    u32 id;                /* 1…: 0 is the memory as it is */
    bool dropped;          /* nobody gets it any more; the id is free when its tables are gone */
};

struct view_range {
    struct interval_node node; /* gfns */
    u64 permissions;           /* EPT_READ | … */
};

/* NULL: no memory. The lock is not held. */
struct view *view_create(u32 id);
void view_destroy(struct view *view);

/* What view_set() may need: a range that is cut in two, and the new one. */
struct view_spare {
    struct view_range *range[2];
};

#define VIEW_SPARE(name) __attribute__((cleanup(view_spare_drop))) struct view_spare name = { { NULL, NULL } }

/* 0, -ENOMEM. The lock is not held. */
int view_prepare(struct view_spare *spare);
void view_spare_drop(struct view_spare *spare);

/* [first, end) has at most `permissions` (EPT_READ | …; all: as the memory is) from now on. Exclusive lock. */
void view_set(struct view *view, struct view_spare *spare, gfn_t first, gfn_t end, u64 permissions);

/* What `view` (NULL: the memory as it is) leaves of an access. */
u64 view_permissions(const struct view *view, gfn_t gfn);

/* Whether that is the same in all of [first, end). It may say no where two ranges with equal permissions meet. */
bool view_is_uniform(const struct view *view, gfn_t first, gfn_t end);

/* Whether the view differs from the memory as it is anywhere in [first, end). */
bool view_differs(const struct view *view, gfn_t first, gfn_t end);

#endif
