/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on whole ranges of guest memory, in bounded steps. What slots show is looked up anew for each step (C8). */
#include "mm/atomic.h"
#include "mm/backing_change.h"
#include "mm/dirty_log.h"
#include "mm/mapping_level.h"
#include "mm/port.h"
#include "mm/vm.h"

/* Pages that are resolved without the lock and then mapped under it. */
enum { BATCH = 64 };

/* The end of a range that may reach beyond all that there can be. */
static gfn_t range_end(gfn_t first, u64 npages)
{
    u64 limit = vm_gfn_limit();

    return (gfn_t){ range_ends_within(first.v, npages, limit) ? first.v + npages : limit };
}

struct batch {
    struct vm_memory *vm;
    const struct memslot *slot;
    gfn_t first;
    unsigned count;
    u64 sequence;
    struct backing_page found[BATCH];
};

/* The frames behind as many pages of the slot, below `end`, as fit into a batch and lie below one table. */
static int resolve_batch(struct batch *batch, gfn_t end)
{
    const struct memslot *slot = batch->slot;
    u64 table_end = (batch->first.v | (level_pages(LEVEL_2M) - 1)) + 1;
    u64 stop = batch->first.v + BATCH;

    if (stop > table_end)
        stop = table_end;
    if (stop > end.v)
        stop = end.v;
    batch->sequence = backing_sequence(slot->backing);
    for (batch->count = 0; batch->first.v + batch->count < stop; batch->count++) {
        gfn_t gfn = { batch->first.v + batch->count };
        struct backing_page *found = &batch->found[batch->count];
        enum level wanted = mapping_piece(slot, gfn);
        int error = backing_resolve(slot->backing, memslot_page(slot, gfn), wanted, false, found);

        if (error != 0)
            return error;
        /* One large leaf is all that is needed here. */
        if (mapping_level(slot, gfn, found->level) > LEVEL_4K) {
            batch->count++;
            break;
        }
    }
    return 0;
}

/* Maps the batch. 0, -EAGAIN (tables are missing, or the pages are changing). *done pages are mapped. */
static int map_batch(struct batch *batch, struct table_cache *cache, u64 *done)
{
    TLB_GATHER(gather, batch->vm);
    const struct memslot *slot = batch->slot;
    struct spt *spt = &batch->vm->spt;
    int error = 0;

    *done = 0;
    rwlock_lock_shared(&spt->lock);
    for (unsigned i = 0; i < batch->count && error == 0; i++) {
        const struct backing_page *found = &batch->found[i];
        gfn_t gfn = { batch->first.v + i };
        struct spt_mapping mapping = {
            gfn, found->pfn, mapping_level(slot, gfn, found->level),
            dirty_log_permissions(slot, memslot_permissions(slot, found->writable), EPT_READ), dirty_log_arm(slot)
        };

        if (!backing_is_current(slot->backing, batch->sequence, memslot_page(slot, gfn), found, mapping.level))
            error = -EAGAIN;
        else
            error = spt_map(spt, spt->base, &mapping, EPT_READ, cache, &gather);
        if (error == -EEXIST)
            error = 0;
        if (error == 0)
            *done = ((gfn.v | (level_pages(mapping.level) - 1)) + 1) - batch->first.v;
    }
    rwlock_unlock_shared(&spt->lock);
    tlb_gather_finish(&gather);
    return error;
}

/* One batch of a slot. 0 (*gfn has moved, or others have to run first), -ENOMEM. */
static int populate_step(struct vm_memory *vm, const struct memslot *slot, gfn_t *gfn, gfn_t end,
                         struct table_cache *cache)
{
    struct batch batch = { .vm = vm, .slot = slot, .first = *gfn };
    u64 done = 0;

    spt_reclaim(&vm->spt);
    if (table_cache_fill(cache, vm->spt.base->top - LEVEL_4K) != 0)
        return -ENOMEM;

    int error = resolve_batch(&batch, end);
    if (error == -ENOMEM)
        return error;
    /* A page that is lost is not mapped; whoever touches it hears of it. */
    if (error == -EIO && batch.count == 0)
        done = 1;
    else
        map_batch(&batch, cache, &done);
    gfn->v = gfn->v + done < end.v ? gfn->v + done : end.v;
    return 0;
}

int vm_memory_populate(struct vm_memory *vm, gfn_t first, u64 npages)
{
    TABLE_CACHE(cache);
    gfn_t end = range_end(first, npages);
    int error = 0;

    while (first.v < end.v && error == 0) {
        gfn_t before = first;
        struct memslot_set *set = memslots_read_begin(&vm->slots);
        const struct memslot *slot = memslots_find_from(set, first);

        if (slot == NULL || slot->base.v >= end.v) {
            first = end;
        } else if (memslots_is_invalid(set, slot)) {
            first = memslot_end(slot);
        } else {
            if (first.v < slot->base.v)
                first = slot->base;
            gfn_t slot_end = memslot_end(slot);
            error = populate_step(vm, slot, &first, slot_end.v < end.v ? slot_end : end, &cache);
        }
        memslots_read_end(set);
        /* Where a large piece is mapped in small pages already, a step is one page. */
        if (first.v - before.v != 1 || first.v % BATCH == 0)
            port_yield();
    }
    return error;
}

void vm_memory_zap(struct vm_memory *vm, gfn_t first, u64 npages)
{
    spt_zap_all(&vm->spt, first, range_end(first, npages));
}

int vm_memory_split(struct vm_memory *vm, gfn_t first, u64 npages, enum level largest)
{
    assert(largest >= LEVEL_4K && largest <= LEVEL_1G);
    return spt_split_all(&vm->spt, first, range_end(first, npages), largest);
}

void vm_memory_write_protect(struct vm_memory *vm, gfn_t first, u64 npages)
{
    spt_write_protect_all(&vm->spt, first, range_end(first, npages), true);
}

int vm_memory_balloon(struct vm_memory *vm, gfn_t first, u64 npages)
{
    gfn_t end = range_end(first, npages);
    int error = 0;

    while (first.v < end.v) {
        struct memslot_set *set = memslots_read_begin(&vm->slots);
        const struct memslot *slot = memslots_find_from(set, first);

        if (slot == NULL || slot->base.v >= end.v) {
            first = end;
        } else {
            gfn_t from = first.v > slot->base.v ? first : slot->base;
            gfn_t to = memslot_end(slot).v < end.v ? memslot_end(slot) : end;
            u64 step_end = (from.v | (level_pages(LEVEL_1G) - 1)) + 1;

            /* Who changes slots waits for a step at the most. */
            if (to.v > step_end)
                to.v = step_end;

            if (!memslots_is_invalid(set, slot) &&
                backing_punch(slot->backing, memslot_page(slot, from), to.v - from.v) != 0)
                error = -ENOMEM;
            first = to;
        }
        memslots_read_end(set);
        port_yield();
    }
    vm_want_recovery(vm, true);
    return error;
}
