/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backing is memory that guests are given: an extent of the hva space with a map from page to frame, in pieces of 4K,
 * 2M and 1G, filled at creation or on demand. One backing may appear in several slots and several VMs.
 */
#ifndef MM_BACKING_H
#define MM_BACKING_H

#include "mm/types.h"

struct backing;

enum { BACKING_ON_DEMAND = 1u << 0 };

/* `npages` pages of zeros, with one reference, the caller's. 0, -ENOMEM (nothing is kept), -EINVAL (npages 0 or too many). */
int backing_create(u64 npages, u32 flags, struct backing **backing);

/* Drops a reference; the last one (slots hold one each) frees the frames. */
void backing_put(struct backing *backing);

/* The rest is for mm/. */

/* One more reference. */
void backing_get(struct backing *backing);

/* The extent: page n of the backing is at hva + n * PAGE_SIZE. The hva is aligned to 1 GiB. */
hva_t backing_hva(const struct backing *backing);
u64 backing_pages(const struct backing *backing);

/* The frame of `page`, and the level of the piece it lies in. 0, -ENOENT (there is none yet). */
int backing_lookup(const struct backing *backing, u64 page, pfn_t *pfn, enum level *level);

/*
 * As backing_lookup(), but where there is no frame yet puts a piece of zeros: the largest, up to `largest` and 2M, that
 * the extent and free memory allow. 0, -ENOMEM (nothing is kept).
 */
int backing_fill(struct backing *backing, u64 page, enum level largest, pfn_t *pfn, enum level *level);

/* Pages of all backings that have a frame, counted in the maps themselves (for mm/audit.c). */
u64 backing_audit_frames(void);

#endif
