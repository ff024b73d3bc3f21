/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See mm/backing_map.h. What is put into the map is complete, cleared and with all its nodes, before anybody can find it
 * (P1). Who loses a race gives all back (R3).
 */
#include "mm/backing_map.h"

#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/frame_share.h"
#include "mm/mem.h"
#include "mm/port.h"

/* Frames that are cleared between two calls of port_yield(). */
#define CLEAR_STEP level_pages(LEVEL_2M)

void map_init(struct backing_map *map, u64 pages)
{
    *map = (struct backing_map){ .pages = pages, .top = LEVEL_4K };
    while (level_pages(map->top) < pages)
        map->top++;
}

u64 map_run(const struct map_place *place, u64 page, u64 most)
{
    enum level level = place->node != NULL ? LEVEL_2M : place->level;
    u64 end = u64_min(most, level_pages(level) - map_offset(level, page));
    u64 count = 1;

    if (place->level > LEVEL_4K || place->block)
        return end;
    for (u64 next = place->entry + PAGE_SIZE; count < end && atomic_read(place->at + count) == next; next += PAGE_SIZE)
        count++;
    return count;
}

void map_release(u64 entry, enum level level)
{
    u64 first = map_frame(entry).v;

    if (!(entry & MAP_PIECE))
        return;
    if (!(entry & MAP_SHARED)) {
        frame_free((pfn_t){ first }, level_order(level), FRAME_GUEST);
        return;
    }
    for (u64 i = 0; i < level_pages(level); i++) {
        if (frame_unshare((pfn_t){ first + i }))
            frame_free((pfn_t){ first + i }, 0, FRAME_GUEST);
    }
}

/* Yields after every node of the lowest kind. */
static void release_all(u64 entry, enum level level)
{
    if (!(entry & MAP_NODE)) {
        map_release(entry, level);
        return;
    }
    const u64 *entries = port_frame_address(map_frame(entry));
    for (unsigned i = 0; i < MAP_ENTRIES; i++)
        release_all(entries[i], level - 1);
    frame_free(map_frame(entry), 0, FRAME_CONTROL);
    if (level == LEVEL_2M)
        port_yield();
}

void map_destroy(struct backing_map *map)
{
    release_all(map->root, map->top);
    port_yield();
}

/* Frees the nodes on the way from `entry`, of level `from`, down to the piece of level `to` around `page`. Nobody found them. */
static void free_path(u64 entry, enum level from, enum level to, u64 page)
{
    for (enum level level = from; level > to; level--) {
        u64 node = entry;

        entry = *map_node_entry(node, level - 1, page);
        frame_free(map_frame(node), 0, FRAME_CONTROL);
    }
}

/* Puts nodes around `*entry` until it is what a hole of level `hole` gets. 0, -ENOMEM (nothing has changed). */
static int wrap(u64 page, enum level hole, enum level level, u64 *entry)
{
    u64 wrapped = *entry;

    for (enum level at = level; at < hole; at++) {
        pfn_t frame;

        if (frame_alloc(0, FRAME_CONTROL, &frame) != 0) {
            free_path(wrapped, at, level, page);
            return -ENOMEM;
        }
        u64 node = map_entry(frame, MAP_NODE);
        memset(port_frame_address(frame), 0, PAGE_SIZE);
        *map_node_entry(node, at, page) = wrapped;
        wrapped = node;
    }
    *entry = wrapped;
    return 0;
}

int map_insert(struct backing_map *map, u64 page, u64 entry, enum level level)
{
    struct map_place place = map_find(map, page);
    u64 wrapped = entry;

    if (place.entry != MAP_EMPTY || place.level < level)
        return -EEXIST;
    if (wrap(page, place.level, level, &wrapped) != 0)
        return -ENOMEM;
    if (atomic_cmpxchg(place.at, &place.entry, wrapped))
        return 0;
    free_path(wrapped, place.level, level, page);
    return -EEXIST;
}

static void clear(pfn_t first, u64 count, bool may_yield)
{
    for (u64 i = 0; i < count; i++) {
        memset(port_frame_address((pfn_t){ first.v + i }), 0, PAGE_SIZE);
        if (may_yield && (first.v + i + 1) % CLEAR_STEP == 0)
            port_yield();
    }
}

static bool extent_holds(const struct backing_map *map, u64 page, enum level level)
{
    return map->pages - (page - map_offset(level, page)) >= level_pages(level);
}

/* A piece of `level`, not cleared yet, and what puts it into a hole of level `hole` around `page`. 0, -ENOMEM. */
static int prepare(u64 page, enum level hole, enum level level, u64 *entry, pfn_t *piece)
{
    if (frame_alloc(level_order(level), FRAME_GUEST, piece) != 0)
        return -ENOMEM;
    *entry = map_entry(*piece, MAP_PIECE);
    if (wrap(page, hole, level, entry) == 0)
        return 0;
    frame_free(*piece, level_order(level), FRAME_GUEST);
    return -ENOMEM;
}

