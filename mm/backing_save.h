/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saved pages: a *store* is a backing that no slot shows, with what single pages of another backing were. It leads to their
 * frames, which are shared as in a clone; a page that was not saved is a hole there, and one that had no frame says so.
 * Reset waits for pages of the memory while it holds those of a store, which has the higher hva: so nobody else asks for pages
 * of a store.
 */
#ifndef MM_BACKING_SAVE_H
#define MM_BACKING_SAVE_H

#include "mm/atomic.h"
#include "mm/backing_map.h"

/*
 * In the map of a store: the page is zeros, it had no frame. Whoever does not know of stores finds a page that is lost, and
 * leaves it alone.
 */
enum { SAVED_ZEROS = MAP_LOST | MAP_BLOCK };

/*
 * Saves the pages first + n of `from`, for each bit n of `bits`, in the store `to`, under one invalidation. A page that was
 * saved stays what it is. 0, -ENOMEM (some may be saved). Yields.
 */
int backing_save(struct backing *from, u64 first, u64 bits, struct backing *to);

/*
 * Moves a page from one store to another, in place of what is saved there, if it is in `from`. It cannot fail, but needs a
 * place that was made before; so many pages move together, or none. What the two lead to does not change from the first place
 * to the last move: nobody else uses them, or the caller is invalidating their pages. With `is_full` a hole in `to` is zeros
 * anyway.
 *
 * Making a place changes nothing that can be found in `to`. 0, -ENOMEM.
 */
int backing_make_place(const struct backing *from, u64 page, struct backing *to, bool is_full);
void backing_move_saved(struct backing *from, u64 page, struct backing *to, bool is_full);

/* Whether what a page leads to is a frame, and no other page's. */
static inline bool map_is_own(u64 entry)
{
    return (entry & (MAP_PIECE | MAP_SHARED)) == MAP_PIECE;
}

/* A place in a map, so that neighbours are found without a walk from the root. */
struct map_cursor {
    const struct backing_map *map;
    bool is_still;      /* nobody changes the map while the cursor is used */
    u64 region;         /* of 2M: page / 512 */
    const u64 *entries; /* the node of the region, which stays as long as the backing; NULL: there is none */
    u64 entry, step; /* if not, and it is still: the entry of the region's first page, and what the next one has more */
};

void map_cursor_start(struct map_cursor *cursor, const struct backing_map *map, bool is_still);

/* The entry of a page in another region, or where the region has no node. */
u64 map_cursor_move(struct map_cursor *cursor, u64 page);

/* The entry for `page` as if it were a piece of 4K. */
static inline u64 map_cursor_entry(struct map_cursor *cursor, u64 page)
{
    u64 offset = map_offset(LEVEL_2M, page);

    if (page >> level_order(LEVEL_2M) != cursor->region)
        return map_cursor_move(cursor, page);
    return cursor->entries != NULL ? atomic_read(&cursor->entries[offset]) : cursor->entry + offset * cursor->step;
}

#endif
