/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backings: their list, their references, and what faults ask of them. The map is mm/backing_map.c, changes of it
 * mm/invalidation.c and the files behind mm/backing_change.h.
 */
#include "mm/backing_object.h"

#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/frame_share.h"
#include "mm/pool.h"

/* The highest level that an extent can need, and with it the size of the largest one: 256 TiB. */
#define TOP_LEVEL LEVEL_256T

POOL(backing_pool, struct backing);

static struct spinlock list_lock;
static struct list_node backings = LIST_EMPTY(backings); /* list_lock */

/* Extents follow each other and are never used again: 64 bits last, and an old hva finds nothing. list_lock */
static u64 next_hva = 1ull << (PAGE_SHIFT + 18);

/* Gives the backing its extent, and with it its place in the list. Whether there is room. */
static bool enlist(struct backing *backing)
{
    u64 extent = (backing->map.pages + level_pages(LEVEL_1G) - 1) / level_pages(LEVEL_1G) << (PAGE_SHIFT + 18);

    spin_lock(&list_lock);
    bool has_room = next_hva + extent > next_hva;
    if (has_room) {
        backing->hva = (hva_t){ next_hva };
        next_hva += extent;
        list_add(&backings, &backing->link);
    }
    spin_unlock(&list_lock);
    return has_room;
}

int backing_create_empty(u64 npages, struct backing **backing)
{
    struct backing *created = pool_alloc(&backing_pool);

    if (created == NULL)
        return -ENOMEM;
    map_init(&created->map, npages);
    list_init(&created->changing);
    created->references = 1;
    if (!enlist(created)) {
        pool_free(&backing_pool, created);
        return -ENOMEM;
    }
    *backing = created;
    return 0;
}

static int fill_all(struct backing *backing)
{
    struct map_place place;

    for (u64 page = 0; page < backing->map.pages; page += level_pages(place.level)) {
        if (map_fill(&backing->map, page, LEVEL_1G, true, &place) != 0)
            return -ENOMEM;
    }
    return 0;
}

int backing_create(u64 npages, u32 flags, struct backing **backing)
{
    if (npages == 0 || npages > level_pages(TOP_LEVEL) || (flags & ~(u32)BACKING_ON_DEMAND) != 0)
        return -EINVAL;

    /* What cannot succeed is refused at once, not after clearing all the memory that there is. */
    if (!(flags & BACKING_ON_DEMAND) && frame_free_for_guests() < npages)
        return -ENOMEM;

    struct backing *created;
    int error = backing_create_empty(npages, &created);
    if (error != 0)
        return error;
    if (!(flags & BACKING_ON_DEMAND) && fill_all(created) != 0) {
        backing_put(created);
        return -ENOMEM;
    }
    *backing = created;
    return 0;
}

void backing_get(struct backing *backing)
{
    atomic_add(&backing->references, 1);
}

void backing_put(struct backing *backing)
{
    u64 references = atomic_add(&backing->references, -1);

    assert(references != 0);
    if (references != 1)
        return;
    assert(list_is_empty(&backing->changing));
    spin_lock(&list_lock);
    list_remove(&backing->link);
    spin_unlock(&list_lock);
    map_destroy(&backing->map);
    pool_free(&backing_pool, backing);
}

/* Not of one whose last reference is gone, and that is only not out of the list yet. */
static bool get_living(struct backing *backing)
{
    u64 references = __atomic_load_n(&backing->references, __ATOMIC_RELAXED);

    while (references != 0 && !__atomic_compare_exchange_n(&backing->references, &references, references + 1, false,
                                                           __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        ;
    return references != 0;
}

struct backing *backing_next(struct backing *backing)
{
    struct backing *next = NULL;

    spin_lock(&list_lock);
    struct list_node *node = backing == NULL ? backings.next : backing->link.next;
    while (node != &backings && next == NULL) {
        struct backing *candidate = container_of(node, struct backing, link);

        node = node->next;
        if (get_living(candidate))
            next = candidate;
    }
    spin_unlock(&list_lock);
    if (backing != NULL)
        backing_put(backing);
    return next;
}

hva_t backing_hva(const struct backing *backing)
{
    return backing->hva;
}

u64 backing_pages(const struct backing *backing)
{
    return backing->map.pages;
}

int backing_lookup(const struct backing *backing, u64 page, struct backing_page *found)
{
    return backing_peek(backing, page, found);
}

int backing_resolve(struct backing *backing, u64 page, enum level largest, bool write, struct backing_page *found)
{
    struct map_place place;
    int error = map_fill(&backing->map, page, largest < LEVEL_2M ? largest : LEVEL_2M, false, &place);

    if (error != 0)
        return error;
    if (write && place.entry & MAP_SHARED)
        return backing_copy_on_write(backing, page, found);
    return map_describe(&place, page, found);
}

u64 backing_audit_frames(void)
{
    struct frame_share_stats stats = frame_share_get_stats();
    u64 own = 0, shared = 0;

    for (struct backing *backing = backing_next(NULL); backing != NULL; backing = backing_next(backing))
        map_count(&backing->map, &own, &shared);
    /* What the maps say and what the counts say must be the same; no number of frames is right otherwise. */
    return shared == stats.pages ? own + stats.frames : ~0ull;
}
