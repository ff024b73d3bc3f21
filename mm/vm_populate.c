/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filling and mapping whole ranges before they are touched. A step is what lies below one table, or one large leaf: its frames
 * are resolved without the lock, in runs, and under the lock each run is checked and mapped as a whole (R1, R2). What is in the
 * way of that, such as an invalidation of some of its pages, makes the step one page, as a fault would map it (R8).
 */
#include "mm/backing_run.h"
#include "mm/dirty_log.h"
#include "mm/mapping_level.h"
#include "mm/port.h"
#include "mm/vm.h"

/* Runs that are resolved without the lock and then mapped under it: on demand, each of them is a piece to clear. */
enum { BATCH = 64 };

struct batch {
    struct vm_memory *vm;
    const struct memslot *slot;
    const struct dirty_log *log; /* of the slot */
    gfn_t first;
    enum level level; /* of the leaf for `first` */
    u64 sequence;
    unsigned count; /* of `found` */
    struct backing_run found[BATCH];
};

/* The frames behind the pages of the slot from batch->first on, below `end` and one table, as many as fit. 0, -ENOMEM, -EIO. */
static int resolve_batch(struct batch *batch, gfn_t end)
{
    const struct memslot *slot = batch->slot;
    u64 stop = u64_min(end.v, (batch->first.v | (level_pages(LEVEL_2M) - 1)) + 1);
    gfn_t gfn = batch->first;

    batch->sequence = backing_sequence(slot->backing);
    for (batch->count = 0; batch->count < BATCH && gfn.v < stop; batch->count++) {
        struct backing_run *run = &batch->found[batch->count];
        int error =
            backing_resolve_run(slot->backing, memslot_page(slot, gfn), mapping_piece(slot, gfn), stop - gfn.v, run);

        if (error != 0)
            return error;
        if (batch->count == 0)
            batch->level = mapping_level(slot, batch->log, gfn, run->first.level);
        gfn.v += run->count;
    }
    return 0;
}

static u64 permissions_of(const struct batch *batch, const struct backing_page *found)
{
    return dirty_log_permissions(batch->log, memslot_permissions(batch->slot, found->writable), EPT_READ);
}

/* Maps the first page, as large as it may be. How many pages from it on are mapped now. The lock is held. */
static u64 map_first(const struct batch *batch, enum level level, struct table_cache *cache, struct tlb_gather *gather)
{
    const struct memslot *slot = batch->slot;
    const struct backing_page *found = &batch->found[0].first;
    struct spt *spt = &batch->vm->spt;
    struct spt_mapping mapping = { batch->first, found->pfn, level, permissions_of(batch, found),
                                   dirty_log_arm(batch->log) };

    if (!backing_is_current(slot->backing, batch->sequence, memslot_page(slot, batch->first), found, level))
        return 0;
    int error = spt_map(spt, spt->base, &mapping, EPT_READ, cache, gather);
    if (error != 0 && error != -EEXIST)
        return 0;
    return (batch->first.v | (level_pages(mapping.level) - 1)) + 1 - batch->first.v;
}

/* Maps as many runs as still are what was found, in pages of 4K. How many pages, from the first on. The lock is held. */
static u64 map_runs(const struct batch *batch, struct table_cache *cache)
{
    const struct memslot *slot = batch->slot;
    struct spt_run runs[BATCH];
    u64 page = memslot_page(slot, batch->first);
    unsigned count = 0;

    for (; count < batch->count; count++) {
        const struct backing_run *run = &batch->found[count];

        if (!backing_run_is_current(slot->backing, batch->sequence, page, run))
            break;
        u64 leaf = ept_leaf(run->first.pfn, LEVEL_4K, permissions_of(batch, &run->first));
        runs[count] = (struct spt_run){ leaf, run->count };
        page += run->count;
    }
    return count == 0 ? 0 : spt_fill(&batch->vm->spt, batch->first, runs, count, cache);
}

/* How many pages from the first on are mapped now; 0: others have to go on first. */
static u64 map_batch(const struct batch *batch, struct table_cache *cache)
{
    TLB_GATHER(gather, batch->vm);
    struct spt *spt = &batch->vm->spt;
    u64 done = 0;

    rwlock_lock_shared(&spt->lock);
    if (batch->level > LEVEL_4K)
        done = map_first(batch, batch->level, cache, &gather);
    /* Also where a large piece is mapped in small pages already: it may have gaps. */
    if (batch->level == LEVEL_4K || done == 1)
        done = u64_max(done, map_runs(batch, cache));
    if (batch->level == LEVEL_4K && done == 0)
        done = map_first(batch, LEVEL_4K, cache, &gather);
    rwlock_unlock_shared(&spt->lock);
    tlb_gather_finish(&gather);
    return done;
}

/* One batch of a slot. 0 (*gfn has moved, or others have to run first), -ENOMEM. */
static int populate_step(struct vm_memory *vm, const struct memslot *slot, const struct dirty_log *log, gfn_t *gfn,
                         gfn_t end, struct table_cache *cache)
{
    struct batch batch;
    u64 done;

    /* Not with an initializer: that clears what is found here anyway, which is most of a step for a large leaf. */
    batch.vm = vm;
    batch.slot = slot;
    batch.log = log;
    batch.first = *gfn;

    spt_reclaim(&vm->spt);
    if (table_cache_fill(cache, vm->spt.base->top - LEVEL_4K) != 0)
        return -ENOMEM;

    int error = resolve_batch(&batch, end);
    if (error == -ENOMEM)
        return error;
    /* A page that is lost is not mapped; whoever touches it hears of it. */
    done = error == -EIO && batch.count == 0 ? 1 : map_batch(&batch, cache);
    gfn->v = u64_min(gfn->v + done, end.v);
    return 0;
}

int vm_memory_populate(struct vm_memory *vm, gfn_t first, u64 npages)
{
    TABLE_CACHE(cache);
    gfn_t end = vm_range_end(first, npages);
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
            error =
                populate_step(vm, slot, memslots_log(set, slot), &first, slot_end.v < end.v ? slot_end : end, &cache);
        }
        memslots_read_end(set);
        /* Where pages are lost, or invalidated one by one, a step is one page. */
        if (first.v - before.v != 1 || first.v % BATCH == 0)
            port_yield();
    }
    return error;
}
