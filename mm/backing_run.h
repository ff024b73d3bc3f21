/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of a backing whose frames follow each other: what is found, and asked, once for all of them. For operations on ranges,
 * which map them as pages of 4K; otherwise as mm/backing.h says for one page.
 */
#ifndef MM_BACKING_RUN_H
#define MM_BACKING_RUN_H

#include "mm/backing.h"

struct backing_run {
    struct backing_page first; /* where the first page is */
    u64 count;                 /* pages; page n has frame first.pfn + n, and all are as writable as the first */
};

/*
 * As backing_resolve() for reading `page`, with up to `most` pages from it on. A run ends where its piece of 2M or more does,
 * or in small pieces at a multiple of 512. Only the first page is filled on demand. 0, -ENOMEM, -EIO (the page is lost).
 */
int backing_resolve_run(struct backing *backing, u64 page, enum level largest, u64 most, struct backing_run *run);

/* As backing_is_current() for all of them, as leaves of 4K. */
bool backing_run_is_current(const struct backing *backing, u64 sequence, u64 page, const struct backing_run *run);

#endif
