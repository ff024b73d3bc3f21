/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Installing one leaf, as a fault does it. Every step down is one compare-exchange of a table that is complete (P1), so
 * any number of processors can do this at once: who loses takes what the winner put there.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

/* Compare-exchanges that may fail in one call: each time somebody else made progress at this very entry. */
enum { ATTEMPTS = 32 };

int spt_link_table(struct spt_iter *it, const struct view *view, struct table_cache *cache, struct tlb_gather *gather)
{
    struct shadow_page *page = table_cache_take(cache);

    if (page == NULL)
        return -EAGAIN;
    assert(spt_iter_page(it)->generation == it->spt->generation);
    page->gfn = it->gfn;
    page->role = spt_child_role(it, view);
    shadow_page_fill(page, EPT_EMPTY, 0);

    struct shadow_page *table = spt_table_get(it->spt, page);
    if (table != page)
        table_cache_return(cache, page);
    if (!spt_set_entry(it, ept_table(table->frame), gather))
        spt_table_unget(it->spt, table, cache);
    return 0;
}

/* The largest level up to the mapping's at which `view` says one thing for all of the large page. */
static enum level level_in_view(const struct spt_mapping *mapping, const struct view *view)
{
    enum level level = mapping->level;

    for (; level > LEVEL_4K; level--) {
        gfn_t first = { mapping->gfn.v & ~(level_pages(level) - 1) };

        if (view_is_uniform(view, first, (gfn_t){ first.v + level_pages(level) }))
            break;
    }
    return level;
}

/* What the leaf becomes. What the processor has noted in the old one stays, if that led to the same memory. */
static u64 leaf_for(const struct spt_iter *it, pfn_t pfn, u64 permissions)
{
    u64 leaf = spt_leaf(pfn, it->level, permissions);

    if (ept_is_leaf(it->old, it->level) && ept_frame(it->old).v == ept_frame(leaf).v)
        leaf |= it->old & (EPT_ACCESSED | EPT_DIRTY);
    return leaf;
}

static u64 permissions_in_view(const struct spt_mapping *mapping, const struct view *view)
{
    u64 permitted = view_permissions(view, mapping->gfn);

    return mapping->permissions & (permitted | (permitted & EPT_WRITE ? EPT_MAY_WRITE : 0));
}

/* Puts a table where `it` stands, with what is mapped there, if that is possible with the lock shared. 0, -EAGAIN. */
static int make_smaller(struct spt_iter *it, const struct view *view, const struct spt_mapping *mapping, u64 needed,
                        struct table_cache *cache, struct tlb_gather *gather)
{
    struct spt *spt = it->spt;

    if (!ept_is_leaf(it->old, it->level) || atomic_read(&spt->hash) != NULL)
        return spt_link_table(it, view, cache, gather);
    if (needed & ~it->old & EPT_EXECUTE)
        counter_add(&spt->splits_for_execution, 1);
    return spt_split_leaf(it, view, mapping->arm, cache, gather) < 0 ? -EAGAIN : 0;
}

/*
 * The table where `it` stands now is there because large pages are not executable (C7), or may be: where small ones are mapped
 * for another reason too, who wants to make a large page of them finds that out.
 */
static void note_execution(const struct spt_iter *it)
{
    if (!ept_is_table(it->old, it->level))
        return;
    spt_note_execution(it->spt, shadow_page_of(ept_frame(it->old)));
    vm_want_recovery(it->spt->vm, true);
}

int spt_map(struct spt *spt, struct spt_root *root, struct spt_mapping *mapping, u64 needed, struct table_cache *cache,
            struct tlb_gather *gather)
{
    u64 permissions = permissions_in_view(mapping, root->view);
    enum level level = level_in_view(mapping, root->view);
    unsigned attempts = 0;
    struct spt_iter it;

    assert(mapping->level <= LEVEL_1G && ept_permits(mapping->permissions, needed));
    assert(((mapping->gfn.v ^ mapping->pfn.v) & (level_pages(mapping->level) - 1)) == 0);
    if (permissions == 0 || !ept_permits(permissions, needed))
        return -EACCES;
    spt_iter_start(&it, spt, root->page, mapping->gfn);
    while (attempts < ATTEMPTS) {
        if (ept_is_table(it.old, it.level)) {
            spt_iter_down(&it, mapping->gfn);
        } else if (ept_is_present(it.old) && ept_permits(it.old, needed)) {
            mapping->level = it.level;
            return -EEXIST;
        } else if (spt_is_out_of_place(&it, root->view)) {
            return -EAGAIN;
        } else if (it.level > level) {
            bool was_leaf = ept_is_leaf(it.old, it.level);

            if (make_smaller(&it, root->view, mapping, needed, cache, gather) != 0)
                return -EAGAIN;
            if (mm_caps()->nx_large && needed & EPT_EXECUTE && (was_leaf || it.level == LEVEL_2M))
                note_execution(&it);
            attempts++;
        } else if (spt_set_entry(&it, leaf_for(&it, mapping->pfn, permissions), gather)) {
            mapping->level = it.level;
            return 0;
        } else {
            attempts++;
        }
    }
    return -EAGAIN;
}
