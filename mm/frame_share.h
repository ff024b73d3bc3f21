/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many pages of backings lead to one guest frame. Most frames have one, and need no record; the count of the others
 * stands where mm/frame_record.h keeps one word for a frame.
 *
 * A page that leads to a shared frame is marked so in its backing's map, and is not written. Pages are added to a frame only
 * by who holds an invalidation of one that leads to it already; so for that one "not shared" does not change any more.
 */
#ifndef MM_FRAME_SHARE_H
#define MM_FRAME_SHARE_H

#include "mm/types.h"

/* One more page leads to the frame. 0, -ENOMEM (nothing has changed). */
int frame_share(pfn_t pfn);

/* A page does not lead to it any more. Whether it was the last one: then the frame is the caller's to free. */
bool frame_unshare(pfn_t pfn);

/* Whether more than one page leads to it. */
bool frame_is_shared(pfn_t pfn);

/* For backing_audit_frames(): the frames that are shared, and how many pages lead to them. */
struct frame_share_stats {
    u64 frames, pages;
};
struct frame_share_stats frame_share_get_stats(void);

#endif
