/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of sharing for one page that is to be written. It is an invalidation like every other change: guests that read
 * the shared frame must not go on reading it when the page has another one.
 */
#include "mm/backing_object.h"
#include "mm/frame.h"
#include "mm/frame_share.h"
#include "mm/invalidation.h"
#include "mm/mem.h"
#include "mm/port.h"

/* The frame has no other page any more: only the mark has to go. */
static int take_over(struct backing_map *map, u64 page)
{
    struct map_place place;

    if (map_split(map, page, LEVEL_4K, &place) != 0)
        return -ENOMEM;
    map_replace(&place, place.entry & ~(u64)MAP_SHARED);
    return 0;
}

static int copy(struct backing_map *map, u64 page)
{
    struct map_place place;
    pfn_t frame;

    if (frame_alloc(0, FRAME_GUEST, &frame) != 0)
        return -ENOMEM;
    if (map_split(map, page, LEVEL_4K, &place) != 0) {
        frame_free(frame, 0, FRAME_GUEST);
        return -ENOMEM;
    }
    memcpy(port_frame_address(frame), port_frame_address(map_frame(place.entry)), PAGE_SIZE);
    map_replace(&place, map_entry(frame, MAP_PIECE));
    map_release(place.entry, LEVEL_4K);
    return 0;
}

/* The caller holds an invalidation of the page. */
static int unshare_page(struct backing_map *map, u64 page)
{
    struct map_place place = map_find(map, page);

    if (place.entry == MAP_EMPTY)
        return -EAGAIN;
    /* Also when the page is lost, or somebody was here before. */
    if (!(place.entry & MAP_SHARED))
        return 0;
    return frame_is_shared(map_frame_of(&place, page)) ? copy(map, page) : take_over(map, page);
}

int backing_copy_on_write(struct backing *backing, u64 page, struct backing_page *found)
{
    struct invalidation invalidation;

    if (!invalidation_try_begin(&invalidation, backing, page, page + 1))
        return -EAGAIN;
    int error = unshare_page(&backing->map, page);
    if (error == 0)
        error = backing_lookup(backing, page, found);
    invalidation_end(&invalidation);
    return error;
}
