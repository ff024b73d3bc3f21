/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See mm/recover.h. Each step finds its slot anew, so one that is logged by now is left alone (C2); it holds the VM's lock for
 * a bounded number of regions and begins where the last one stopped, with what is there then (C8). One flush is for many
 * steps (C3).
 */
#include "mm/recover.h"

#include "mm/atomic.h"
#include "mm/backing_change.h"
#include "mm/frame_share.h"
#include "mm/mapping_level.h"
#include "mm/port.h"
#include "mm/vm.h"

enum {
    STEP = 32,   /* regions that are looked at under the lock: about 50 microseconds */
    BATCH = 512, /* tables that wait for one flush */
};

#define REGION level_pages(LEVEL_2M)

struct recovery {
    struct vm_memory *vm;
    gfn_t first, end;
    enum recover_how how;
    bool executed; /* also tables that execution made */
    u64 budget;    /* regions that may be copied */
    struct tlb_gather *gather;
    struct recover_result result;
};

/* Where a step stopped, and what is to be done there without the lock. */
struct stop {
    gfn_t at;
    gfn_t drop, drop_end; /* to be unmapped */
    bool compact;         /* the region before `at` */
};

static gfn_t round_up(gfn_t gfn)
{
    return (gfn_t){ (gfn.v + REGION - 1) & ~(REGION - 1) };
}

static gfn_t round_down(gfn_t gfn, enum level level)
{
    return (gfn_t){ gfn.v & ~(level_pages(level) - 1) };
}

static gfn_t lower(gfn_t a, gfn_t b)
{
    return a.v < b.v ? a : b;
}

/*
 * The leaf of `level` that can map the region at `gfn`; NULL, or what counts regions where it cannot. The VM's lock is held: an
 * invalidation that is not in flight yet will find the leaf, and one that is over has left the backing as it is now.
 */
static u64 *find_large(struct recover_result *result, const struct memslot_set *set, const struct memslot *slot,
                       gfn_t gfn, enum level level, struct spt_mapping *large)
{
    const struct dirty_log *log = memslots_log(set, slot);
    struct backing_page found;

    if (mapping_level(slot, log, gfn, level) < level)
        return &result->edges;

    u64 page = memslot_page(slot, gfn);
    if (backing_is_changing(slot->backing, page, page + level_pages(level)))
        return &result->changing;
    if (backing_lookup(slot->backing, page, &found) != 0)
        return &result->absent;
    if (mapping_level(slot, log, gfn, found.level) < level)
        return found.writable ? &result->scattered : &result->shared;
    *large = (struct spt_mapping){
        .gfn = gfn, .pfn = found.pfn, .level = level, .permissions = memslot_permissions(slot, found.writable)
    };
    return NULL;
}

/* The slot's part of a region that stays as it is. */
static void disarm(struct recovery *recovery, const struct memslot *slot, gfn_t region)
{
    gfn_t first = region.v > slot->base.v ? region : slot->base;
    gfn_t end = lower((gfn_t){ region.v + REGION }, memslot_end(slot));

    spt_disarm(&recovery->vm->spt, first, end);
}

/* Under the lock, exclusively. Where something else can be. */
static gfn_t collapse(struct recovery *recovery, const struct spt_mapping *large)
{
    struct recover_result *result = &recovery->result;
    struct spt_collapse done = { 0 };
    gfn_t end = spt_collapse(&recovery->vm->spt, large, recovery->executed, recovery->gather, &done);

    result->collapsed += done.collapsed;
    if (large->level > LEVEL_2M)
        return end;
    if (done.different != 0)
        result->different++;
    else if (done.executed != 0)
        result->executed++;
    else if (done.absent != 0 && done.collapsed == 0)
        result->absent++;
    return end;
}

/* When the last region of 2M in it has been looked at. */
static void collapse_1g(struct recovery *recovery, const struct memslot_set *set, const struct memslot *slot, gfn_t gfn)
{
    struct recover_result none;
    struct spt_mapping large;

    if (gfn.v >= recovery->first.v && find_large(&none, set, slot, gfn, LEVEL_1G, &large) == NULL)
        collapse(recovery, &large);
}

/* One region, under the lock; stop->at moves on. False: the step is over. */
static bool recover_region(struct recovery *recovery, const struct memslot_set *set, const struct memslot *slot,
                           struct stop *stop)
{
    struct spt *spt = &recovery->vm->spt;
    gfn_t gfn = stop->at, next = { gfn.v + REGION };
    struct spt_mapping large;
    u64 *reason = find_large(&recovery->result, set, slot, gfn, LEVEL_2M, &large);

