/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving pages to other frames: one, to empty a block, or the 512 of a region into one block. Guests see nothing of it but
 * that an access takes longer.
 */
#include "mm/backing_change.h"
#include "mm/backing_object.h"
#include "mm/frame.h"
#include "mm/frame_share.h"
#include "mm/invalidation.h"
#include "mm/mem.h"
#include "mm/port.h"

#define REGION level_pages(LEVEL_2M)

static void copy_frame(pfn_t to, pfn_t from)
{
    memcpy(port_frame_address(to), port_frame_address(from), PAGE_SIZE);
}

/* The caller holds an invalidation of the page. On an error `frame` stays the caller's. */
static int move_page(struct backing_map *map, u64 page, pfn_t frame)
{
    struct map_place place = map_find(map, page);

    if (!(place.entry & MAP_PIECE))
        return place.entry & MAP_LOST ? -EIO : -ENOENT;
    if (map_split(map, page, LEVEL_4K, &place) != 0)
        return -ENOMEM;
    copy_frame(frame, map_frame(place.entry));
    map_replace(&place, map_entry(frame, MAP_PIECE));
    map_release(place.entry, LEVEL_4K);
    return 0;
}

int backing_migrate(struct backing *backing, u64 page)
{
    struct invalidation invalidation;
    struct backing_page found;
    pfn_t frame;

    /* Nobody is disturbed for what cannot succeed. */
    int error = backing_lookup(backing, page, &found);
    if (error != 0)
        return error;
    if (frame_alloc(0, FRAME_GUEST, &frame) != 0)
        return -ENOMEM;
    invalidation_begin(&invalidation, backing, page, page + 1);
    error = move_page(&backing->map, page, frame);
    invalidation_end(&invalidation);
    if (error != 0)
        frame_free(frame, 0, FRAME_GUEST);
    return error;
}

enum region { REGION_EMPTY, REGION_LARGE, REGION_ALIGNED, REGION_SCATTERED };

/*
 * Looks at all pages of the region, under an invalidation of it: only holes can be different afterwards. 0 with what there
 * is, -EIO, -EBUSY. Aligned: the frames are a block already, but the map does not say so.
 */
static int examine(const struct backing_map *map, u64 first, enum region *region)
{
    struct map_place place = map_find(map, first);
    u64 block = map_frame(place.entry).v;
    bool is_aligned = block % REGION == 0;

    if (place.level >= LEVEL_2M || place.block) {
        *region = place.entry == MAP_EMPTY ? REGION_EMPTY : REGION_LARGE;
        return 0;
    }
    for (u64 i = 0; i < REGION; i++) {
        place = map_find(map, first + i);
        if (place.entry & MAP_LOST)
            return -EIO;
        if (place.entry & MAP_SHARED && frame_is_shared(map_frame(place.entry)))
            return -EBUSY;
        if (!(place.entry & MAP_PIECE) || map_frame(place.entry).v != block + i)
            is_aligned = false;
    }
    *region = is_aligned ? REGION_ALIGNED : REGION_SCATTERED;
    return 0;
}

/* Where there is no frame, others may put one at any time: then that is moved too. */
static void move_or_clear(struct backing_map *map, u64 page, pfn_t frame)
{
    struct map_place place = map_find(map, page);

    if (place.entry == MAP_EMPTY) {
        memset(port_frame_address(frame), 0, PAGE_SIZE);
        if (map_insert(map, page, map_entry(frame, MAP_PIECE), LEVEL_4K) == 0)
            return;
        place = map_find(map, page);
    }
    copy_frame(frame, map_frame(place.entry));
    map_replace(&place, map_entry(frame, MAP_PIECE));
    map_release(place.entry, LEVEL_4K);
}

/* The frames are not shared any more; what marks them so has to go before the region is one block of pages alike. */
static void unmark_shared(const struct backing_map *map, u64 first)
{
    for (u64 i = 0; i < REGION; i++) {
        struct map_place place = map_find(map, first + i);

        if (place.entry & MAP_SHARED)
            map_replace(&place, place.entry & ~(u64)MAP_SHARED);
    }
}

/* The caller holds an invalidation of the region. 0 with whether the block is used, or an error. */
static int gather_region(struct backing_map *map, u64 first, pfn_t block, bool *used)
{
    enum region region;
    int error = examine(map, first, &region);

    *used = false;
    if (error != 0 || region == REGION_LARGE)
        return error;
    if (region == REGION_EMPTY) {
        for (u64 i = 0; i < REGION; i++)
            memset(port_frame_address((pfn_t){ block.v + i }), 0, PAGE_SIZE);
        error = map_insert(map, first, map_entry(block, MAP_PIECE), LEVEL_2M);
        *used = error == 0;
        /* Somebody filled a page or all of it meanwhile. */
        return error == -EEXIST ? gather_region(map, first, block, used) : error;
    }
    if (region == REGION_ALIGNED) {
        unmark_shared(map, first);
    } else {
        for (u64 i = 0; i < REGION; i++)
            move_or_clear(map, first + i, (pfn_t){ block.v + i });
        *used = true;
    }
    struct map_place place = map_find(map, first);
    map_mark_block(&place);
    return 0;
}

int backing_compact(struct backing *backing, u64 page)
{
    u64 first = page - map_offset(LEVEL_2M, page);
    struct invalidation invalidation;
    struct backing_page found;
    pfn_t block;
    bool used;

    if (backing->map.pages - first < REGION)
        return -EINVAL;
    if (backing_lookup(backing, page, &found) == 0 && found.level >= LEVEL_2M)
        return 0;
    if (frame_alloc(level_order(LEVEL_2M), FRAME_GUEST, &block) != 0)
        return -ENOMEM;
    invalidation_begin(&invalidation, backing, first, first + REGION);
    int error = gather_region(&backing->map, first, block, &used);
    invalidation_end(&invalidation);
    if (!used)
        frame_free(block, level_order(LEVEL_2M), FRAME_GUEST);
    return error;
}
