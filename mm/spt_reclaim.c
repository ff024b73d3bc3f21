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

/* The lock is held exclusively, so nobody adds to the list. */
static struct shadow_page *oldest(const struct spt *spt)
{
    for (struct list_node *node = spt->pages.previous; node != &spt->pages; node = node->previous) {
        struct shadow_page *page = container_of(node, struct shadow_page, link);

        if (!has_tables(page) && !is_root(spt, page))
            return page;
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

void spt_reclaim(struct spt *spt)
{
    u64 limit = counter_read(&spt->table_limit);
    struct shadow_page *page;

    if (limit == 0 || counter_read(&spt->tables) < limit)
        return;

    TLB_GATHER(gather, spt->vm);
    rwlock_lock(&spt->lock);
    u64 before = counter_read(&spt->tables);
    u64 target = limit - limit / RECLAIM_PART;
    while (counter_read(&spt->tables) >= target && (page = oldest(spt)) != NULL) {
        u64 tables = counter_read(&spt->tables);

        unmap(spt, page->gfn, shadow_page_end(page), &gather);
        assert(counter_read(&spt->tables) < tables);
    }
    counter_add(&spt->reclaimed, (s64)(before - counter_read(&spt->tables)));
    rwlock_unlock(&spt->lock);
    tlb_gather_finish(&gather);
    port_yield();
}
