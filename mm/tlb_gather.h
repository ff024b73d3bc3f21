/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was removed from a tree and may be freed only after a flush (P2). The flush is part of the type: releasing, or
 * leaving the scope of the variable, without the flush that is due is an assertion (P5).
 *
 *     TLB_GATHER(gather, vm);
 *     … change entries, passing &gather …
 *     tlb_gather_finish(&gather);      = tlb_gather_flush(), tlb_gather_release()
 */
#ifndef MM_TLB_GATHER_H
#define MM_TLB_GATHER_H

#include "mm/shadow_page.h"

struct vm_memory;

struct tlb_gather {
    struct vm_memory *vm;
    bool needs_flush;
    u64 count;               /* of `tables` */
    u64 given_up;            /* references to tables, since the gather began: the work that was done */
    struct list_node tables; /* struct shadow_page, unlinked from the tree */
};

#define TLB_GATHER(name, memory)                                                         \
    __attribute__((cleanup(tlb_gather_drop))) struct tlb_gather name = { .vm = (memory), \
                                                                         .tables = LIST_EMPTY((name).tables) }

/*
 * A translation is removed that processors may still use. Under the lock of the tables, and before the entry changes where
 * that is shared: who finds the entry changed finds this too, with tlb_gather_join().
 */
void tlb_gather_note(struct tlb_gather *gather);

/*
 * For an operation that promises that nobody uses something any more: it may have found that somebody else has removed it,
 * who has not flushed yet. Under the lock, after looking.
 */
void tlb_gather_join(struct tlb_gather *gather);

/* As tlb_gather_note(), and the table goes back when that is over. It is in no list any more. */
void tlb_gather_table(struct tlb_gather *gather, struct shadow_page *page);

/* Flushes if something needs it. No lock is held. */
void tlb_gather_flush(struct tlb_gather *gather);

/* Frees what was collected. Flushed before. */
void tlb_gather_release(struct tlb_gather *gather);

void tlb_gather_finish(struct tlb_gather *gather);

/* The end of the variable: nothing may be left in it. */
void tlb_gather_drop(struct tlb_gather *gather);

#endif
