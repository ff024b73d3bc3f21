/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backing is memory that guests are given: an extent of the hva space with a map from page to frame, in pieces of 4K,
 * 2M and 1G, filled at creation or on demand. One backing may appear in several slots and several VMs.
 *
 * The map changes under guests that use it: mm/backing_change.h. What that means for a fault is here: it notes
 * backing_sequence(), resolves its page, and under the VM's lock asks backing_is_current() before it installs (R1, R2).
 */
#ifndef MM_BACKING_H
#define MM_BACKING_H

#include "mm/types.h"

struct backing;

enum { BACKING_ON_DEMAND = 1u << 0 };

/* `npages` pages of zeros, with one reference, the caller's. 0, -ENOMEM (nothing is kept), -EINVAL (npages 0 or too many). */
int backing_create(u64 npages, u32 flags, struct backing **backing);

/* One more reference. */
void backing_get(struct backing *backing);

/* Drops a reference; the last one (slots hold one each) frees the frames. Yields. */
void backing_put(struct backing *backing);

/* The extent: page n of the backing is at hva + n * PAGE_SIZE. The hva is aligned to 1 GiB. */
hva_t backing_hva(const struct backing *backing);
u64 backing_pages(const struct backing *backing);

/* Where a page is. */
struct backing_page {
    pfn_t pfn;
    enum level level; /* of the piece that it lies in: frames are contiguous and aligned in it */
    bool writable;    /* false: the frame is shared with another page, and a write needs a copy first */
};

/* 0, -ENOENT (there is no frame yet), -EIO (the frame went bad and its content is lost). */
int backing_lookup(const struct backing *backing, u64 page, struct backing_page *found);

/*
 * As backing_lookup(), but where there is no frame yet puts a piece of zeros: the largest, up to `largest` and 2M, that
 * the extent and free memory allow. With `write` a shared frame is replaced by a copy; that invalidates the page, so no
 * lock is held. 0, -ENOMEM (nothing is kept), -EIO, -EAGAIN (the page is being invalidated by somebody else).
 */
int backing_resolve(struct backing *backing, u64 page, enum level largest, bool write, struct backing_page *found);

/* Moves when an invalidation of any page ends; read before a page is resolved (R1). */
u64 backing_sequence(const struct backing *backing);

/* Whether a part of [first, end) is being invalidated now. Without a lock of the VM that is only a hint (R2). */
bool backing_is_changing(const struct backing *backing, u64 first, u64 end);

/*
 * Under the lock of a VM that shows it: whether what was found for `page` after `sequence` was read may be mapped as a leaf
 * of `level`. If so, every later invalidation of any page of the leaf finds the leaf, because it takes this lock. An
 * invalidation of other pages is no reason to say no (R8).
 */
bool backing_is_current(const struct backing *backing, u64 sequence, u64 page, const struct backing_page *found,
                        enum level level);

/* Pages of all backings that have a frame, each shared frame counted once, counted in the maps themselves (mm/audit.c). */
u64 backing_audit_frames(void);

#endif
