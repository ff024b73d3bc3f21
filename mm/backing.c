/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backings. The map from page to frame is a radix tree with the geometry of EPT: an entry of level n is empty, a piece of
 * level_pages(n) contiguous frames, or a node with 512 entries of level n - 1. Extents begin at a multiple of 1 GiB, so
 * hva and frame have the same offset in every piece, and a piece is a possible EPT entry (C6).
 *
 * A hole is filled by one compare-exchange: the piece is cleared, and the nodes above it are complete, before anybody can
 * find them. Who loses gives all back (R3).
 */
#include "mm/backing.h"

#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/mem.h"
#include "mm/pool.h"
#include "mm/port.h"

enum { ENTRY_EMPTY = 0, ENTRY_PIECE = 1u << 0, ENTRY_NODE = 1u << 1, ENTRIES = 512 };

/* The highest level that an extent can need, and with it the size of the largest one: 256 TiB. */
#define TOP_LEVEL LEVEL_256T

/* Frames that are cleared between two calls of port_yield(). */
#define CLEAR_STEP level_pages(LEVEL_2M)

struct backing {
    /* set once: */
    struct list_node link; /* in `backings` */
    hva_t hva;
    u64 pages;
    enum level top; /* of `root`, which covers the whole extent */
    /* atomic: */
    u64 references;
    u64 root;
};
POOL(backing_pool, struct backing);

static struct list_node backings = LIST_EMPTY(backings);

/* Extents follow each other and are never used again: 64 bits last, and an old hva finds nothing. */
static u64 next_hva = 1ull << (PAGE_SHIFT + 18);

static bool is_node(u64 entry)
{
    return entry & ENTRY_NODE;
}

static pfn_t entry_frame(u64 entry)
{
    return (pfn_t){ entry >> PAGE_SHIFT };
}

static u64 make_entry(pfn_t pfn, u64 kind)
{
    return pfn.v << PAGE_SHIFT | kind;
}

static u64 page_in(enum level level, u64 page)
{
    return page & (level_pages(level) - 1);
}

/* The entry for `page` in a node whose entries have `level`. */
static u64 *node_entry(pfn_t node, enum level level, u64 page)
{
    return (u64 *)port_frame_address(node) + (page >> level_order(level)) % ENTRIES;
}

/* The piece or the hole that `page` lies in. */
static u64 *find(const struct backing *backing, u64 page, enum level *level, u64 *entry)
{
    const u64 *at = &backing->root;

    assert(page < backing->pages);
    *level = backing->top;
    while (*entry = atomic_read(at), is_node(*entry)) {
        *level = *level - 1;
        at = node_entry(entry_frame(*entry), *level, page);
    }
    return (u64 *)at;
}

static void release(u64 entry, enum level level)
{
    if (entry == ENTRY_EMPTY)
        return;
    if (!is_node(entry)) {
        frame_free(entry_frame(entry), level_order(level), FRAME_GUEST);
        return;
    }
    const u64 *entries = port_frame_address(entry_frame(entry));
    for (unsigned i = 0; i < ENTRIES; i++)
        release(entries[i], level - 1);
    frame_free(entry_frame(entry), 0, FRAME_CONTROL);
}

/* As release(), with a yield after every node of the lowest kind: for a backing that nobody else can find any more. */
static void release_all(u64 entry, enum level level)
{
    if (!is_node(entry) || level <= LEVEL_2M) {
        release(entry, level);
        port_yield();
        return;
    }
    const u64 *entries = port_frame_address(entry_frame(entry));
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (entries[i] != ENTRY_EMPTY)
            release_all(entries[i], level - 1);
    }
    frame_free(entry_frame(entry), 0, FRAME_CONTROL);
}

/*
 * What a hole of level `hole` gets, so that `page` lies in a new piece of `level`: the piece itself, or nodes down to it.
 * 0, -ENOMEM. The piece is not cleared yet.
 */
static int prepare(u64 page, enum level hole, enum level level, u64 *entry, pfn_t *piece)
{
    if (frame_alloc(level_order(level), FRAME_GUEST, piece) != 0)
        return -ENOMEM;

    u64 prepared = make_entry(*piece, ENTRY_PIECE);
    for (enum level at = level; at < hole; at++) {
        pfn_t node;

        if (frame_alloc(0, FRAME_CONTROL, &node) != 0) {
            release(prepared, at);
            return -ENOMEM;
        }
        memset(port_frame_address(node), 0, PAGE_SIZE);
        *node_entry(node, at, page) = prepared;
        prepared = make_entry(node, ENTRY_NODE);
    }
    *entry = prepared;
    return 0;
}

