/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What changes the frames behind the pages of a backing while guests run: balloon, compaction, sharing with copy on write,
 * and frames that went bad. Each is an invalidation (mm/invalidation.h). All yield; no lock is held.
 */
#ifndef MM_BACKING_CHANGE_H
#define MM_BACKING_CHANGE_H

#include "mm/backing.h"

/*
 * Balloon: frees the frames of [first, first + npages). What is touched again is a new page of zeros. 0, -ENOMEM: a part
 * of a large shared piece stays as it is, because there is no memory to split it; all else is done.
 */
int backing_punch(struct backing *backing, u64 first, u64 npages);

/* Gives every page of the range a frame. 0, -ENOMEM (a part may have been filled), -EIO (some page is lost). */
int backing_populate(struct backing *backing, u64 first, u64 npages);

/*
 * Moves `page` to another frame, for example out of a block that shall become free. Where the frame is shared, other pages
 * stay with it. 0, -ENOENT, -ENOMEM, -EIO.
 */
int backing_migrate(struct backing *backing, u64 page);

/*
 * Compaction: moves the 512 pages of the 2M region around `page` into one aligned block, so that it can be mapped large
 * again. Pages without a frame become zeros. 0 (also where they are one already), -ENOMEM (no free block), -EINVAL (the
 * region reaches beyond the backing), -EIO, -EBUSY (a page of it is shared).
 */
int backing_compact(struct backing *backing, u64 page);

/*
 * Another backing with the same content. Frames are shared, and copied by whoever writes first. Guests that write meanwhile
 * write before or after, page by page. 0, -ENOMEM.
 */
int backing_clone(struct backing *backing, struct backing **clone);

/* Makes two pages share one frame if their content is equal. 0, -ENOENT (a page has no frame), -EINVAL (it differs), -ENOMEM. */
int backing_share(struct backing *a, u64 page_a, struct backing *b, u64 page_b);

/*
 * Takes a frame out of use for good. With `content` (a frame that corrected errors too often) pages that lead to it get a
 * copy; without, what it held is lost: FAULT_LOST for whoever touches it. 0, -ENOMEM (no frame for the copy),
 * -EBUSY (it is the hypervisor's own, or a table, or no backing's for long), -ENOENT (no RAM).
 */
int memory_retire(pfn_t pfn, bool content);

#endif
