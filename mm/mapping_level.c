/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/mapping_level.h. */
#include "mm/mapping_level.h"

static enum level level_up_to(const struct memslot *slot, gfn_t gfn, enum level piece)
{
    enum level level = piece;

    while (level > LEVEL_4K && !mapping_fits(slot, gfn, level))
        level--;
    return level;
}

enum level mapping_level(const struct memslot *slot, const struct dirty_log *log, gfn_t gfn, enum level piece)
{
    return log != NULL ? LEVEL_4K : level_up_to(slot, gfn, piece);
}

enum level mapping_piece(const struct memslot *slot, gfn_t gfn)
{
    return level_up_to(slot, gfn, LEVEL_1G);
}
