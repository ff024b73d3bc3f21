/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clone leads to the frames of its source, and both are marked shared: whoever writes first gets a copy. It is made 2M at
 * a time, each under an invalidation, because guests may have the source mapped writable.
 *
 * Where memory does not suffice the clone goes away again; the marks that the source got meanwhile say that a frame *may*
 * be shared, and the next write finds that it is not.
 */
#include "mm/backing_change.h"
#include "mm/backing_object.h"
#include "mm/frame_share.h"
#include "mm/invalidation.h"
#include "mm/port.h"

#define REGION level_pages(LEVEL_2M)

static void unshare(pfn_t first, u64 count)
{
    for (u64 i = 0; i < count; i++)
        (void)frame_unshare((pfn_t){ first.v + i });
}

/* All or none. */
static int share(pfn_t first, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        if (frame_share((pfn_t){ first.v + i }) != 0) {
            unshare(first, i);
            return -ENOMEM;
        }
    }
    return 0;
}

/* Puts what the source has at `page` into the clone as one entry of `level`, shared. 0, -ENOMEM. */
static int clone_entry(struct backing_map *to, u64 page, u64 entry, enum level level)
{
    if (!(entry & MAP_PIECE))
        return map_insert(to, page, entry, level);
    if (share(map_frame(entry), level_pages(level)) != 0)
        return -ENOMEM;

    int error = map_insert(to, page, entry | MAP_SHARED, level);
    assert(error != -EEXIST);
    if (error != 0)
        unshare(map_frame(entry), level_pages(level));
    return error;
}

static void mark_shared(const struct backing_map *map, u64 first, u64 end)
{
    for (u64 page = first; page < end;) {
        struct map_place place = map_find(map, page);

        map_mark_shared(&place);
        page += level_pages(place.level);
    }
}

/* The caller holds an invalidation of [first, end), which lies in one region of 2M. 0, -ENOMEM. */
static int clone_region(struct backing_map *from, struct backing_map *to, u64 first, u64 end)
{
    for (u64 page = first; page < end;) {
        struct map_place place;

        if (map_split(from, page, LEVEL_2M, &place) != 0)
            return -ENOMEM;

        /* A block is one piece in the clone, which needs no node for it. */
        enum level level = place.block ? LEVEL_2M : place.level;
        u64 next = page + (level > LEVEL_2M ? REGION : level_pages(level));
        if (place.entry != MAP_EMPTY) {
            if (clone_entry(to, page, place.entry, level) != 0)
                return -ENOMEM;
            if (place.entry & MAP_PIECE)
                mark_shared(from, page, next);
        }
        page = next;
    }
    return 0;
}

static int clone_all(struct backing *from, struct backing *to)
{
    for (u64 page = 0; page < from->map.pages;) {
        struct map_place place = map_find(&from->map, page);
        u64 end = page + REGION;

        /* Whole regions, whatever holes they have: one may become a single piece before the invalidation begins. */
        assert(map_offset(LEVEL_2M, page) == 0);
        if (place.entry == MAP_EMPTY && place.level >= LEVEL_2M) {
            page += level_pages(place.level) - map_offset(place.level, page);
            continue;
        }
        if (end > from->map.pages)
            end = from->map.pages;

        struct invalidation invalidation;
        invalidation_begin(&invalidation, from, page, end);
        int error = clone_region(&from->map, &to->map, page, end);
        invalidation_end(&invalidation);
        if (error != 0)
            return error;
        port_yield();
        page = end;
    }
    return 0;
}

int backing_clone(struct backing *backing, struct backing **clone)
{
    struct backing *created;
    int error = backing_create_empty(backing->map.pages, &created);

    if (error != 0)
        return error;
    error = clone_all(backing, created);
    if (error != 0) {
        backing_put(created);
        return error;
    }
    *clone = created;
    return 0;
}
