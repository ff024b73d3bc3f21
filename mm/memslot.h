/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A memslot shows a part of a backing as guest memory, at [base, base + npages). What is set once never changes, so
 * readers need no lock; a slot that must differ is another slot. Only its log comes and goes with it in its place, in one set
 * and then in the other.
 *
 * Each slot has two of every node, one for each of the two sets of its VM (mm/memslots.h).
 */
#ifndef MM_MEMSLOT_H
#define MM_MEMSLOT_H

#include "mm/backing.h"
#include "mm/ept.h"
#include "mm/interval_tree.h"
#include "mm/striped.h"
#include "mm/vm_memory.h"

struct dirty_log;

/*
 * Most of what an operation on one slot among many costs is cache misses on the way down the trees. So each search finds all
 * that it looks at of a slot in one cache line, and what it changes there in one set is near when it changes the other.
 */
struct __attribute__((aligned(CACHE_LINE))) memslot {
    /* set once: */
    gfn_t base;
    u64 npages;
    /* whoever changes that set: */
    struct rb_node by_gfn[2];
    /* set once: */
    u32 id;
    u32 flags;          /* MEMSLOT_READ_ONLY, see mm/vm_memory.h */
    enum level largest; /* of its EPT entries */
    /* whoever changes that set: */
    bool invalid[2]; /* it is on its way out there: nothing new is mapped (M3) */
    struct rb_node by_id[2];
    /* set once: */
    struct backing *backing; /* a reference */
    u64 offset;              /* page of the backing that `base` shows */
    /* whoever changes that set: */
    struct interval_node by_hva[2];
    struct dirty_log *log[2]; /* NULL: writes are not logged. Its last slot's to destroy */
};

/* What is set once is as in `wanted`, maybe a slot itself; with a reference to its backing, in no set yet. NULL: no memory. */
struct memslot *memslot_create(const struct memslot *wanted);

/* Its log, for whoever changes slots, between two changes: readers ask memslots_log(). */
static inline struct dirty_log *memslot_log(const struct memslot *slot)
{
    return slot->log[0];
}

/* The permissions (EPT_READ | …) with which a page may be mapped at most; `writable` is backing_page.writable. */
static inline u64 memslot_permissions(const struct memslot *slot, bool writable)
{
    return slot->flags & MEMSLOT_READ_ONLY || !writable ? EPT_READ | EPT_EXECUTE : EPT_PERMISSIONS;
}

/* In no set any more. Its log goes too: who gives that to another slot takes it out of this one before. */
void memslot_destroy(struct memslot *slot);

/*
 * All zeros, or NULL: no memory. Where there is a log there is a slot: so the log lies among the slots, and not alone in a frame
 * that comes and goes with it.
 */
struct dirty_log *memslot_alloc_log(void);
void memslot_free_log(struct dirty_log *log);

static inline gfn_t memslot_end(const struct memslot *slot)
{
    return (gfn_t){ slot->base.v + slot->npages };
}

static inline bool memslot_holds(const struct memslot *slot, gfn_t gfn)
{
    return gfn.v - slot->base.v < slot->npages;
}

/* The page of the backing that `gfn`, which the slot holds, shows. */
static inline u64 memslot_page(const struct memslot *slot, gfn_t gfn)
{
    return slot->offset + (gfn.v - slot->base.v);
}

#endif
