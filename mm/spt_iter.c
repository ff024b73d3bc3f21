/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/spt_iter.h. */
#include "mm/spt_iter.h"

#include "mm/port.h"
#include "mm/pte.h"
#include "mm/spt.h"

static void stand_at(struct spt_iter *it, enum level level, gfn_t gfn)
{
    it->level = level;
    it->gfn = (gfn_t){ gfn.v & ~(level_pages(level) - 1) };
    it->old = pte_read(spt_iter_entry(it));
}

struct shadow_page *spt_iter_page(const struct spt_iter *it)
{
    return shadow_page_of(port_frame_of(it->tables[it->level]));
}

void spt_iter_start(struct spt_iter *it, struct spt *spt, const struct shadow_page *root, gfn_t gfn)
{
    enum level level = root->role.level;

    /* Not all of it is cleared: of the tables that are not on the way only the one above is looked at (spt_iter_at_root()). */
    it->spt = spt;
    if (level < LEVEL_256T)
        it->tables[level + 1] = NULL;
    it->tables[level] = port_frame_address(root->frame);
    stand_at(it, level, gfn);
}

void spt_iter_down(struct spt_iter *it, gfn_t gfn)
{
    assert(ept_is_table(it->old, it->level));
    assert(gfn.v >= it->gfn.v && gfn.v < spt_iter_end(it).v);
    it->tables[it->level - 1] = port_frame_address(ept_frame(it->old));
    stand_at(it, it->level - 1, gfn);
}

void spt_iter_up(struct spt_iter *it)
{
    assert(!spt_iter_at_root(it));
    stand_at(it, it->level + 1, it->gfn);
}

bool spt_iter_next(struct spt_iter *it)
{
    if (ept_index(it->gfn, it->level) == EPT_ENTRIES - 1)
        return false;
    stand_at(it, it->level, spt_iter_end(it));
    return true;
}

bool spt_iter_forward(struct spt_iter *it, gfn_t end)
{
    while (spt_iter_end(it).v >= end.v || !spt_iter_next(it)) {
        if (spt_iter_at_root(it))
            return false;
        spt_iter_up(it);
    }
    return true;
}