    stop->at = next;
    if (reason == &recovery->result.scattered || reason == &recovery->result.shared)
        stop->compact = recovery->how == RECOVER_COMPACT && recovery->budget != 0;
    /* Also where it shall be brought together, which may fail. */
    if (reason != NULL)
        disarm(recovery, slot, gfn);
    if (stop->compact)
        return false;
    if (reason != NULL) {
        ++*reason;
    } else if (recovery->how != RECOVER_LAZILY) {
        u64 before = recovery->result.collapsed;

        next = collapse(recovery, &large);
        if (recovery->result.collapsed == before)
            disarm(recovery, slot, gfn);
        /* Where nothing is mapped, also far away, there is nothing to look at. */
        stop->at = round_up(lower(next, memslot_end(slot)));
        if (stop->at.v < gfn.v + REGION)
            stop->at.v = gfn.v + REGION;
    } else if (spt_is_split(spt, gfn, LEVEL_2M)) {
        recovery->result.dropped++;
        if (stop->drop_end.v != gfn.v)
            stop->drop = gfn;
        stop->drop_end = next;
        return true;
    }
    return stop->drop.v == stop->drop_end.v;
}

static void recover_slot(struct recovery *recovery, const struct memslot_set *set, const struct memslot *slot,
                         struct stop *stop)
{
    struct vm_memory *vm = recovery->vm;
    gfn_t end = lower(memslot_end(slot), recovery->end);

    rwlock_lock(&vm->spt.lock);
    /*
     * A slot that logs may be published by now, and its pages armed by who found it there and then came to the lock. Who
     * comes to the lock after this does not disturb.
     */
    if (memslots_active(&vm->slots) == set) {
        for (unsigned regions = 0; regions < STEP && stop->at.v < end.v; regions++) {
            gfn_t at = stop->at;
            bool goes_on = recover_region(recovery, set, slot, stop);

            if (recovery->how != RECOVER_LAZILY && stop->at.v >> level_order(LEVEL_1G) != at.v >> level_order(LEVEL_1G))
                collapse_1g(recovery, set, slot, round_down(at, LEVEL_1G));
            if (!goes_on || (spt_yield_on_contention && rwlock_is_contended(&vm->spt.lock)))
                break;
        }
    }
    rwlock_unlock(&vm->spt.lock);
}

/*
 * What keeps a region from being brought together, or NULL: looked at first, because who tries has unmapped it, and has copied
 * nothing of the budget.
 */
static u64 *find_obstacle(struct recover_result *result, const struct backing *backing, u64 first)
{
    struct backing_page found;

    for (u64 page = first; page < first + REGION; page++) {
        if (backing_lookup(backing, page, &found) != 0)
            return &result->absent;
        if (!found.writable && frame_is_shared(found.pfn))
            return &result->shared;
    }
    return NULL;
}

/* No lock is held. Whether the region is one piece now. What has no memory gets none. */
static bool compact(struct recovery *recovery, const struct memslot *slot, gfn_t gfn)
{
    struct recover_result *result = &recovery->result;
    u64 page = memslot_page(slot, gfn);
    u64 *obstacle = find_obstacle(result, slot->backing, page);

    if (obstacle != NULL) {
        ++*obstacle;
        return false;
    }

    int error = backing_compact(slot->backing, page);
    if (error == 0)
        result->compacted++;
    else if (error == -EBUSY)
        result->shared++;
    else
        result->scattered++;
    recovery->budget--;
    return error == 0;
}

static u64 regions_in(gfn_t first, gfn_t end)
{
    return (end.v - first.v + REGION - 1) / REGION;
}

