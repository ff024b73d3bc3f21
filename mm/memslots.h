/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slots of a VM, as two sets with the same content: readers use the active one while the other one is edited, then
 * they are swapped, and when the last reader has left the old one it is edited in the same way (M1, M5). A set finds its
 * slots by gfn, by hva and by id in O(log n), and has no part that grows with anything but the number of its slots (M9):
 * by id too this is a tree, because a hash either has a size for the largest VM or can fail when it grows (M2).
 *
 * A change is prepared, which can fail and changes nothing, and then done, which cannot fail (M2).
 */
#ifndef MM_MEMSLOTS_H
#define MM_MEMSLOTS_H

#include "mm/memslot.h"
#include "mm/striped.h"

struct STRIPED reader_count {
    u32 count; /* atomic; of readers on these processors */
};

struct memslot_set {
    /* set once: */
    unsigned index;
    /* whoever changes the slots, while nobody reads the set: */
    struct rb_tree by_gfn;
    struct rb_tree by_id;
    struct rb_tree by_hva;
    u64 count;
    u64 generation; /* of the slots that are in it */
    /* atomic: */
    struct memslot *last_used; /* in this set, or NULL (M6) */
    struct reader_count readers[STRIPES];
};

struct memslots {
    /* atomic: */
    u32 active;
    u32 changing;
    /* whoever changes the slots: */
    u64 generation;
    struct memslot_set set[2];
};

void memslots_init(struct memslots *slots);

/*
 * Between begin and end the set, its slots and their backings stay as they are. A reader may take locks and yield; who
 * changes the slots waits for it without a lock (M4), so a reader never waits for a change of slots, and makes none. It ends
 * on the processor where it began: tasks are bound to one. With _on() the caller knows the stripe() of it.
 */
static inline struct memslot_set *memslots_read_begin_on(struct memslots *slots, unsigned stripe)
{
    for (;;) {
        u32 active = atomic_read(&slots->active);
        u32 *readers = &slots->set[active].readers[stripe].count;

        /*
         * Count, then look again; publish() makes the other set active, then looks at the count. So a reader that
         * finds the set still active was counted before the changer looks. The second look also pairs with the exchange
         * there: who finds the set active finds it as it was edited.
         */
        atomic_add(readers, 1);
        if (atomic_read(&slots->active) == active)
            return &slots->set[active];
        /* It may be edited by now, and nothing of it was looked at. */
        atomic_add(readers, -1);
    }
}

static inline void memslots_read_end_on(struct memslot_set *set, unsigned stripe)
{
    /* Pairs with the load in publish(): who finds the count 0 comes after all that the reader did with the set. */
    u32 readers = atomic_add(&set->readers[stripe].count, -1);

    assert(readers != 0);
    (void)readers;
}

struct memslot_set *memslots_read_begin(struct memslots *slots);
void memslots_read_end(struct memslot_set *set);

/* Whether somebody reads the set; for who has made the other one active, no new reader comes. */
bool memslots_is_read(const struct memslot_set *set);

/* The slot at `gfn`, also an invalid one, or NULL. */
struct memslot *memslots_find(struct memslot_set *set, gfn_t gfn);

/* The slot at `gfn` or, where there is none, the next one above; NULL: there is none either. */
struct memslot *memslots_find_from(struct memslot_set *set, gfn_t gfn);

struct memslot *memslots_find_id(struct memslot_set *set, u32 id);

/* The slots that show a part of [first, last], in the order of hva; NULL at the end. */
struct memslot *memslots_first_hva(struct memslot_set *set, hva_t first, hva_t last);
struct memslot *memslots_next_hva(struct memslot_set *set, const struct memslot *slot, hva_t first, hva_t last);

/* All slots of a set in the order of gfn; NULL at the end. */
struct memslot *memslots_first(const struct memslot_set *set);
struct memslot *memslots_next(const struct memslot_set *set, const struct memslot *slot);

/* Whether the slot is on its way out: nothing new is mapped (M3). */
static inline bool memslots_is_invalid(const struct memslot_set *set, const struct memslot *slot)
{
    return slot->invalid[set->index];
}

/* Where writes to the slot are logged; NULL: nowhere. */
static inline struct dirty_log *memslots_log(const struct memslot_set *set, const struct memslot *slot)
{
    return slot->log[set->index];
}

/*
 * One change at a time: 0, -EBUSY. The end is memslots_end_change(). In between the changer itself may look at the active
 * set without memslots_read_begin().
 */
static inline int memslots_begin_change(struct memslots *slots)
{
    /* Pairs with the store in memslots_end_change(): the next changer finds both sets as the last one left them. */
    return atomic_xchg(&slots->changing, 1) != 0 ? -EBUSY : 0;
}

static inline bool memslots_is_changing(const struct memslots *slots)
{
    return __atomic_load_n(&slots->changing, __ATOMIC_RELAXED) != 0;
}

static inline void memslots_end_change(struct memslots *slots)
{
    assert(memslots_is_changing(slots));
    atomic_write(&slots->changing, 0);
}

static inline struct memslot_set *memslots_active(struct memslots *slots)
{
    return &slots->set[atomic_read(&slots->active)];
}

/*
 * Between begin and end of a change: whether a slot like `wanted` could be added, or take the place of `old` (NULL: of
 * none): 0, -EEXIST (its id or a part of its gfn range is another slot's).
 */
int memslots_check(struct memslots *slots, const struct memslot *wanted, const struct memslot *old);

/*
 * Between begin and end of a change. Each is one new generation, is seen at once as a whole, and returns when no reader
 * uses the slots as they were before. It yields; no lock is held.
 */
void memslots_insert(struct memslots *slots, struct memslot *slot);
void memslots_invalidate(struct memslots *slots, struct memslot *slot);
/* Of a slot that is invalid. */
void memslots_remove(struct memslots *slots, struct memslot *slot);
/* `slot` takes the place of `old`, which may be anywhere else and has the same id. */
void memslots_replace(struct memslots *slots, struct memslot *old, struct memslot *slot);
/* NULL: not logged any more. What the slot had before is the caller's. */
void memslots_set_log(struct memslots *slots, struct memslot *slot, struct dirty_log *log);

#endif
