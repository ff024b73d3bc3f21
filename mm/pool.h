/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of objects of one size, on frames of kind FRAME_CONTROL. A frame without objects goes back at once. A second
 * free of an object asserts (M8). Each pool has a leaf lock; inside, only the frame allocator's is taken.
 */
#ifndef MM_POOL_H
#define MM_POOL_H

#include "mm/list.h"
#include "mm/spinlock.h"

enum { POOL_HEADER = 64, POOL_MIN = 16 };

struct pool {
    /* set once: */
    u32 size; /* of an object */
    /* lock: */
    struct spinlock lock;
    struct list_node open; /* frames with at least one free object */
};

#define POOL(name, type)                                                                                \
    static_assert(sizeof(type) >= POOL_MIN && sizeof(type) <= PAGE_SIZE - POOL_HEADER, "fits a frame"); \
    static struct pool name = { .size = sizeof(type), .open = LIST_EMPTY((name).open) }

/* An object of zeros, aligned to 8, or NULL. */
void *pool_alloc(struct pool *pool);

void pool_free(struct pool *pool, void *object);

#endif
