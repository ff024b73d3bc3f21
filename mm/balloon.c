/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon: frames go back to the machine, and come again. One invalidation covers one piece or a part of 2M, so faults
 * elsewhere go on.
 */
#include "mm/backing_change.h"
#include "mm/backing_object.h"
#include "mm/invalidation.h"
#include "mm/mem.h"
#include "mm/port.h"

/* The first page after the piece or hole of `level` around `page`. */
static u64 end_of(enum level level, u64 page)
{
    return page - map_offset(level, page) + level_pages(level);
}

/* What no memory is left to split keeps its frames, and becomes zeros too; unless others read them. */
static int clear_in_place(const struct map_place *place, u64 first, u64 end)
{
    if (place->entry & MAP_SHARED)
        return -ENOMEM;
    for (u64 page = first; page < end; page++)
        memset(port_frame_address(map_frame_of(place, page)), 0, PAGE_SIZE);
    return 0;
}

/* The caller holds an invalidation of [first, end). */
static int punch(struct backing_map *map, u64 first, u64 end)
{
    int error = 0;

    for (u64 page = first; page < end;) {
        struct map_place place = map_find(map, page);
        u64 next = u64_min(end_of(place.level, page), end);

        if (place.entry == MAP_EMPTY) {
            page = next;
        } else if (map_offset(place.level, page) == 0 && next - page == level_pages(place.level)) {
            map_replace(&place, MAP_EMPTY);
            map_release(place.entry, place.level);
            page = next;
        } else if (map_split(map, page, place.level - 1, &place) != 0) {
            if (clear_in_place(&place, page, next) != 0)
                error = -ENOMEM;
            page = next;
        }
    }
    return error;
}

int backing_punch(struct backing *backing, u64 first, u64 npages)
{
    u64 end = first + npages;
    int error = 0;

    for (u64 page = first; page < end;) {
        struct map_place place = map_find(&backing->map, page);
        u64 next = end_of(place.level, page);

        if (place.entry == MAP_EMPTY) {
            page = next;
            continue;
        }
        if (map_offset(place.level, page) != 0 || next > end || place.level < LEVEL_2M)
            next = u64_min(end_of(LEVEL_2M, page), end);

        struct invalidation invalidation;
        invalidation_begin(&invalidation, backing, page, next);
        if (punch(&backing->map, page, next) != 0)
            error = -ENOMEM;
        invalidation_mark_dirty(&invalidation);
        invalidation_end(&invalidation);
        port_yield();
        page = next;
    }
    return error;
}

int backing_populate(struct backing *backing, u64 first, u64 npages)
{
    u64 end = first + npages;
    int result = 0;

    for (u64 page = first; page < end;) {
        struct map_place place;
        int error = map_fill(&backing->map, page, LEVEL_1G, true, &place);

        if (error == -ENOMEM)
            return -ENOMEM;
        if (error != 0)
            result = error;
        page = end_of(place.level, page);
        if (map_offset(LEVEL_2M, page) == 0)
            port_yield();
    }
    return result;
}
