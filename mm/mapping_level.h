/* SPDX-License-Identifier: BSD-2-Clause */
/* The one answer to "how large can the EPT entry for this guest frame be?", for fault, split and collapse alike (C9). */
#ifndef MM_MAPPING_LEVEL_H
#define MM_MAPPING_LEVEL_H

#include "mm/vm.h"

/*
 * Whether a large entry of `level` may map `gfn` as far as slot and processor are concerned: wholly inside the slot, and with
 * the same offset in guest frame and backing (C5).
 */
static inline bool mapping_fits(const struct memslot *slot, gfn_t gfn, enum level level)
{
    const struct mm_caps *caps = mm_caps();
    u64 pages = level_pages(level), mask = pages - 1;
    /* Of the slot's pages; beyond all of them where it begins before the slot. */
    u64 first = (gfn.v & ~mask) - slot->base.v;

    return level <= slot->largest && (level == LEVEL_1G ? caps->page_1g : caps->page_2m) &&
           ((slot->base.v ^ slot->offset) & mask) == 0 && slot->npages >= pages && first <= slot->npages - pages;
}

/*
 * The largest level, up to `piece` (the level of the backing's piece, or the one that is wanted, C6), at which `gfn` of
 * `slot` may be mapped: where it fits. A slot whose writes are logged has small ones only (C2).
 */
enum level mapping_level(const struct memslot *slot, const struct dirty_log *log, gfn_t gfn, enum level piece);

/* The same for the piece that the backing shall have, which stays when the slot is not logged any more. */
enum level mapping_piece(const struct memslot *slot, gfn_t gfn);

#endif
