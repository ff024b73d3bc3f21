/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of dirty logging share: mm/dirty_log.h is for everybody else. */
#ifndef MM_DIRTY_INTERNAL_H
#define MM_DIRTY_INTERNAL_H

#include "mm/dirty_log.h"
#include "mm/table_cache.h"
#include "mm/tlb_gather.h"

/* One at a time collects, or changes who uses the log. Yields until it is this one's turn. */
void dirty_log_begin(struct dirty_log *log);
void dirty_log_end(struct dirty_log *log);

/* Between the two: whether `user` has a log here, whose start is over. */
bool dirty_log_has(const struct dirty_log *log, enum dirty_user user);

/*
 * Between the two, in a slot that cannot go away: takes what was written in gfns [first, end), and with `only` in that set, out
 * of the log of `user`; arms it; flushes once; and puts it into `report` (NULL: nobody wants to know). Yields.
 */
void dirty_log_collect(struct vm_memory *vm, struct dirty_log *log, enum dirty_user user, u64 first, u64 end,
                       const struct page_set *only, struct page_set *report);

/* The pages of a word (mm/page_set.h) that lie in [first, end). */
static inline u64 dirty_log_mask(u64 word, u64 first, u64 end)
{
    u64 at = word * PAGE_SET_WORD, mask = ~0ull;

    if (first > at)
        mask = first - at < PAGE_SET_WORD ? mask << (first - at) : 0;
    if (end < at + PAGE_SET_WORD)
        mask &= end > at ? ~(~0ull << (end - at)) : 0;
    return mask;
}

/*
 * Arms the pages of `words` in the region of 2M at `first`. It cannot fail. The flush is the caller's. No lock is held. The
 * gfn up to which there is nothing else to arm.
 */
gfn_t dirty_log_arm_region(struct vm_memory *vm, const struct dirty_log *log, gfn_t first, const u64 *words,
                           struct table_cache *cache, struct tlb_gather *gather);

#endif