int map_fill(struct backing_map *map, u64 page, enum level largest, bool may_yield, struct map_place *place)
{
    for (;;) {
        pfn_t first;
        u64 entry;

        *place = map_find(map, page);
        if (place->entry != MAP_EMPTY)
            return place->entry & MAP_LOST ? -EIO : 0;

        enum level piece = place->level < largest ? place->level : largest;
        while (!extent_holds(map, page, piece) || prepare(page, place->level, piece, &entry, &first) != 0) {
            if (piece == LEVEL_4K)
                return -ENOMEM;
            piece--;
        }
        clear(first, level_pages(piece), may_yield);
        if (!atomic_cmpxchg(place->at, &place->entry, entry)) {
            free_path(entry, place->level, piece, page);
            frame_free(first, level_order(piece), FRAME_GUEST);
        }
    }
}

/* The nodes that map_split() puts in place of a piece. 0, -ENOMEM (nothing is kept). */
static int make_nodes(const struct map_place *piece, enum level largest, u64 page, u64 *made)
{
    u64 *at = made;

    *made = piece->entry;
    for (enum level level = piece->level; level > largest; level--) {
        pfn_t frame;

        if (frame_alloc(0, FRAME_CONTROL, &frame) != 0) {
            free_path(*made, piece->level, level, page);
            return -ENOMEM;
        }
        u64 *entries = port_frame_address(frame);
        for (u64 i = 0; i < MAP_ENTRIES; i++)
            entries[i] = *at + (i * level_pages(level - 1) << PAGE_SHIFT);
        *at = map_entry(frame, level == LEVEL_2M ? MAP_NODE | MAP_BLOCK : MAP_NODE);
        at = map_node_entry(*at, level - 1, page);
    }
    return 0;
}

int map_split(struct backing_map *map, u64 page, enum level largest, struct map_place *place)
{
    for (;;) {
        u64 nodes;

        *place = map_find(map, page);
        if (!(place->entry & MAP_PIECE) || place->level <= largest)
            return 0;
        if (make_nodes(place, largest, page, &nodes) != 0)
            return -ENOMEM;
        if (!atomic_cmpxchg(place->at, &place->entry, nodes))
            free_path(nodes, place->level, largest, page);
    }
}

void map_replace(const struct map_place *place, u64 entry)
{
    if (place->node != NULL) {
        /* Others do the same for other pages of the node. Nobody sets it: that needs an invalidation of this page too. */
        u64 node = atomic_read(place->node);

        while (node & MAP_BLOCK && !atomic_cmpxchg(place->node, &node, node & ~(u64)MAP_BLOCK))
            ;
    }
    u64 old = atomic_xchg(place->at, entry);

    assert(old == place->entry);
    (void)old;
}

void map_mark_shared(const struct map_place *place)
{
    u64 old = atomic_xchg(place->at, place->entry | MAP_SHARED);

    assert(old == place->entry && old & MAP_PIECE);
    (void)old;
}

void map_mark_block(const struct map_place *place)
{
    u64 old = atomic_xchg(place->node, atomic_read(place->node) | MAP_BLOCK);

    assert(old & MAP_NODE);
    (void)old;
}

u64 map_find_frame(const struct backing_map *map, u64 page, pfn_t pfn)
{
    while (page < map->pages) {
        struct map_place place = map_find(map, page);
        u64 first = page - map_offset(place.level, page);
        u64 offset = pfn.v - map_frame(place.entry).v;

        if (place.entry & MAP_PIECE && offset < level_pages(place.level) && first + offset >= page)
            return first + offset;
        page = first + level_pages(place.level);
        if (map_offset(LEVEL_1G, page) == 0)
            port_yield();
    }
    return map->pages;
}

static void count(u64 entry, enum level level, u64 *own, u64 *shared)
{
    if (entry & MAP_NODE) {
        const u64 *entries = port_frame_address(map_frame(entry));

        for (unsigned i = 0; i < MAP_ENTRIES; i++)
            count(entries[i], level - 1, own, shared);
    } else if (entry & MAP_SHARED) {
        for (u64 i = 0; i < level_pages(level); i++)
            *(frame_is_shared((pfn_t){ map_frame(entry).v + i }) ? shared : own) += 1;
    } else if (entry & MAP_PIECE) {
        *own += level_pages(level);
    }
}

void map_count(const struct backing_map *map, u64 *own, u64 *shared)
{
    count(map->root, map->top, own, shared);
}