/* One step. The gfn from which the next one goes on; in *to_map a region that is one piece now, or nothing. */
static gfn_t recover_step(struct recovery *recovery, gfn_t at, gfn_t *to_map)
{
    struct vm_memory *vm = recovery->vm;
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    const struct memslot *slot = memslots_find_from(set, at);
    struct stop stop = { .at = at };

    to_map->v = ~0ull;
    if (slot == NULL || slot->base.v >= recovery->end.v) {
        memslots_read_end(set);
        return recovery->end;
    }
    /* A region that begins before the slot is looked at too, and found to be its edge. */
    if (stop.at.v < slot->base.v)
        stop.at = round_down(slot->base, LEVEL_2M);
    if (memslots_is_invalid(set, slot) || memslots_log(set, slot) != NULL) {
        gfn_t end = round_up(memslot_end(slot));

        if (memslots_log(set, slot) != NULL)
            recovery->result.logged += regions_in(stop.at, lower(end, recovery->end));
        stop.at = end;
    } else {
        recover_slot(recovery, set, slot, &stop);
        if (stop.drop_end.v != stop.drop.v)
            spt_zap_all(&vm->spt, stop.drop, stop.drop_end);
        if (stop.compact) {
            gfn_t region = { stop.at.v - REGION };

            if (compact(recovery, slot, region))
                *to_map = region;
        }
    }
    memslots_read_end(set);
    return stop.at;
}

static bool is_everything(gfn_t first, u64 npages)
{
    return first.v == 0 && npages >= vm_gfn_limit();
}

/* Whether another recovery could find more, without anything that asks for it. */
static bool is_unfinished(const struct recovery *recovery)
{
    const struct recover_result *result = &recovery->result;

    return result->changing != 0 ||
           (recovery->how == RECOVER_COMPACT && recovery->budget == 0 && result->scattered != 0);
}

int vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                      struct recover_result *result)
{
    TLB_GATHER(gather, vm);
    u64 limit = vm_gfn_limit();
    gfn_t end = { range_ends_within(first.v, npages, limit) ? first.v + npages : limit };
    struct recovery recovery = { .vm = vm, .how = how, .budget = budget, .gather = &gather };

    if (how != RECOVER_IN_PLACE && how != RECOVER_COMPACT && how != RECOVER_LAZILY)
        return -EINVAL;
    /* Before it is looked for: what ends meanwhile is asked for again. */
    if (is_everything(first, npages))
        vm_want_recovery(vm, false);
    recovery.end = round_down(end, LEVEL_2M);
    if (first.v < recovery.end.v) {
        recovery.first = round_up(first);
        for (gfn_t at = recovery.first; at.v < recovery.end.v;) {
            gfn_t to_map;

            at = recover_step(&recovery, at, &to_map);
            if (gather.count >= BATCH)
                spt_collapse_finish(&vm->spt, &gather);
            /* At once, so that most of what the guest uses there does not fault. Where memory is missing, it will. */
            if (to_map.v != ~0ull && vm_memory_populate(vm, to_map, REGION) != 0)
                vm_want_recovery(vm, true);
            port_yield();
        }
    }
    spt_collapse_finish(&vm->spt, &gather);
    if (is_unfinished(&recovery))
        vm_want_recovery(vm, true);
    *result = recovery.result;
    return 0;
}

bool vm_memory_wants_recovery(const struct vm_memory *vm)
{
    return __atomic_load_n(&vm->wants_recovery, __ATOMIC_RELAXED);
}

/* Under the lock: the table that execution made the longest time ago. False: there is none. */
static bool recover_oldest(struct recovery *recovery, struct memslot_set *set)
{
    struct spt_mapping large;
    const struct shadow_page *page = spt_oldest_executed(&recovery->vm->spt);

    if (page == NULL)
        return false;

    const struct memslot *slot = memslots_find(set, page->gfn);
    if (slot != NULL && !memslots_is_invalid(set, slot) &&
        find_large(&recovery->result, set, slot, page->gfn, page->role.level + 1, &large) == NULL)
        collapse(recovery, &large);
    return true;
}

u64 vm_memory_recover_executed(struct vm_memory *vm, u64 max)
{
    TLB_GATHER(gather, vm);
    struct recovery recovery = { .vm = vm, .executed = true, .gather = &gather };
    struct spt *spt = &vm->spt;
    u64 left = counter_read(&spt->executed_count);

    /* What cannot become large now is the youngest afterwards, and is not looked at twice. */
    if (left > max)
        left = max;
    while (left != 0) {
        struct memslot_set *set = memslots_read_begin(&vm->slots);

        rwlock_lock(&spt->lock);
        for (unsigned tables = 0; tables < STEP && left != 0 && memslots_active(&vm->slots) == set; tables++)
            left = recover_oldest(&recovery, set) ? left - 1 : 0;
        rwlock_unlock(&spt->lock);
        memslots_read_end(set);
        if (gather.count >= BATCH)
            spt_collapse_finish(spt, &gather);
        port_yield();
    }
    spt_collapse_finish(spt, &gather);
    return recovery.result.collapsed;
}
