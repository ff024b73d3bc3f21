/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit of a VM's tables. The oldest tables that have no tables below them go first, with all that maps the same range
 * in other roots, and the tables above them that become empty: a family at a time. What they mapped faults again.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

/* At the limit an eighth of it goes, so that the flush is not for one table. */
enum { RECLAIM_PART = 8 };

static bool has_tables(const struct shadow_page *page)
{
    const u64 *entries = port_frame_address(page->frame);

    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        if (ept_is_table(pte_read(&entries[i]), page->role.level))
            return true;
    }
    return false;
}

static bool is_root(const struct spt *spt, const struct shadow_page *page)
{
    const struct list_node *const lists[] = { &spt->roots, &spt->dying };

    for (unsigned i = 0; i < 2; i++) {
        for (const struct list_node *node = lists[i]->next; node != lists[i]; node = node->next) {
            if (container_of(node, struct spt_root, link)->page == page)
                return true;
        }
    }
    return false;
}

/*
 * The lock is held exclusively, so nobody adds to the list. What cannot go now is moved to the young end, so that it is
 * not looked at again before all others.
 */
static struct shadow_page *oldest(struct spt *spt)
{
    for (u64 tries = counter_read(&spt->tables); tries > 0; tries--) {
        struct shadow_page *page = container_of(spt->pages.previous, struct shadow_page, link);

        if (!has_tables(page) && !is_root(spt, page))
            return page;
        spin_lock(&spt->pages_lock);
        list_remove(&page->link);
        list_add(&spt->pages, &page->link);
        spin_unlock(&spt->pages_lock);
    }
    return NULL;
}

/* Unmaps the range of `page` in all roots, so that nothing leads to it any more. */
static void unmap(struct spt *spt, gfn_t first, gfn_t end, struct tlb_gather *gather)
{
    const struct list_node *const lists[] = { &spt->roots, &spt->dying };

    for (unsigned i = 0; i < 2; i++) {
        for (const struct list_node *node = lists[i]->next; node != lists[i]; node = node->next) {
            struct shadow_page *root = container_of(node, struct spt_root, link)->page;
            gfn_t at = first;

            while (at.v < end.v)
                at = spt_zap_range(spt, root, at, end, ZAP_MAPPED, NULL, gather);
        }
    }
}

/* Tables that can go. */
static u64 reclaimable(const struct spt *spt)
{
    u64 tables = counter_read(&spt->tables), roots = counter_read(&spt->root_count);

    return tables > roots ? tables - roots : 0;
}

/* Reclaims as much as one step allows. False: there are less than `target`, or no more can go. */
static bool reclaim_step(struct spt *spt, u64 target, struct tlb_gather *gather)
{
    u64 before = counter_read(&spt->tables), begin = gather->given_up;
    const struct shadow_page *page = NULL;

    while (reclaimable(spt) >= target && gather->given_up - begin < ZAP_STEP && (page = oldest(spt)) != NULL) {
        u64 tables = counter_read(&spt->tables);

        unmap(spt, page->gfn, shadow_page_end(page), gather);
        assert(counter_read(&spt->tables) < tables);
    }
    counter_add(&spt->reclaimed, (s64)(before - counter_read(&spt->tables)));
    return reclaimable(spt) >= target && page != NULL;
}

void spt_reclaim(struct spt *spt)
{
    u64 limit = counter_read(&spt->table_limit);
    bool goes_on = true;

    if (!spt_is_at_limit(spt))
        return;

    TLB_GATHER(gather, spt->vm);
    while (goes_on) {
        rwlock_lock(&spt->lock);
        goes_on = reclaim_step(spt, limit - limit / RECLAIM_PART, &gather);
        rwlock_unlock(&spt->lock);
        tlb_gather_finish(&gather);
        port_yield();
    }
}
