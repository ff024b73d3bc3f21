/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Installing one leaf, as a fault does it. Every step down is one compare-exchange of a table that is complete (P1), so
 * any number of processors can do this at once: who loses takes what the winner put there.
 */
#include "mm/spt.h"

#include "mm/port.h"
#include "mm/pte.h"

unsigned spt_missing_tables(struct spt *spt, gfn_t gfn, enum level level)
{
    struct spt_iter it;

    spt_iter_start(&it, spt, gfn);
    while (it.level > level && ept_is_table(it.old, it.level))
        spt_iter_down(&it, gfn);
    return it.level > level ? it.level - level : 0;
}

/* Puts an empty table where `it` stands. False: it->old is something else by now. */
static bool publish_table(struct spt_iter *it, struct shadow_page *page, struct table_cache *cache,
                          struct tlb_gather *gather)
{
    spt_place_table(it, page);
    if (spt_set_entry(it, ept_table(page->frame), gather))
        return true;
    table_cache_return(cache, page);
    return false;
}

static u64 leaf_for(const struct spt_mapping *mapping, enum level level)
{
    pfn_t first = { mapping->pfn.v & ~(level_pages(level) - 1) };

    return ept_leaf(first, level, mapping->permissions);
}

int spt_map(struct spt *spt, const struct spt_mapping *mapping, u64 needed, struct table_cache *cache,
            struct tlb_gather *gather)
{
    struct spt_iter it;

    assert(mapping->level <= LEVEL_1G && ept_permits(mapping->permissions, needed));
    assert(((mapping->gfn.v ^ mapping->pfn.v) & (level_pages(mapping->level) - 1)) == 0);
    spt_iter_start(&it, spt, mapping->gfn);
    for (;;) {
        if (ept_is_table(it.old, it.level)) {
            spt_iter_down(&it, mapping->gfn);
        } else if (ept_is_present(it.old) && ept_permits(it.old, needed)) {
            return -EEXIST;
        } else if (it.level > mapping->level) {
            struct shadow_page *page = table_cache_take(cache);

            if (page == NULL)
                return -EAGAIN;
            publish_table(&it, page, cache, gather);
        } else if (spt_set_entry(&it, leaf_for(mapping, it.level), gather)) {
            return 0;
        }
    }
}
