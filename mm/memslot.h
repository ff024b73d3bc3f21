/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A memslot shows a part of a backing as guest memory, at [base, base + npages). What is set once never changes, so
 * readers need no lock; a slot that must differ is another slot.
 *
 * Each slot has two of every node, one for each of the two sets of its VM (mm/memslots.h).
 */
#ifndef MM_MEMSLOT_H
#define MM_MEMSLOT_H

#include "mm/backing.h"
#include "mm/interval_tree.h"

struct dirty_log;

struct memslot_node {
    struct rb_node by_gfn;
    struct rb_node by_id;
    struct interval_node by_hva;
    bool invalid; /* in this set it is on its way out: nothing new is mapped (M3) */
};

struct memslot {
    /* set once: */
    u32 id;
    u32 flags;          /* MEMSLOT_READ_ONLY, see mm/vm_memory.h */
    enum level largest; /* of its EPT entries */
    gfn_t base;
    u64 npages;
    struct backing *backing; /* a reference */
    u64 offset;              /* page of the backing that `base` shows */
    struct dirty_log *log;   /* NULL: writes are not logged. Its last slot's to destroy */
    /* whoever changes that set: */
    struct memslot_node node[2];
};

/* A copy of `wanted`, maybe a slot itself, with a reference to its backing, in no set yet. NULL: no memory. */
struct memslot *memslot_create(const struct memslot *wanted);

/* The permissions (EPT_READ | …) with which a page may be mapped at most; `writable` is backing_page.writable. */
u64 memslot_permissions(const struct memslot *slot, bool writable);

/* In no set any more. Its log goes too: who gives that to another slot takes it out before. */
void memslot_destroy(struct memslot *slot);

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
