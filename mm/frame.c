/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator. Every frame has one byte of state in the map: the head of a block tells what the whole block is,
 * the other frames of the block are tails. The links of the lists of free blocks lie in the free blocks themselves.
 * Blocks are aligned to their size, so the block around any frame is found in at most one step per order.
 *
 * Wrong frees are our own bugs: they assert (M8), and not before the lock is free again, so that a test can go on.
 */
#include "mm/frame.h"

#include "mm/mem.h"
#include "mm/port.h"
#include "mm/spinlock.h"

enum {
    STATE_ABSENT = 0x00, /* not RAM, or not ours */
    STATE_RETIRED = 0x01,
    STATE_TAIL = 0x02,
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
    /* set once: */
    u64 end;
    u64 *directory; /* of mm/frame_record.c, one word for 512 frames: its lock */
    /* lock, also for the links in free blocks: */
    struct spinlock lock;
    u32 available; /* bit n: there is a free block of order n */
    u8 *state;     /* of every frame below `end` */
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

static bool is_ours(u64 pfn)
{
    return pfn < frames.end && frames.state[pfn] != STATE_ABSENT && frames.state[pfn] != STATE_RETIRED;
}

/* The head of the block that a frame of ours lies in. */
static u64 block_of(u64 pfn)
{
    unsigned order = 0;

    while (order <= FRAME_MAX_ORDER) {
        u8 state = frames.state[pfn >> order << order];

        if (state & STATE_HEAD && state_order(state) >= order)
            break;
        order++;
    }
    assert(order <= FRAME_MAX_ORDER);
    return pfn >> order << order;
}

/* Whether [pfn, +2^order) is a block of `kind`, or a part of one. */
static bool is_in_block(u64 pfn, unsigned order, unsigned kind)
{
    if (!is_ours(pfn))
        return false;

    u8 state = frames.state[block_of(pfn)];
    return state_kind(state) == kind && state_order(state) >= order;
}

/* Cuts [pfn, +2^order) out of its block: the other halves become blocks of their own. The state of `pfn` is the caller's. */
static void cut(u64 pfn, unsigned order)
{
    u64 block = block_of(pfn);
    unsigned from = state_order(frames.state[block]);
    unsigned kind = state_kind(frames.state[block]);

    if (kind == FRAME_NO_KIND)
        pull(block, from);
    while (from > order) {
        u64 half = block + (1ull << --from);
        u64 other = pfn < half ? half : block;

        if (kind == FRAME_NO_KIND)
            push(other, from);
        else
            frames.state[other] = head_state(from, kind);
        if (pfn >= half)
            block = half;
    }
}

/* Tables may have taken of what is reserved: then nothing is left. */
static u64 free_for_guests(void)
{
    return frames.stats.free > frames.stats.reserved ? frames.stats.free - frames.stats.reserved : 0;
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
    for (u64 i = pfn; i < end; i++)
        assert(frames.state[i] == STATE_ABSENT);
    spin_lock(&frames.lock);
    memset(&frames.state[pfn], STATE_TAIL, count);
    while (pfn < end) {
        unsigned order = FRAME_MAX_ORDER;

        while (pfn % (1ull << order) != 0 || end - pfn < 1ull << order)
            order--;
        merge(pfn, order);
        pfn += 1ull << order;
    }
    frames.stats.total += count;
    frames.stats.free += count;
    spin_unlock(&frames.lock);
}

int frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn)
{
    assert(order <= FRAME_MAX_ORDER && is_kind(kind));
    spin_lock(&frames.lock);

    u32 fitting = frames.available >> order << order;
    bool fits = fitting != 0 && (kind != FRAME_GUEST || free_for_guests() >= 1ull << order);
    if (fits) {
        u64 block = frames.first[__builtin_ctz(fitting)];

        cut(block, order);
        frames.state[block] = head_state(order, kind);
        frames.stats.free -= 1ull << order;
        frames.stats.used[kind] += 1ull << order;
        *pfn = (pfn_t){ block };
    }
    spin_unlock(&frames.lock);
    return fits ? 0 : -ENOMEM;
}

void frame_free(pfn_t pfn, unsigned order, enum frame_kind kind)
{
    assert(order <= FRAME_MAX_ORDER && pfn.v % (1ull << order) == 0 && is_kind(kind));
    spin_lock(&frames.lock);

    bool is_right = is_in_block(pfn.v, order, kind);
    if (is_right) {
        cut(pfn.v, order);
        frames.state[pfn.v] = STATE_TAIL;
        frames.stats.used[kind] -= 1ull << order;
        frames.stats.free += 1ull << order;
        merge(pfn.v, order);
    }
    spin_unlock(&frames.lock);
    assert(is_right);
}

int frame_reserve(u64 count)
{
    spin_lock(&frames.lock);

    bool fits = free_for_guests() >= count;
    if (fits)
        frames.stats.reserved += count;
    spin_unlock(&frames.lock);
    return fits ? 0 : -ENOMEM;
}

void frame_unreserve(u64 count)
{
    spin_lock(&frames.lock);

    bool is_right = frames.stats.reserved >= count;
    if (is_right)
        frames.stats.reserved -= count;
    spin_unlock(&frames.lock);
    assert(is_right);
}

int frame_retire(pfn_t pfn)
{
    int error = 0;

    spin_lock(&frames.lock);
    if (!is_ours(pfn.v)) {
        error = -ENOENT;
    } else if (!is_in_block(pfn.v, 0, FRAME_NO_KIND)) {
        error = -EBUSY;
    } else {
        cut(pfn.v, 0);
        frames.state[pfn.v] = STATE_RETIRED;
        frames.stats.free--;
        frames.stats.retired++;
    }
    spin_unlock(&frames.lock);
    return error;
}

void frame_retire_allocated(pfn_t pfn, enum frame_kind kind)
{
    assert(is_kind(kind));
    spin_lock(&frames.lock);

    bool is_right = is_in_block(pfn.v, 0, kind);
    if (is_right) {
        cut(pfn.v, 0);
        frames.state[pfn.v] = STATE_RETIRED;
        frames.stats.used[kind]--;
        frames.stats.retired++;
    }
    spin_unlock(&frames.lock);
    assert(is_right);
}

enum frame_kind frame_kind_of(pfn_t pfn)
{
    spin_lock(&frames.lock);

    unsigned kind = is_ours(pfn.v) ? state_kind(frames.state[block_of(pfn.v)]) : FRAME_ABSENT;
    spin_unlock(&frames.lock);
    return (enum frame_kind)kind;
}

struct frame_stats frame_get_stats(void)
{
    spin_lock(&frames.lock);

    struct frame_stats stats = frames.stats;
    spin_unlock(&frames.lock);
    return stats;
}

u64 frame_free_for_guests(void)
{
    spin_lock(&frames.lock);

    u64 count = free_for_guests();
    spin_unlock(&frames.lock);
    return count;
}

u64 *frame_directory(pfn_t pfn)
{
    assert(pfn.v < frames.end);
    return &frames.directory[pfn.v / 512];
}
