/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator. Every frame has one byte of state in the map: the head of a block tells what the whole block is,
 * the other frames of the block are tails. The links of the lists of free blocks lie in the free blocks themselves.
 * Blocks are aligned to their size, so the block around any frame is found in at most one step per order.
 *
 * Wrong frees are our own bugs: they assert (M8).
 */
#include "mm/frame.h"

#include "mm/mem.h"
#include "mm/port.h"

enum {
    STATE_ABSENT = 0x00, /* not RAM, or not ours */
    STATE_TAIL = 0x01,
    STATE_HEAD = 0x80,
    STATE_KIND_SHIFT = 5, /* kind 0 is free */
    STATE_ORDER = 0x1f,
};
static_assert((unsigned)FRAME_MAX_ORDER <= (unsigned)STATE_ORDER, "an order fits");
static_assert((unsigned)FRAME_KIND_COUNT << STATE_KIND_SHIFT <= (unsigned)STATE_HEAD, "a kind fits");

/* At the begin of a free block. */
struct free_links {
    u64 next, previous; /* NO_FRAME at the ends */
};
#define NO_FRAME (~0ull)

static struct {
    u64 end;
    u8 *state;      /* of every frame below `end` */
    u64 *directory; /* of mm/frame_record.c, one word for 512 frames */
    u32 available;  /* bit n: there is a free block of order n */
    u64 first[FRAME_MAX_ORDER + 1];
    struct frame_stats stats;
} frames;

static u8 head_state(unsigned order, unsigned kind)
{
    return (u8)(STATE_HEAD | kind << STATE_KIND_SHIFT | order);
}

static unsigned state_order(u8 state)
{
    return state & STATE_ORDER;
}

static unsigned state_kind(u8 state)
{
    return (state & ~STATE_HEAD) >> STATE_KIND_SHIFT;
}

static bool is_kind(unsigned kind)
{
    return kind > FRAME_NO_KIND && kind < FRAME_KIND_COUNT;
}

static struct free_links *links_of(u64 pfn)
{
    return port_frame_address((pfn_t){ pfn });
}

static void push(u64 pfn, unsigned order)
{
    struct free_links *links = links_of(pfn);

    links->next = frames.first[order];
    links->previous = NO_FRAME;
    if (links->next != NO_FRAME)
        links_of(links->next)->previous = pfn;
    frames.first[order] = pfn;
    frames.available |= 1u << order;
    frames.state[pfn] = head_state(order, FRAME_NO_KIND);
}

static void pull(u64 pfn, unsigned order)
{
    const struct free_links *links = links_of(pfn);

    if (links->previous == NO_FRAME)
        frames.first[order] = links->next;
    else
        links_of(links->previous)->next = links->next;
    if (links->next != NO_FRAME)
        links_of(links->next)->previous = links->previous;
    if (frames.first[order] == NO_FRAME)
        frames.available &= ~(1u << order);
}

/* Makes a block free, together with its free buddies. */
static void merge(u64 pfn, unsigned order)
{
    for (; order < FRAME_MAX_ORDER; order++) {
        u64 buddy = pfn ^ 1ull << order;

        if (buddy >= frames.end || frames.state[buddy] != head_state(order, FRAME_NO_KIND))
            break;
        pull(buddy, order);
        frames.state[pfn | buddy] = STATE_TAIL;
        pfn &= buddy;
    }
    push(pfn, order);
}

/* The head of the block that `pfn` lies in. */
static u64 block_of(u64 pfn)
{
    assert(pfn < frames.end && frames.state[pfn] != STATE_ABSENT);
    for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
        u64 head = pfn >> order << order;
        u8 state = frames.state[head];

        if (state & STATE_HEAD && state_order(state) >= order)
            return head;
    }
    assert(!"every frame lies in a block");
    return pfn;
}

static u64 directory_words(u64 end)
{
    return (end + 511) / 512;
}

u64 frame_map_bytes(pfn_t end)
{
    return end.v + directory_words(end.v) * sizeof(u64);
}

void frame_init(pfn_t end, void *map)
{
    assert((uintptr_t)map % sizeof(u64) == 0);
    memset(map, 0, frame_map_bytes(end));
    frames.end = end.v;
    frames.directory = map;
    frames.state = (u8 *)(frames.directory + directory_words(end.v));
    frames.available = 0;
    for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
        frames.first[order] = NO_FRAME;
    frames.stats = (struct frame_stats){ 0 };
}

void frame_add(pfn_t first, u64 count)
{
    u64 pfn = first.v;
    u64 end = pfn + count;

    assert(pfn <= end && end <= frames.end);
    for (u64 i = pfn; i < end; i++) {
        assert(frames.state[i] == STATE_ABSENT);
        frames.state[i] = STATE_TAIL;
    }
    while (pfn < end) {
        unsigned order = FRAME_MAX_ORDER;

        while (pfn % (1ull << order) != 0 || end - pfn < 1ull << order)
            order--;
        merge(pfn, order);
        pfn += 1ull << order;
    }
    frames.stats.total += count;
    frames.stats.free += count;
}

int frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn)
{
    assert(order <= FRAME_MAX_ORDER && is_kind(kind));

    u32 fitting = frames.available >> order << order;
    if (fitting == 0 || (kind == FRAME_GUEST && frame_free_for_guests() < 1ull << order))
        return -ENOMEM;

    unsigned from = (unsigned)__builtin_ctz(fitting);
    u64 block = frames.first[from];
    pull(block, from);
    while (from > order) {
        from--;
        push(block + (1ull << from), from);
    }
    frames.state[block] = head_state(order, kind);
    frames.stats.free -= 1ull << order;
    frames.stats.used[kind] += 1ull << order;
    *pfn = (pfn_t){ block };
    return 0;
}

void frame_free(pfn_t pfn, unsigned order, enum frame_kind kind)
{
    assert(order <= FRAME_MAX_ORDER && pfn.v % (1ull << order) == 0);

    u64 block = block_of(pfn.v);
    unsigned from = state_order(frames.state[block]);
    assert(is_kind(kind) && state_kind(frames.state[block]) == kind && from >= order);

    /* A part of a block: the other halves become blocks of their own. */
    while (from > order) {
        u64 half = block + (1ull << --from);

        frames.state[block] = frames.state[half] = head_state(from, kind);
        if (pfn.v >= half)
            block = half;
    }
    frames.state[block] = STATE_TAIL;
    frames.stats.used[kind] -= 1ull << order;
    frames.stats.free += 1ull << order;
    merge(block, order);
}

int frame_reserve(u64 count)
{
    if (frame_free_for_guests() < count)
        return -ENOMEM;
    frames.stats.reserved += count;
    return 0;
}

void frame_unreserve(u64 count)
{
    assert(frames.stats.reserved >= count);
    frames.stats.reserved -= count;
}

struct frame_stats frame_get_stats(void)
{
    return frames.stats;
}

/* Tables may have taken of what is reserved: then nothing is left. */
u64 frame_free_for_guests(void)
{
    return frames.stats.free > frames.stats.reserved ? frames.stats.free - frames.stats.reserved : 0;
}

u64 *frame_directory(pfn_t pfn)
{
    assert(pfn.v < frames.end);
    return &frames.directory[pfn.v / 512];
}
