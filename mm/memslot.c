/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/memslot.h. */
#include "mm/memslot.h"

#include "mm/dirty_log.h"
#include "mm/pool.h"

POOL(memslot_pool, struct memslot);
static_assert(sizeof(struct dirty_log) <= sizeof(struct memslot), "a log fits where a slot does");
static_assert(POOL_HEADER % CACHE_LINE == 0, "slots begin with a cache line");
static_assert(offsetof(struct memslot, by_gfn[2]) == CACHE_LINE, "all for a search by gfn lies in one");
static_assert(offsetof(struct memslot, by_id[2]) == 2 * CACHE_LINE, "all for a search by id too");
static_assert(offsetof(struct memslot, by_hva[1]) == 3 * CACHE_LINE, "and each set's for one by hva");

struct memslot *memslot_create(const struct memslot *wanted)
{
    struct memslot *slot = pool_alloc(&memslot_pool);

    if (slot == NULL)
        return NULL;
    /* Nothing else: `wanted` may be a slot that is in sets, and on its way out there. */
    slot->base = wanted->base;
    slot->npages = wanted->npages;
    slot->id = wanted->id;
    slot->flags = wanted->flags;
    slot->largest = wanted->largest;
    slot->backing = wanted->backing;
    slot->offset = wanted->offset;
    slot->log[0] = slot->log[1] = memslot_log(wanted);
    backing_get(slot->backing);

    u64 first = backing_hva(slot->backing).v + slot->offset * PAGE_SIZE;
    for (unsigned i = 0; i < 2; i++) {
        slot->by_hva[i].first = first;
        slot->by_hva[i].last = first + slot->npages * PAGE_SIZE - 1;
    }
    return slot;
}

void memslot_destroy(struct memslot *slot)
{
    if (memslot_log(slot) != NULL)
        dirty_log_destroy(memslot_log(slot));
    backing_put(slot->backing);
    pool_free(&memslot_pool, slot);
}

struct dirty_log *memslot_alloc_log(void)
{
    return pool_alloc(&memslot_pool);
}

void memslot_free_log(struct dirty_log *log)
{
    pool_free(&memslot_pool, log);
}
