/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Removing a range: leaves one by one where the range covers only a part of a table, whole 4K tables where it covers all
 * of it, and every table that is empty when the walk leaves it, so nothing stays behind without a use (H1). Needs
 * exclusive ownership of the tree (H4).
 */
#include "mm/spt.h"

#include "mm/atomic.h"
#include "mm/port.h"

/* Tables, of 512 entries each, that are taken apart in one step: about half a millisecond. */
enum { ZAP_STEP = 128 };

static void clear_entry(struct spt_iter *it, struct tlb_gather *gather)
{
    /* Only hardware, setting A and D, can be in the way: at most twice. */
    while (!spt_set_entry(it, EPT_EMPTY, gather))
        ;
}

/* To the next entry below `end` in the order of gfn. False: there is none. */
static bool next(struct spt_iter *it, gfn_t end, struct tlb_gather *gather)
{
    while (spt_iter_end(it).v >= end.v || !spt_iter_next(it)) {
        if (spt_iter_at_root(it))
            return false;

        const struct shadow_page *left = shadow_page_of(port_frame_of(it->tables[it->level]));
        spt_iter_up(it);
        if (counter_read(&left->present) == 0)
            clear_entry(it, gather);
    }
    return true;
}

/* Whether the entry is removed with all that is below it. The tables above 4K tables are too much for one step. */
static bool goes_as_a_whole(const struct spt_iter *it, gfn_t first, gfn_t end)
{
    return !ept_is_table(it->old, it->level) ||
           (it->level == LEVEL_2M && it->gfn.v >= first.v && spt_iter_end(it).v <= end.v);
}

gfn_t spt_zap_range(struct spt *spt, gfn_t first, gfn_t end, struct tlb_gather *gather)
{
    struct spt_iter it;

    assert(first.v <= end.v && end.v <= spt_end(spt).v);
    if (first.v == end.v)
        return end;
    spt_iter_start(&it, spt, first);
    do {
        if (gather->count >= ZAP_STEP)
            return it.gfn.v > first.v ? it.gfn : first;
        while (!goes_as_a_whole(&it, first, end))
            spt_iter_down(&it, it.gfn.v > first.v ? it.gfn : first);
        if (ept_is_present(it.old))
            clear_entry(&it, gather);
    } while (next(&it, end, gather));
    return end;
}

void spt_zap_all(struct spt *spt, gfn_t first, gfn_t end)
{
    TLB_GATHER(gather, spt->vm);

    while (first.v < end.v) {
        first = spt_zap_range(spt, first, end, &gather);
        tlb_gather_finish(&gather);
        port_yield();
    }
}