static void clear(pfn_t first, u64 count, bool may_yield)
{
    for (u64 i = 0; i < count; i++) {
        memset(port_frame_address((pfn_t){ first.v + i }), 0, PAGE_SIZE);
        if (may_yield && (first.v + i + 1) % CLEAR_STEP == 0)
            port_yield();
    }
}

static bool extent_holds(const struct backing *backing, u64 page, enum level level)
{
    u64 first = page - page_in(level, page);

    return backing->pages - first >= level_pages(level);
}

static int fill(struct backing *backing, u64 page, enum level largest, bool may_yield, pfn_t *pfn, enum level *level)
{
    for (;;) {
        enum level hole;
        u64 entry;
        u64 *at = find(backing, page, &hole, &entry);

        if (entry != ENTRY_EMPTY) {
            *pfn = (pfn_t){ entry_frame(entry).v + page_in(hole, page) };
            *level = hole;
            return 0;
        }

        enum level piece = hole < largest ? hole : largest;
        pfn_t first;
        while (!extent_holds(backing, page, piece) || prepare(page, hole, piece, &entry, &first) != 0) {
            if (piece == LEVEL_4K)
                return -ENOMEM;
            piece--;
        }
        clear(first, level_pages(piece), may_yield);

        u64 expected = ENTRY_EMPTY;
        if (!atomic_cmpxchg(at, &expected, entry))
            release(entry, hole);
    }
}

int backing_fill(struct backing *backing, u64 page, enum level largest, pfn_t *pfn, enum level *level)
{
    return fill(backing, page, largest < LEVEL_2M ? largest : LEVEL_2M, false, pfn, level);
}

int backing_lookup(const struct backing *backing, u64 page, pfn_t *pfn, enum level *level)
{
    enum level found;
    u64 entry;

    find(backing, page, &found, &entry);
    if (entry == ENTRY_EMPTY)
        return -ENOENT;
    *pfn = (pfn_t){ entry_frame(entry).v + page_in(found, page) };
    *level = found;
    return 0;
}

static int fill_all(struct backing *backing)
{
    enum level level;
    pfn_t pfn;

    for (u64 page = 0; page < backing->pages; page += level_pages(level)) {
        if (fill(backing, page, LEVEL_1G, true, &pfn, &level) != 0)
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

    u64 extent = (npages + level_pages(LEVEL_1G) - 1) / level_pages(LEVEL_1G) * level_pages(LEVEL_1G) * PAGE_SIZE;
    if (next_hva + extent < next_hva)
        return -ENOMEM;
    struct backing *created = pool_alloc(&backing_pool);
    if (created == NULL)
        return -ENOMEM;

    created->hva = (hva_t){ next_hva };
    next_hva += extent;
    created->pages = npages;
    created->references = 1;
    created->top = LEVEL_4K;
    while (level_pages(created->top) < npages)
        created->top++;
    list_add(&backings, &created->link);
    if (!(flags & BACKING_ON_DEMAND) && fill_all(created) != 0) {
        backing_put(created);
        return -ENOMEM;
    }
    *backing = created;
    return 0;
}

void backing_get(struct backing *backing)
{
    counter_add(&backing->references, 1);
}

void backing_put(struct backing *backing)
{
    assert(counter_read(&backing->references) != 0);
    if (counter_add(&backing->references, -1) != 0)
        return;
    list_remove(&backing->link);
    release_all(backing->root, backing->top);
    pool_free(&backing_pool, backing);
}

hva_t backing_hva(const struct backing *backing)
{
    return backing->hva;
}

u64 backing_pages(const struct backing *backing)
{
    return backing->pages;
}

static u64 count_frames(u64 entry, enum level level)
{
    u64 count = 0;

    if (!is_node(entry))
        return entry == ENTRY_EMPTY ? 0 : level_pages(level);
    const u64 *entries = port_frame_address(entry_frame(entry));
    for (unsigned i = 0; i < ENTRIES; i++)
        count += count_frames(entries[i], level - 1);
    return count;
}

u64 backing_audit_frames(void)
{
    u64 count = 0;

    for (struct list_node *node = backings.next; node != &backings; node = node->next) {
        const struct backing *backing = container_of(node, struct backing, link);

        count += count_frames(backing->root, backing->top);
    }
    return count;
}
