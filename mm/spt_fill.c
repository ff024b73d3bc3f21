/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Installing many leaves of one table at once. A table that is not there yet is filled before anybody can find it (P1): that is
 * a plain store for each page. One that is there gets a compare-exchange for each entry in which nothing is (P3), because
 * faults, and others who populate, may do the same at the same time. Whatever is neither is left to mm/spt_map.c.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/spt.h"

static u64 total(const struct spt_run *runs, unsigned count)
{
    u64 sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += runs[i].count;
    return sum;
}

/* Into a table that is not reachable; what is behind the entries. */
static u64 *write_entries(u64 *entries, u64 count, u64 entry, u64 step)
{
    u64 *end = entries + count;

#pragma GCC unroll 4
    for (; entries < end; entries++, entry += step)
        *entries = entry;
    return entries;
}

static void fill_table(struct shadow_page *page, unsigned index, const struct spt_run *runs, unsigned count)
{
    u64 *entries = port_frame_address(page->frame);
    u64 *end = entries + EPT_ENTRIES;
    u64 *at = write_entries(entries, index, EPT_EMPTY, 0);

    for (unsigned i = 0; i < count; i++)
        at = write_entries(at, runs[i].count, runs[i].leaf, PAGE_SIZE);
    write_entries(at, (u64)(end - at), EPT_EMPTY, 0);
}

/*
 * Puts a table with the runs in it where `it` stands, in a VM without a hash: there nobody can have made the same table for
 * another root. Whether it is there; otherwise it->old says what somebody else has put there.
 */
static bool link_filled(struct spt_iter *it, gfn_t first, const struct spt_run *runs, unsigned count,
                        struct table_cache *cache)
{
    struct spt *spt = it->spt;
    struct shadow_page *page = table_cache_take(cache);
    u64 present = total(runs, count);

    if (page == NULL)
        return false;
    assert(spt_iter_page(it)->generation == spt->generation);
    page->gfn = it->gfn;
    page->role = spt_child_role(it, NULL);
    fill_table(page, ept_index(first, LEVEL_4K), runs, count);
    page->present = present;
    spt_count_leaves(spt, LEVEL_4K, (s64)present);
    spt_table_get(spt, page);
    if (spt_set_entry(it, ept_table(page->frame), NULL))
        return true;
    spt_table_unget(spt, page, cache);
    spt_count_leaves(spt, LEVEL_4K, -(s64)present);
    return false;
}

/*
 * Into a table that others can find. How many pages permit reading now; `*added` of these were not there. Where somebody else
 * was faster it ends, rather than try again: the next step looks at what is there.
 */
static u64 add_entries(u64 *entries, const struct spt_run *run, u64 *added)
{
    u64 leaf = run->leaf;

    for (u64 i = 0; i < run->count; i++, leaf += PAGE_SIZE) {
        u64 old = pte_read(&entries[i]);

        if (ept_permits(old, EPT_READ))
            continue;
        if (ept_is_present(old) || !pte_cmpxchg(&entries[i], &old, leaf))
            return i;
        ++*added;
    }
    return run->count;
}

/* The same for all runs, in the table where `it` stands. */
static u64 add_runs(const struct spt_iter *it, const struct spt_run *runs, unsigned count)
{
    u64 *entries = spt_iter_entry(it);
    u64 done = 0, wanted = 0, added = 0;

    for (unsigned i = 0; i < count && done == wanted; i++) {
        wanted += runs[i].count;
        done += add_entries(entries + done, &runs[i], &added);
    }
    if (added != 0) {
        counter_add(&spt_iter_page(it)->present, (s64)added);
        spt_count_leaves(it->spt, LEVEL_4K, (s64)added);
    }
    return done;
}

/* Down to the entry of level 2M, with new tables where there are none. Whether that is possible. */
static bool go_down(struct spt_iter *it, gfn_t first, struct table_cache *cache)
{
    while (it->level > LEVEL_2M) {
        if (!ept_is_present(it->old) && spt_link_table(it, NULL, cache, NULL) != 0)
            return false;
        if (!ept_is_table(it->old, it->level))
            return false;
        spt_iter_down(it, first);
    }
    return true;
}

u64 spt_fill(struct spt *spt, gfn_t first, const struct spt_run *runs, unsigned count, struct table_cache *cache)
{
    struct spt_iter it;

    assert(spt->base->view == NULL && ept_index(first, LEVEL_4K) + total(runs, count) <= EPT_ENTRIES);
    spt_iter_start(&it, spt, spt->base->page, first);
    if (!go_down(&it, first, cache))
        return 0;
    if (!ept_is_present(it.old) && atomic_read(&spt->hash) == NULL) {
        if (link_filled(&it, first, runs, count, cache))
            return total(runs, count);
    } else if (!ept_is_present(it.old)) {
        (void)spt_link_table(&it, NULL, cache, NULL);
    }
    if (!ept_is_table(it.old, it.level))
        return 0;
    spt_iter_down(&it, first);
    return add_runs(&it, runs, count);
}
