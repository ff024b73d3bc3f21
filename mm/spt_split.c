/* SPDX-License-Identifier: BSD-2-Clause */
/* Splitting one large leaf: the table is complete before one compare-exchange puts it in the leaf's place (P1, P3). */
#include "mm/atomic.h"
#include "mm/vm.h"

/*
 * Whether the leaf may be one of before a change of the view that is not done yet: it lies in a table of the view's own, and
 * below it belongs a table that all have. Then it says nothing about what all shall have.
 */
static bool may_be_stale(const struct spt_iter *it, union role below)
{
    return below.view != spt_iter_page(it)->role.view && atomic_read(&it->spt->changing_views) != 0;
}

/* Gives the empty entries of a table that exists already what the leaf mapped there: no access faults more than before. */
static void fill_gaps(struct spt_iter it, u64 first_child, u64 step)
{
    spt_iter_down(&it, it.gfn);
    for (u64 i = 0; i < EPT_ENTRIES; i++) {
        while (!ept_is_present(it.old) && !spt_set_entry(&it, first_child + i * step, NULL))
            ;
        if (!spt_iter_next(&it))
            break;
    }
}

/* What the first page of the table shall be. */
static u64 first_child_of(const struct spt_iter *it, const struct view *view, enum ept_arm arm)
{
    enum level level = it->level - 1;
    u64 child = level == LEVEL_4K ? it->old & ~EPT_LARGE : it->old;

    /* Only large entries must not be executable (C7). */
    if (level == LEVEL_4K && mm_caps()->nx_large)
        child |= EPT_EXECUTE & view_permissions(view, it->gfn);
    return level == LEVEL_4K ? ept_armed(child, level, arm) : child;
}

int spt_split_leaf(struct spt_iter *it, const struct view *view, enum ept_arm arm, struct table_cache *cache,
                   struct tlb_gather *gather)
{
    struct spt *spt = it->spt;
    enum level level = it->level - 1;
    u64 first_child = first_child_of(it, view, arm);
    u64 step = level_pages(level) * PAGE_SIZE;
    union role role = spt_child_role(it, view);

    assert(spt->hash == NULL || rwlock_is_mine(&spt->lock));
    if (may_be_stale(it, role))
        return spt_link_table(it, view, cache, gather) == 0 ? 1 : -EAGAIN;

    struct shadow_page *page = table_cache_take(cache);
    if (page == NULL)
        return -EAGAIN;
    page->gfn = it->gfn;
    page->role = role;
    shadow_page_fill(page, first_child, step);
    spt_count_leaves(spt, level, EPT_ENTRIES);

    struct shadow_page *table = spt_table_get(spt, page);
    if (table != page) {
        table_cache_return(cache, page);
        spt_count_leaves(spt, level, -EPT_ENTRIES);
    }
    if (!spt_set_entry(it, ept_table(table->frame), gather)) {
        /* Only hardware was in the way, or who gave a permission back: nobody else has found the new table meanwhile. */
        if (spt_table_unget(spt, table, cache))
            spt_count_leaves(spt, level, -EPT_ENTRIES);
        return 1;
    }
    counter_add(&spt->splits, 1);
    if (table != page)
        fill_gaps(*it, first_child, step);
    return table == page ? 0 : 1;
}

/* Two splits at once could make one table twice, where tables are found by what they are. */
bool spt_lock_for_split(struct spt *spt)
{
    rwlock_lock_shared(&spt->lock);
    if (spt->hash == NULL)
        return false;
    rwlock_unlock_shared(&spt->lock);
    rwlock_lock(&spt->lock);
    return true;
}

void spt_unlock_after_split(struct spt *spt, bool is_exclusive)
{
    if (is_exclusive)
        rwlock_unlock(&spt->lock);
    else
        rwlock_unlock_shared(&spt->lock);
}
