/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/mapping_level.h. */
#include "mm/mapping_level.h"

#include "mm/vm.h"

static bool processor_has(enum level level)
{
    return level == LEVEL_1G ? mm_caps()->page_1g : mm_caps()->page_2m;
}

static bool fits(const struct memslot *slot, gfn_t gfn, enum level level)
{
    u64 mask = level_pages(level) - 1;
    u64 first = gfn.v & ~mask;

    return ((slot->base.v ^ slot->offset) & mask) == 0 && first >= slot->base.v &&
           memslot_end(slot).v - first >= level_pages(level);
}

static enum level level_up_to(const struct memslot *slot, gfn_t gfn, enum level piece)
{
    enum level level = piece < slot->largest ? piece : slot->largest;

    while (level > LEVEL_4K && !(processor_has(level) && fits(slot, gfn, level)))
        level--;
    return level;
}

enum level mapping_level(const struct memslot *slot, gfn_t gfn, enum level piece)
{
    return slot->log != NULL ? LEVEL_4K : level_up_to(slot, gfn, piece);
}

enum level mapping_piece(const struct memslot *slot, gfn_t gfn)
{
    return level_up_to(slot, gfn, LEVEL_1G);
}
