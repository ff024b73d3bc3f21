/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame that went bad leaves for good. Which pages lead to it nobody has noted, because it is needed once in years: all
 * maps are searched.
 */
#include "mm/backing_change.h"
#include "mm/backing_object.h"
#include "mm/frame.h"
#include "mm/frame_share.h"
#include "mm/invalidation.h"
#include "mm/mem.h"
#include "mm/port.h"

/* How often a frame that belongs to a guest, but is found in no map, is looked for again: it is on its way in or out. */
enum { ROUNDS = 100 };

/* What is known about the frame while page after page leaves it. */
struct retirement {
    pfn_t bad;
    bool has_content;
    bool has_copy;
    pfn_t copy; /* for pages that shared `bad`, and share the copy; one share is ours, so that nobody writes to it */
};

static bool content_is_equal(pfn_t a, pfn_t b)
{
    return memcmp(port_frame_address(a), port_frame_address(b), PAGE_SIZE) == 0;
}

static int copy_of(pfn_t frame, pfn_t *copy)
{
    if (frame_alloc(0, FRAME_GUEST, copy) != 0)
        return -ENOMEM;
    memcpy(port_frame_address(*copy), port_frame_address(frame), PAGE_SIZE);
    return 0;
}

/*
 * What a page that leads to the bad frame, by `old`, gets instead. It may be alone with it by now, and may have written
 * since others got a copy.
 */
static int replacement(struct retirement *retirement, u64 old, u64 *entry)
{
    pfn_t frame;

    if (!retirement->has_content) {
        *entry = MAP_LOST;
        return 0;
    }
    if (!(old & MAP_SHARED) || (retirement->has_copy && !content_is_equal(retirement->copy, retirement->bad))) {
        if (copy_of(retirement->bad, &frame) != 0)
            return -ENOMEM;
        *entry = map_entry(frame, MAP_PIECE);
        return 0;
    }
    if (!retirement->has_copy && copy_of(retirement->bad, &retirement->copy) != 0)
        return -ENOMEM;
    retirement->has_copy = true;
    *entry = map_entry(retirement->copy, MAP_PIECE | MAP_SHARED);
    return frame_share(retirement->copy);
}

/* The caller holds an invalidation of the page. */
static int leave(struct retirement *retirement, struct backing_map *map, u64 page)
{
    struct map_place place = map_find(map, page);
    u64 entry;

    if (!(place.entry & MAP_PIECE) || map_frame_of(&place, page).v != retirement->bad.v)
        return 0;
    if (map_split(map, page, LEVEL_4K, &place) != 0 || replacement(retirement, place.entry, &entry) != 0)
        return -ENOMEM;
    map_replace(&place, entry);
    if (frame_unshare(retirement->bad))
        frame_retire_allocated(retirement->bad, FRAME_GUEST);
    return 0;
}

static int leave_all(struct retirement *retirement, struct backing *backing)
{
    struct backing_map *map = &backing->map;
    int error = 0;

    for (u64 page = 0; page = map_find_frame(map, page, retirement->bad), page < map->pages && error == 0; page++) {
        struct invalidation invalidation;

        invalidation_begin(&invalidation, backing, page, page + 1);
        error = leave(retirement, map, page);
        if (!retirement->has_content)
            invalidation_mark_dirty(&invalidation);
        invalidation_end(&invalidation);
    }
    return error;
}

static int leave_everywhere(struct retirement *retirement)
{
    for (struct backing *backing = backing_next(NULL); backing != NULL; backing = backing_next(backing)) {
        int error = leave_all(retirement, backing);

        if (error != 0) {
            backing_put(backing);
            return error;
        }
    }
    return 0;
}

/* Until the frame is gone, whoever gives it up last: this task, or another one that gives it back to the allocator. */
static int retire(struct retirement *retirement)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        int error = frame_retire(retirement->bad);

        if (error != -EBUSY)
            return error == -ENOENT && round > 0 ? 0 : error;

        enum frame_kind kind = frame_kind_of(retirement->bad);
        if (kind == FRAME_CONTROL || kind == FRAME_TABLE)
            return -EBUSY;
        if (kind == FRAME_GUEST)
            error = leave_everywhere(retirement);
        if (error == -ENOMEM)
            return error;
        port_yield();
    }
    return -EBUSY;
}

int memory_retire(pfn_t pfn, bool content)
{
    struct retirement retirement = { .bad = pfn, .has_content = content };
    int error = retire(&retirement);

    if (retirement.has_copy && frame_unshare(retirement.copy))
        frame_free(retirement.copy, 0, FRAME_GUEST);
    return error;
}
