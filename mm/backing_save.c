/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/backing_save.h. */
#include "mm/backing_save.h"

#include "mm/backing_object.h"
#include "mm/frame_share.h"
#include "mm/invalidation.h"

#define NO_REGION (~0ull)

/* Puts a page that leads to a frame into the store, and marks it shared. 0, -ENOMEM. */
static int save_frame(const struct map_place *place, u64 page, struct backing_map *to)
{
    pfn_t frame = map_frame(place->entry);
    int error;

    if (frame_share(frame) != 0)
        return -ENOMEM;
    error = map_insert(to, page, place->entry | MAP_SHARED, LEVEL_4K);
    if (error != 0) {
        (void)frame_unshare(frame);
        return error;
    }
    /* Pages of a block are all shared or none: this one leaves it. */
    if (!(place->entry & MAP_SHARED))
        map_replace(place, place->entry | MAP_SHARED);
    return 0;
}

/* The caller holds an invalidation of the page. */
static int save_page(struct backing_map *from, u64 page, struct backing_map *to)
{
    struct map_place place;

    if (map_split(from, page, LEVEL_4K, &place) != 0)
        return -ENOMEM;
    int error = place.entry & MAP_PIECE
                    ? save_frame(&place, page, to)
                    : map_insert(to, page, place.entry & MAP_LOST ? MAP_LOST : SAVED_ZEROS, LEVEL_4K);
    return error == -EEXIST ? 0 : error;
}

int backing_save(struct backing *from, u64 first, u64 bits, struct backing *to)
{
    struct invalidation invalidation;
    int error = 0;

    assert(bits != 0);
    invalidation_begin(&invalidation, from, first + (u64)__builtin_ctzll(bits),
                       first + (64 - (u64)__builtin_clzll(bits)));
    for (; bits != 0 && error == 0; bits &= bits - 1)
        error = save_page(&from->map, first + (u64)__builtin_ctzll(bits), &to->map);
    invalidation_end(&invalidation);
    return error;
}

/* Whether a page that was saved is to stand in the store `to`, which is a hole there if it is zeros anyway. */
static bool is_wanted(const struct backing_map *to, u64 page, u64 saved, bool is_full)
{
    if (is_full && saved == SAVED_ZEROS)
        return map_find(to, page).entry != MAP_EMPTY;
    return saved != MAP_EMPTY;
}

int backing_make_place(const struct backing *from, u64 page, struct backing *to, bool is_full)
{
    struct map_place place;

    if (!is_wanted(&to->map, page, map_find(&from->map, page).entry, is_full))
        return 0;
    if (map_split(&to->map, page, LEVEL_4K, &place) != 0)
        return -ENOMEM;
    /* A hole gets its nodes, and stays one. */
    return place.level == LEVEL_4K ? 0 : map_insert(&to->map, page, MAP_EMPTY, LEVEL_4K);
}

void backing_move_saved(struct backing *from, u64 page, struct backing *to, bool is_full)
{
    struct map_place saved = map_find(&from->map, page), place = map_find(&to->map, page);

    if (saved.entry == MAP_EMPTY)
        return;
    assert(saved.level == LEVEL_4K);
    if (is_wanted(&to->map, page, saved.entry, is_full)) {
        assert(place.level == LEVEL_4K);
        map_replace(&place, saved.entry);
        map_release(place.entry, LEVEL_4K);
    }
    map_replace(&saved, MAP_EMPTY);
}

void map_cursor_start(struct map_cursor *cursor, const struct backing_map *map, bool is_still)
{
    *cursor = (struct map_cursor){ .map = map, .is_still = is_still, .region = NO_REGION };
}

u64 map_cursor_move(struct map_cursor *cursor, u64 page)
{
    struct map_place place = map_find(cursor->map, page);
    u64 region = page >> level_order(LEVEL_2M), offset = map_offset(LEVEL_2M, page);
    u64 step = place.entry & MAP_PIECE ? PAGE_SIZE : 0;
    u64 entry = place.entry + map_offset(place.level, page) * step;

    cursor->region = NO_REGION;
    cursor->entries = NULL;
    if (place.node != NULL) {
        cursor->region = region;
        cursor->entries = place.at - offset;
    } else if (cursor->is_still && place.level >= LEVEL_2M) {
        cursor->region = region;
        cursor->entry = entry - offset * step;
        cursor->step = step;
    }
    return entry;
}
