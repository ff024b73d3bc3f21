/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/memslot.h. */
#include "mm/memslot.h"

#include "mm/dirty_log.h"
#include "mm/ept.h"
#include "mm/pool.h"
#include "mm/vm_memory.h"

POOL(memslot_pool, struct memslot);

struct memslot *memslot_create(const struct memslot *wanted)
{
    struct memslot *slot = pool_alloc(&memslot_pool);

    if (slot == NULL)
        return NULL;
    *slot = *wanted;
    backing_get(slot->backing);
    for (unsigned i = 0; i < 2; i++) {
        struct interval_node *interval = &slot->node[i].by_hva;

        /* `wanted` may be the copy of a slot that is in sets, and on its way out there. */
        slot->node[i] = (struct memslot_node){ 0 };
        interval->first = backing_hva(slot->backing).v + slot->offset * PAGE_SIZE;
        interval->last = interval->first + slot->npages * PAGE_SIZE - 1;
    }
    return slot;
}

void memslot_destroy(struct memslot *slot)
{
    if (slot->log != NULL)
        dirty_log_destroy(slot->log);
    backing_put(slot->backing);
    pool_free(&memslot_pool, slot);
}

u64 memslot_permissions(const struct memslot *slot, bool writable)
{
    return slot->flags & MEMSLOT_READ_ONLY || !writable ? EPT_READ | EPT_EXECUTE : EPT_PERMISSIONS;
}
