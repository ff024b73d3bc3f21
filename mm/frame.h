/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame allocator: a buddy allocator over the machine's RAM in blocks of 2^order frames, order 0 (4K) to 18 (1G).
 * A leaf lock of its own guards it, the last one in the order: everything here but frame_init() may be called anywhere.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "mm/types.h"

enum { FRAME_MAX_ORDER = 18, FRAME_NO_KIND = 0 };

/*
 * What an allocated block is used for; counted for each kind, checked when it is freed. FRAME_ABSENT is only an answer of
 * frame_kind_of().
 */
enum frame_kind { FRAME_CONTROL = 1, FRAME_TABLE, FRAME_GUEST, FRAME_KIND_COUNT, FRAME_ABSENT };

/* free + used of all kinds + retired = total */
struct frame_stats {
    u64 total;                  /* frames that were ever added */
    u64 retired;                /* of them, those that left for good */
    u64 free;                   /* frames */
    u64 used[FRAME_KIND_COUNT]; /* frames by kind */
    u64 reserved;               /* frames that guests' memory leaves free */
};

/*
 * Prepares for frames [0, end). `map` has frame_map_bytes(end) bytes, any content, aligned to 8, and stays in use. No
 * frame is free until frame_add().
 */
u64 frame_map_bytes(pfn_t end);
void frame_init(pfn_t end, void *map);

/* Gives `count` frames from `first` to the allocator. They lie below `end`, and were not added before. */
void frame_add(pfn_t first, u64 count);

/* A block of 2^order frames, aligned to its size. 0 or -ENOMEM. The content is not cleared. */
int frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn);

/* Gives a block back: the same order and kind as it was allocated with, or a part of it (a split block is freed in pieces). */
void frame_free(pfn_t pfn, unsigned order, enum frame_kind kind);

/*
 * From now on blocks of kind FRAME_GUEST leave `count` more frames free: for tables of guests that have all their memory, and
 * that another guest, which takes its memory as it goes, must not be able to end. 0, or -ENOMEM if there are not as many.
 */
int frame_reserve(u64 count);
void frame_unreserve(u64 count);

/*
 * A free frame leaves the allocator for good: a bad one. 0, -EBUSY: it is in use, or -ENOENT: it is no RAM, or has left
 * already. It leaves also where what is reserved would need it.
 */
int frame_retire(pfn_t pfn);

/* One frame of an allocated block of `kind` leaves for good instead of being freed. */
void frame_retire_allocated(pfn_t pfn, enum frame_kind kind);

/*
 * What the block around a frame is used for. FRAME_NO_KIND: it is free; FRAME_ABSENT: it is no RAM, or has left. For a frame
 * that the caller does not own, it may be something else at once.
 */
enum frame_kind frame_kind_of(pfn_t pfn);

struct frame_stats frame_get_stats(void);

/* Frames that blocks of kind FRAME_GUEST can still take. */
u64 frame_free_for_guests(void);

/* The word that mm/frame_record.c keeps for the 512 frames around `pfn`; 0 after frame_init(). */
u64 *frame_directory(pfn_t pfn);

/* The order of the smallest block that holds so many bytes. */
static inline unsigned frame_order(u64 bytes)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}

#endif
