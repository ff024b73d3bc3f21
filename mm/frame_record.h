/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a frame to the object that describes it, for the few frames that need one: today the EPT tables (mm/shadow_page.c).
 *
 * A pointer for every frame of RAM would cost 0.2 % of the machine for a few thousand tables. A hash would need chains,
 * which a reader has to be protected from while they change. This is the pointer array, kept sparse: one word for each
 * 2 MiB of RAM (beside the frame allocator's map), that leads to a page of 512 pointers only where at least one of those
 * frames has a record. A lookup is two dependent loads and no lock.
 */
#ifndef MM_FRAME_RECORD_H
#define MM_FRAME_RECORD_H

#include "mm/types.h"

/* `pfn` has no record yet. 0 or -ENOMEM. */
int frame_record_set(pfn_t pfn, void *record);

/* NULL where there is none. */
void *frame_record_get(pfn_t pfn);

void frame_record_clear(pfn_t pfn);

#endif
