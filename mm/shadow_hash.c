/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/shadow_hash.h. The size is fixed: a longer chain costs time, a growing hash could fail under the lock. */
#include "mm/shadow_hash.h"

#include "mm/frame.h"
#include "mm/mem.h"
#include "mm/pool.h"

POOL(hash_pool, struct shadow_hash);

/* 512 to 256K buckets. */
enum { BUCKETS_PER_FRAME = PAGE_SIZE / sizeof(struct shadow_page *), MAX_ORDER = 9 };

struct shadow_hash *shadow_hash_create(u64 tables)
{
    struct shadow_hash *hash = pool_alloc(&hash_pool);
    pfn_t frames;

    if (hash == NULL)
        return NULL;
    while (hash->order < MAX_ORDER && (u64)BUCKETS_PER_FRAME << hash->order < tables)
        hash->order++;
    /* Where no block of that size is free, longer chains do. */
    while (frame_alloc(hash->order, FRAME_CONTROL, &frames) != 0) {
        if (hash->order == 0) {
            pool_free(&hash_pool, hash);
            return NULL;
        }
        hash->order--;
    }
    hash->buckets = port_frame_address(frames);
    for (u64 i = 0; i < 1ull << hash->order; i++)
        memset(port_frame_address((pfn_t){ frames.v + i }), 0, PAGE_SIZE);
    hash->mask = ((u64)BUCKETS_PER_FRAME << hash->order) - 1;
    return hash;
}

void shadow_hash_destroy(struct shadow_hash *hash)
{
    assert(shadow_hash_count(hash) == 0);
    frame_free(port_frame_of(hash->buckets), hash->order, FRAME_CONTROL);
    pool_free(&hash_pool, hash);
}

static struct shadow_page **bucket_of(const struct shadow_hash *hash, const struct shadow_page *page)
{
    /* Neighbours of one level differ in the bits of the gfn above its tables' coverage. */
    u64 key = page->gfn.v >> level_order((enum level)(page->role.level + 1)) ^ (u64)page->role.word << 7;

    return &hash->buckets[key * 0x9e3779b97f4a7c15ull >> 32 & hash->mask];
}

/* The whole key (H3): where a table leads depends on nothing else. An older generation is dying (G1). */
static bool is_same(const struct shadow_page *a, const struct shadow_page *b)
{
    return a->gfn.v == b->gfn.v && a->role.word == b->role.word && a->generation == b->generation;
}

static struct shadow_page *find(const struct shadow_hash *hash, const struct shadow_page *wanted)
{
    struct shadow_page *page = *bucket_of(hash, wanted);

    while (page != NULL && !is_same(page, wanted))
        page = page->hash_next;
    return page;
}

struct shadow_page *shadow_hash_find_or_add(struct shadow_hash *hash, struct shadow_page *wanted)
{
    spin_lock(&hash->lock);
    struct shadow_page *found = find(hash, wanted);

    if (found != NULL) {
        found->references++;
    } else {
        struct shadow_page **bucket = bucket_of(hash, wanted);

        wanted->hash_next = *bucket;
        *bucket = found = wanted;
    }
    spin_unlock(&hash->lock);
    return found;
}

bool shadow_hash_put(struct shadow_hash *hash, struct shadow_page *page)
{
    spin_lock(&hash->lock);
    bool last = --page->references == 0;

    if (last) {
        struct shadow_page **at = bucket_of(hash, page);

        while (*at != page)
            at = &(*at)->hash_next;
        *at = page->hash_next;
        page->hash_next = NULL;
    }
    spin_unlock(&hash->lock);
    return last;
}

struct shadow_page *shadow_hash_find(struct shadow_hash *hash, const struct shadow_page *page)
{
    spin_lock(&hash->lock);
    struct shadow_page *found = find(hash, page);
    spin_unlock(&hash->lock);
    return found;
}

u64 shadow_hash_count(const struct shadow_hash *hash)
{
    u64 count = 0;

    for (u64 i = 0; i <= hash->mask; i++) {
        for (const struct shadow_page *page = hash->buckets[i]; page != NULL; page = page->hash_next)
            count++;
    }
    return count;
}
