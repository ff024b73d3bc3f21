/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One word about a frame, for the few frames that need one: a pointer to the object that describes it (EPT tables,
 * mm/shadow_page.c), or a count (guests' frames that are shared, mm/frame_share.h).
 *
 * A word for every frame of RAM would cost 0.2 % of the machine for a few thousand tables. A hash would need chains,
 * which a reader has to be protected from while they change. This is the array of words, kept sparse: one word for each
 * 2 MiB of RAM (beside the frame allocator's map), that leads to a page of 512 records only where at least one of those
 * frames has a record. A leaf lock guards it all; inside, only the frame allocator's is taken.
 *
 * A pointer is read without the lock, in two dependent loads: who asks for it keeps it alive (it holds the VM's lock, or
 * owns the table), and while there is one record in a page of them, the page stays. A count is read under the lock: it
 * is asked for frames that have none, whose page may go at any time.
 */
#ifndef MM_FRAME_RECORD_H
#define MM_FRAME_RECORD_H

#include "mm/types.h"

/* `pfn` has no record yet. `record` is even, and not NULL. 0 or -ENOMEM. */
int frame_record_set(pfn_t pfn, void *record);

/* The pointer that `pfn` has. NULL: it has none, and that is known only where nobody changes records around it. */
void *frame_record_get(pfn_t pfn);

void frame_record_clear(pfn_t pfn);

/* 0 where there is none. The frame has no pointer. */
u64 frame_count_get(pfn_t pfn);

/*
 * Adds to the count of a frame that has no pointer; *value is what it is then, never below 0. The record appears with the first
 * count and vanishes at 0. 0, or -ENOMEM if a record had to be made: nothing has changed.
 */
int frame_count_add(pfn_t pfn, s64 change, u64 *value);

#endif
