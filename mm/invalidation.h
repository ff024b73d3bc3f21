/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The right to change what pages of a backing lead to. Between begin and end no guest, no processor and no access of the
 * hypervisor on a guest's behalf uses the frames of [first, end), in whatever VM and slot they are shown, and nobody else
 * changes this part of the map. Faults there are retried until the end; faults elsewhere do not notice (R8).
 *
 * begin: published in the backing; then, in every VM that shows a part of it, zapped under the VM's lock, flushed. A fault
 * that resolved its page before has either installed it by then, and is zapped, or finds the invalidation (R2). The state
 * belongs to the backing and its pages, not to slots or gfns: so it does not matter which slots come, go or move meanwhile
 * (R7), and a gfn without a slot is never in its range (R5).
 */
#ifndef MM_INVALIDATION_H
#define MM_INVALIDATION_H

#include "mm/list.h"

struct backing;

struct invalidation {
    struct backing *backing;
    u64 first, end;        /* pages */
    struct list_node link; /* in the backing's list, under its lock */
};

/* Waits for invalidations of the same pages. Yields; no lock is held. Who needs two begins with the lower hva. */
void invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end);

/* The same, but does not wait: false, nothing is done, if a part of the pages is being invalidated. */
bool invalidation_try_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end);

/*
 * Between begin and end: what the pages hold has become something else, so slots that show them and log writes have it in
 * their logs.
 */
void invalidation_mark_dirty(const struct invalidation *invalidation);

/* The sequence moves before the invalidation is gone (R6). */
void invalidation_end(struct invalidation *invalidation);

#endif
