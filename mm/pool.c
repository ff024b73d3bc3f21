/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/pool.h. A frame begins with a header; which of its objects are in use is a bitmap there. */
#include "mm/pool.h"

#include "mm/frame.h"
#include "mm/mem.h"
#include "mm/port.h"

enum { WORD_BITS = 64, MAX_OBJECTS = (PAGE_SIZE - POOL_HEADER) / POOL_MIN };

struct pool_page {
    struct list_node link; /* in pool->open; not in a list while full */
    struct pool *pool;
    u32 used, capacity;
    u64 in_use[MAX_OBJECTS / WORD_BITS + 1];
};
static_assert(sizeof(struct pool_page) <= POOL_HEADER, "the header has room");

static u8 *object_at(struct pool_page *page, u32 index)
{
    return (u8 *)page + POOL_HEADER + index * page->pool->size;
}

/* Rare, and kept out of the way of what is not. */
__attribute__((noinline)) static struct pool_page *page_create(struct pool *pool)
{
    pfn_t frame;

    if (frame_alloc(0, FRAME_CONTROL, &frame) != 0)
        return NULL;

    struct pool_page *page = port_frame_address(frame);
    *page = (struct pool_page){ .pool = pool, .capacity = (u32)(PAGE_SIZE - POOL_HEADER) / pool->size };
    list_add(&pool->open, &page->link);
    return page;
}

/* A page of the list `open`. NULL: no memory. */
static struct pool_page *page_open(struct pool *pool)
{
    return list_is_empty(&pool->open) ? page_create(pool) : container_of(pool->open.next, struct pool_page, link);
}

static void *page_take(struct pool_page *page)
{
    u32 index = 0;

    while (~page->in_use[index / WORD_BITS] == 0)
        index += WORD_BITS;
    index += (u32)__builtin_ctzll(~page->in_use[index / WORD_BITS]);
    assert(index < page->capacity);
    page->in_use[index / WORD_BITS] |= 1ull << index % WORD_BITS;
    page->used++;
    if (page->used == page->capacity)
        list_remove(&page->link);
    return object_at(page, index);
}

/* Whether nothing is in use any more: then the page is in no list, and the caller's. */
static bool page_give(struct pool_page *page, u32 index)
{
    page->in_use[index / WORD_BITS] &= ~(1ull << index % WORD_BITS);
    if (page->used == page->capacity)
        list_add(&page->pool->open, &page->link);
    page->used--;
    if (page->used == 0)
        list_remove(&page->link);
    return page->used == 0;
}

void *pool_alloc(struct pool *pool)
{
    spin_lock(&pool->lock);

    struct pool_page *page = page_open(pool);
    void *object = page == NULL ? NULL : page_take(page);
    spin_unlock(&pool->lock);
    return object == NULL ? NULL : memset(object, 0, pool->size);
}

void pool_free(struct pool *pool, void *object)
{
    pfn_t frame = port_frame_of(object);
    struct pool_page *page = port_frame_address(frame);
    u32 index = (u32)((u8 *)object - object_at(page, 0)) / pool->size;

    assert(page->pool == pool && object_at(page, index) == object);
    spin_lock(&pool->lock);

    bool was_in_use = page->in_use[index / WORD_BITS] >> index % WORD_BITS & 1;
    bool is_empty = was_in_use && page_give(page, index);
    spin_unlock(&pool->lock);
    assert(was_in_use);
    if (is_empty)
        frame_free(frame, 0, FRAME_CONTROL);
}
