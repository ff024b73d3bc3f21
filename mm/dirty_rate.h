/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many pages of a running VM are written in a period of time. There is no clock here: the caller waits between begin and
 * sample, and between samples, and knows for how long.
 *
 * Two ways to see it, each with and without large pages:
 *  - D bits of the entries: the cheapest. A large page counts as a whole, so the number is the most it can be, unless `small`
 *    splits large pages first. Who unmaps a page, or takes it out of a dirty log, takes its D bit with it: see `disturbed`.
 *  - a dirty log of our own (DIRTY_RATE, mm/dirty_log.h): always in pages of 4K, and nothing is missed. `small` splits all
 *    large pages at the begin; without it each is split by the first write to it (DIRTY_LAZY), so that what is not written
 *    stays large, and the first write to a piece costs a fault.
 * Dirty logs of others go on undisturbed by either. What became small stays so: the caller runs vm_memory_recover()
 * (mm/recover.h) after the end.
 *
 * One measurement of a VM at a time. Its slots may change meanwhile: what was written to a slot that has gone is forgotten,
 * one that came is measured from the next sample on. Functions yield in bounded steps and hold no lock then.
 */
#ifndef MM_DIRTY_RATE_H
#define MM_DIRTY_RATE_H

#include "mm/list.h"
#include "mm/page_set.h"

struct vm_memory;
struct spt;

enum rate_method { RATE_BY_D_BITS, RATE_BY_LOG };

/* The caller's memory; set and used by what follows only. */
struct dirty_rate {
    /* the lock of the list of measurements: */
    struct list_node link;
    /* set once: */
    struct vm_memory *vm;
    enum rate_method method;
    bool small;
    struct page_set *period; /* what is found, until it is counted; empty between the calls */
    struct page_set *seen;   /* in all samples */
    /* the caller: */
    u64 seen_count;
    bool is_disturbed; /* there were logs when this period began */
};

struct dirty_sample {
    u64 pages;     /* different pages that were written since the begin, or since the last sample */
    u64 new_pages; /* of which in no sample of this measurement before */
    /* RATE_BY_D_BITS: entries with D by level, in all views; a large one is in `pages` as a whole. */
    u64 leaves[LEVEL_1G + 1];
    /* RATE_BY_D_BITS: a slot is logged, or was in this period, so `pages` may miss what a harvest has taken out. */
    bool disturbed;
};

/*
 * The first period begins when it returns. 0, -EINVAL (no such method), -ENOTSUP (the processor has no D bits), -EBUSY (another
 * measurement of this VM is on its way, or somebody changes its slots), -ENOENT (there is no slot), -ENOMEM: then all is as
 * before, but that large pages may have been split.
 */
int dirty_rate_begin(struct vm_memory *vm, enum rate_method method, bool small, struct dirty_rate *rate);

/*
 * The period ends and the next one begins. Where memory does not suffice, `pages` and `new_pages` are more than there were,
 * never less. Pages outside of the span that slots had at the begin are not counted.
 */
void dirty_rate_sample(struct dirty_rate *rate, struct dirty_sample *sample);

/* After a begin that succeeded, and before vm_memory_destroy(). */
void dirty_rate_end(struct dirty_rate *rate);

/* ---- inside mm/ (mm/spt_range.c) */

/*
 * Takes the D bits of all leaves in [first, end), in all roots, puts the pages into `pages` and counts the leaves by level.
 * One flush at the end, if there was any. No lock is held. Yields.
 */
void spt_take_dirty(struct spt *spt, gfn_t first, gfn_t end, struct page_set *pages, u64 leaves[LEVEL_1G + 1]);

#endif
