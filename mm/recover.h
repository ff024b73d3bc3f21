/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way back to large pages: after a dirty log, a balloon, or anything else that made pages of a VM small and is over. In
 * bounded steps while the guest runs; faults go on between them.
 */
#ifndef MM_RECOVER_H
#define MM_RECOVER_H

#include "mm/types.h"

struct vm_memory;

enum recover_how {
    RECOVER_IN_PLACE, /* where the memory is one piece, its small entries become a large one; nothing faults */
    RECOVER_COMPACT,  /* the same, and what is scattered is brought together first, which copies it */
    RECOVER_LAZILY, /* small entries are dropped where large ones can be; the next access to each piece faults it in */
};

struct recover_result {
    u64 collapsed; /* tables that a large entry took the place of */
    u64 compacted; /* regions of 2M that were brought together */
    u64 dropped;   /* regions of 2M that were unmapped */
    /* Regions of 2M that stay small, by what is in the way: */
    u64 logged;
    u64 scattered; /* the frames; also where no block was free, or the budget was used up */
    u64 shared;    /* frames that other pages lead to, and a write needs a copy */
    u64 absent;    /* a part has no memory, or a table is empty */
    u64 edges;     /* the slot does not hold the whole region, has another offset in it, or permits none */
    u64 changing;  /* an invalidation is in flight */
    u64 different; /* the entries are not alike in some root */
    u64 executed;  /* a part is executed: see vm_memory_recover_executed() */
};

/*
 * Large pages for what slots show of the regions that lie wholly in [first, first + npages). Slots that are logged stay as
 * they are (C2). RECOVER_COMPACT copies at most `budget` regions. 0, -EINVAL (there is no such way).
 */
int vm_memory_recover(struct vm_memory *vm, gfn_t first, u64 npages, enum recover_how how, u64 budget,
                      struct recover_result *result);

/*
 * Whether something has ended since the last recovery of everything that may have left pages small, or a large page was split
 * because it was executed. A hint.
 */
bool vm_memory_wants_recovery(const struct vm_memory *vm);

/*
 * Where large entries are not executable (C7): looks at the `max` tables that execution made the longest time ago, and makes
 * large entries of them again. Code that still runs there faults, and splits them again. How many it made.
 */
u64 vm_memory_recover_executed(struct vm_memory *vm, u64 max);

#endif
