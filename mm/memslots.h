/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slots of a VM, as two sets with the same content: readers use the active one while the other one is edited, then
 * they are swapped, and the other one is edited in the same way (M1, M5). A set finds its slots by gfn, by hva and by id
 * in O(log n), and has no part that grows with anything but the number of its slots (M9): by id too this is a tree,
 * because a hash either has a size for the largest VM or can fail when it grows (M2).
 *
 * A change is prepared, which can fail and changes nothing, and then done, which cannot fail (M2).
 */
#ifndef MM_MEMSLOTS_H
#define MM_MEMSLOTS_H

#include "mm/memslot.h"

struct memslot_set {
    struct rb_tree by_gfn;
    struct rb_tree by_id;
    struct rb_tree by_hva;
    u64 count;
    u64 generation;            /* of the slots that are in it */
    struct memslot *last_used; /* atomic; in this set and valid, or NULL (M6) */
};

struct memslots {
    /* atomic: */
    unsigned active;
    /* whoever changes the slots: */
    bool changing;
    u64 generation;
    struct memslot_set set[2];
};

void memslots_init(struct memslots *slots);

/* The set that readers use, until their next port_yield(). */
struct memslot_set *memslots_active(struct memslots *slots);

/* The slot at `gfn`, also an invalid one, or NULL. */
struct memslot *memslots_find(struct memslots *slots, gfn_t gfn);

struct memslot *memslots_find_id(struct memslots *slots, u32 id);

/* The slots that show a part of [first, last], in the order of hva; NULL at the end. */
struct memslot *memslots_first_hva(struct memslots *slots, hva_t first, hva_t last);
struct memslot *memslots_next_hva(struct memslots *slots, const struct memslot *slot, hva_t first, hva_t last);

/* All slots of set `index` in the order of gfn; NULL at the end. */
struct memslot *memslots_first(const struct memslots *slots, unsigned index);
struct memslot *memslots_next(const struct memslot *slot, unsigned index);

/* Whether the active set has it as invalid. */
bool memslots_is_invalid(const struct memslots *slots, const struct memslot *slot);

/* Whether a slot like `wanted` could be added: 0, -EEXIST (its id or a part of its gfn range is taken). */
int memslots_check(struct memslots *slots, const struct memslot *wanted);

/* One change at a time: 0, -EBUSY. The end is memslots_end_change(). */
int memslots_begin_change(struct memslots *slots);
void memslots_end_change(struct memslots *slots);

/* Between begin and end. Each is one new generation. */
void memslots_insert(struct memslots *slots, struct memslot *slot);
void memslots_invalidate(struct memslots *slots, struct memslot *slot);
/* Of a slot that is invalid. When it returns nobody can find it any more. */
void memslots_remove(struct memslots *slots, struct memslot *slot);

#endif
