/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The map of a backing from page to frame: a radix tree with the geometry of EPT. An entry of level n is empty, a piece of
 * level_pages(n) contiguous frames, or a node with 512 entries of level n - 1. Extents begin at a multiple of 1 GiB, so
 * hva and frame have the same offset in every piece, and a piece is a possible EPT entry (C6).
 *
 * Everybody reads without a lock. Who may change what:
 *  - A hole is filled by anybody at any time, by one compare-exchange.
 *  - A page that has a frame leads to something else only by who holds an invalidation of it (mm/invalidation.h).
 *  - A piece becomes a node with the same frames (map_split) for anybody, at any time.
 * A node stays until the backing dies, because somebody may be reading it. So 512 pages that become one block keep their
 * node, which says that they are one: MAP_BLOCK. All entries of such a node are pieces, contiguous and aligned, and either
 * all shared or none. The mark goes before the first of them becomes different.
 */
#ifndef MM_BACKING_MAP_H
#define MM_BACKING_MAP_H

#include "mm/atomic.h"
#include "mm/backing.h"
#include "mm/port.h"

enum { MAP_ENTRIES = 512 };

/* An entry: frame << PAGE_SHIFT | what it is. A page that is lost has no frame. */
enum {
    MAP_EMPTY = 0,
    MAP_PIECE = 1u << 0,
    MAP_NODE = 1u << 1,
    MAP_LOST = 1u << 2,
    MAP_SHARED = 1u << 3, /* of a piece: its frames may have other pages that lead to them; no page of it is written */
    MAP_BLOCK = 1u << 4,  /* of a node: see above */
};

struct backing_map {
    /* set once: */
    u64 pages;
    enum level top; /* of `root`, which covers all pages */
    /* atomic: */
    u64 root;
};

/* The piece, the hole or the loss that a page lies in. */
struct map_place {
    u64 *at;
    u64 entry; /* what stood there */
    enum level level;
    u64 *node;  /* for a level of 4K: the entry of the node that it lies in; NULL where there is none */
    bool block; /* that node is one block */
};

static inline pfn_t map_frame(u64 entry)
{
    return (pfn_t){ entry >> PAGE_SHIFT };
}

static inline u64 map_entry(pfn_t pfn, u64 kind)
{
    return pfn.v << PAGE_SHIFT | kind;
}

/* The offset of a page in the piece of `level` around it. */
static inline u64 map_offset(enum level level, u64 page)
{
    return page & (level_pages(level) - 1);
}

/* The frame of a page that lies in the piece at `place`. */
static inline pfn_t map_frame_of(const struct map_place *place, u64 page)
{
    return (pfn_t){ map_frame(place->entry).v + map_offset(place->level, page) };
}

void map_init(struct backing_map *map, u64 pages);

/* Frees all frames and nodes. Nobody reads the map any more. Yields. */
void map_destroy(struct backing_map *map);

/* The entry for `page` in a node whose entries have `level`. */
static inline u64 *map_node_entry(u64 node, enum level level, u64 page)
{
    return (u64 *)port_frame_address(map_frame(node)) + (page >> level_order(level)) % MAP_ENTRIES;
}

static inline struct map_place map_find(const struct backing_map *map, u64 page)
{
    struct map_place place = { .at = (u64 *)&map->root, .level = map->top };
    u64 above = MAP_EMPTY, *above_at = NULL;

    assert(page < map->pages);
    while (place.entry = atomic_read(place.at), place.entry & MAP_NODE) {
        above = place.entry;
        above_at = place.at;
        place.level--;
        place.at = map_node_entry(above, place.level, page);
    }
    place.node = place.level == LEVEL_4K ? above_at : NULL;
    place.block = above & MAP_BLOCK;
    return place;
}

/* What backing_lookup() says about `page` at `place`. */
static inline int map_describe(const struct map_place *place, u64 page, struct backing_page *found)
{
    if (place->entry & MAP_LOST)
        return -EIO;
    if (place->entry == MAP_EMPTY)
        return -ENOENT;
    *found = (struct backing_page){ .pfn = map_frame_of(place, page),
                                    .level = place->block ? LEVEL_2M : place->level,
                                    .writable = !(place->entry & MAP_SHARED) };
    return 0;
}

/*
 * How many pages from `page` on, which has a frame and lies at `place`, lead to frames that follow each other, and are shared
 * or not like the first: up to `most`, and to the end of the piece or block, or of the node of small pieces.
 */
u64 map_run(const struct map_place *place, u64 page, u64 most);

/*
 * Gives `page` a frame of zeros, if it has none: in the largest piece, up to `largest`, that the extent and free memory
 * allow. With `may_yield` it yields while it clears a large one. 0 with where it is now, -ENOMEM, -EIO.
 */
int map_fill(struct backing_map *map, u64 page, enum level largest, bool may_yield, struct map_place *place);

/*
 * Puts `entry` into the hole around `page`, which is not smaller than `level`; MAP_EMPTY: only the nodes that another one
 * would need. 0, -ENOMEM, -EEXIST (there is no such hole).
 */
int map_insert(struct backing_map *map, u64 page, u64 entry, enum level level);

/*
 * Makes nodes of the piece around `page`, until that is not larger than `largest`. All pages keep their frames. 0 with where
 * `page` is now, -ENOMEM (nothing has changed).
 */
int map_split(struct backing_map *map, u64 page, enum level largest, struct map_place *place);

/* Replaces what is at `place`; the caller holds an invalidation of all its pages. It is not part of a block any more. */
void map_replace(const struct map_place *place, u64 entry);

/* Marks the piece at `place` shared; under the same invalidation, all other pages of its block are too. */
void map_mark_shared(const struct map_place *place);

/* The 512 pages below the node around `place` are one block now; the caller holds an invalidation of all of them. */
void map_mark_block(const struct map_place *place);

/* A piece that is in the map no more: frees those of its frames that no other page leads to. */
void map_release(u64 entry, enum level level);

/* The first page, from `page` on, that leads to the frame; map->pages: there is none. Yields. */
u64 map_find_frame(const struct backing_map *map, u64 page, pfn_t pfn);

/* Adds up the pages that lead to a frame of their own, and those that lead to one with others. */
void map_count(const struct backing_map *map, u64 *own, u64 *shared);

#endif
