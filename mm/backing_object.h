/* SPDX-License-Identifier: BSD-2-Clause */
/* What is behind mm/backing.h, for the files that change backings only. */
#ifndef MM_BACKING_OBJECT_H
#define MM_BACKING_OBJECT_H

#include "mm/atomic.h"
#include "mm/backing_map.h"
#include "mm/list.h"
#include "mm/spinlock.h"

struct backing {
    /* set once: */
    hva_t hva;
    /* the lock of the list of backings: */
    struct list_node link;
    /* atomic: */
    u64 references;
    struct backing_map map;
    /* lock: */
    struct spinlock lock;
    struct list_node changing; /* struct invalidation */
    /* changed by who begins and ends an invalidation, read by anybody: */
    u64 changing_count; /* members of `changing`; changed under the lock */
    u64 sequence;
};

/*
 * As backing_is_changing() for all of its pages, which may say so too often. Under the lock of a VM that shows it, no means
 * no.
 */
static inline bool backing_has_changes(const struct backing *backing)
{
    /* Pairs with the store in invalidation_end(): who finds 0 finds the map as it was at that end. */
    return atomic_read(&backing->changing_count) != 0;
}

/* backing_lookup(), where every instruction counts. */
static inline int backing_peek(const struct backing *backing, u64 page, struct backing_page *found)
{
    struct map_place place = map_find(&backing->map, page);

    return map_describe(&place, page, found);
}

/* As backing_create(), on demand. */
int backing_create_empty(u64 npages, struct backing **backing);

/*
 * All backings, one after the other; NULL: the first, and at the end. What is returned has a reference, which the next call,
 * or backing_put(), gives back: so backings may come and go meanwhile, and some that came are left out. Yields.
 */
struct backing *backing_next(struct backing *backing);

/*
 * Gives a page that is marked shared a frame that no other page leads to, and says where it is now. 0, -ENOMEM, -EIO,
 * -EAGAIN (the page is being invalidated, or has no frame any more). Yields.
 */
int backing_copy_on_write(struct backing *backing, u64 page, struct backing_page *found);

#endif
