/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing leaves in place over a range of all roots. Nothing is unlinked, so the lock is shared, but for splits in a VM
 * with views, and faults go on. A step is bounded by the tables that it visits; the next one starts where it stopped, from
 * the root, with what is there then (C8).
 */
#include "mm/atomic.h"
#include "mm/dirty_rate.h"
#include "mm/port.h"
#include "mm/vm.h"

enum { STEP_TABLES = 64, SPLIT_TABLES = 16 };
/* Pages that large leaves put into a set in a step, at least one leaf: a table of 2M leaves, or one leaf of 1G. */
enum { STEP_PAGES = 1 << 18 };

struct walk {
    gfn_t first, end;
    struct tlb_gather *gather;
    enum level lowest; /* the walk goes no deeper */
    unsigned budget;   /* tables that may still be visited, or made */
    /* split: */
    struct table_cache *cache;
    const struct view *view; /* of the root */
    enum level largest;      /* larger leaves are split */
    /* write protect: */
    bool may_return;
    /* take dirty: */
    struct page_set *pages;
    u64 *leaves;  /* by level */
    u64 may_take; /* pages */
};

/* What is done at an entry that is no table. False: the step is over, and the entry is looked at again in the next one. */
typedef bool visit_entry(struct spt_iter *it, struct walk *walk);

/* The lock is held. The gfn up to which all is done. */
static gfn_t walk_step(struct spt *spt, const struct spt_root *root, visit_entry *visit, struct walk *walk)
{
    struct spt_iter it;

    if (walk->first.v >= spt_end(root->page).v)
        return walk->end;
    spt_iter_start(&it, spt, root->page, walk->first);
    for (;;) {
        gfn_t at = it.gfn.v > walk->first.v ? it.gfn : walk->first;

        /* Also where the visit made a table of a leaf, or met somebody who did (C8). */
        if (ept_is_table(it.old, it.level) && it.level > walk->lowest) {
            if (walk->budget == 0)
                return at;
            walk->budget--;
            spt_iter_down(&it, at);
        } else if (!visit(&it, walk)) {
            return at;
        } else if (!(ept_is_table(it.old, it.level) && it.level > walk->lowest) && !spt_iter_forward(&it, walk->end)) {
            return walk->end;
        }
    }
}

static bool visit_split(struct spt_iter *it, struct walk *walk)
{
    while (ept_is_leaf(it->old, it->level) && it->level > walk->largest) {
        if (spt_split_leaf(it, walk->view, ARM_NONE, walk->cache, walk->gather) < 0)
            return false;
    }
    return true;
}

static bool visit_write_protect(struct spt_iter *it, struct walk *walk)
{
    while (ept_is_leaf(it->old, it->level) && (it->old & (EPT_WRITE | EPT_MAY_WRITE)) != 0) {
        u64 may_write = walk->may_return ? EPT_MAY_WRITE : 0;
        u64 value = (it->old & ~(EPT_WRITE | EPT_MAY_WRITE)) | may_write;

        if (value == it->old || spt_set_entry(it, value, walk->gather))
            break;
    }
    return true;
}

/*
 * In a slot that the processor logs, an entry without D only makes it log the page once more: it is in the log already, or in
 * the processor's buffer on its way there, and who harvests it flushes whether or not D was set (C10). Where writes are
 * logged by protection, D means nothing.
 */
static bool visit_take_dirty(struct spt_iter *it, struct walk *walk)
{
    while (ept_is_leaf(it->old, it->level) && (it->old & EPT_DIRTY) != 0) {
        u64 size = level_pages(it->level);

        if (walk->may_take == 0)
            return false;
        if (!spt_set_entry(it, it->old & ~EPT_DIRTY, walk->gather))
            continue;
        walk->may_take -= size < walk->may_take ? size : walk->may_take;
        walk->leaves[it->level]++;
        page_set_add_range(walk->pages, it->gfn.v, it->gfn.v + size);
    }
    return true;
}

/* The step is for all roots together, but each gets on by a whole path. */
static unsigned budget_of_root(const struct spt *spt)
{
    unsigned budget = STEP_TABLES / (unsigned)counter_read(&spt->root_count);

    return budget > LEVEL_256T ? budget : LEVEL_256T;
}

int spt_split_all(struct spt *spt, gfn_t first, gfn_t end, enum level largest)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, spt->vm);

    while (first.v < end.v) {
        gfn_t to = end;

        /* Enough for one whole path in each root, so each step gets on. */
        if (table_cache_fill(&cache, SPLIT_TABLES) != 0)
            return -ENOMEM;
        bool is_exclusive = spt_lock_for_split(spt);
        /* The memory as it is comes first: then views find the tables of it complete. */
        for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
            const struct spt_root *root = container_of(node, struct spt_root, link);
            struct walk walk = { .first = first,
                                 .end = to,
                                 .cache = &cache,
                                 .gather = &gather,
                                 .view = root->view,
                                 .lowest = largest + 1,
                                 .largest = largest,
                                 .budget = budget_of_root(spt) };

            to = walk_step(spt, root, visit_split, &walk);
        }
        spt_unlock_after_split(spt, is_exclusive);
        tlb_gather_finish(&gather);
        first = to;
        port_yield();
    }
    return 0;
}

void spt_write_protect_all(struct spt *spt, gfn_t first, gfn_t end, bool may_return)
{
    TLB_GATHER(gather, spt->vm);

    while (first.v < end.v) {
        gfn_t to = end;

        rwlock_lock_shared(&spt->lock);
        for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
            const struct spt_root *root = container_of(node, struct spt_root, link);
            struct walk walk = { .first = first,
                                 .end = to,
                                 .gather = &gather,
                                 .lowest = LEVEL_4K,
                                 .may_return = may_return,
                                 .budget = budget_of_root(spt) };

            to = walk_step(spt, root, visit_write_protect, &walk);
        }
        tlb_gather_join(&gather);
        rwlock_unlock_shared(&spt->lock);
        tlb_gather_finish(&gather);
        first = to;
        port_yield();
    }
}

void spt_take_dirty(struct spt *spt, gfn_t first, gfn_t end, struct page_set *pages, u64 leaves[LEVEL_1G + 1])
{
    TLB_GATHER(gather, spt->vm);
    struct walk walk = { .gather = &gather, .lowest = LEVEL_4K, .pages = pages, .leaves = leaves };

    for (walk.first = first; walk.first.v < end.v; walk.first = walk.end) {
        walk.end = end;
        rwlock_lock_shared(&spt->lock);
        for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
            walk.budget = budget_of_root(spt);
            walk.may_take = STEP_PAGES;
            walk.end = walk_step(spt, container_of(node, struct spt_root, link), visit_take_dirty, &walk);
        }
        /* Somebody else may have taken a D bit away that a processor still remembers. */
        tlb_gather_join(walk.gather);
        rwlock_unlock_shared(&spt->lock);
        port_yield();
    }
    /*
     * One for all: who writes by what it remembers of an entry writes to a page that has just been counted, and after this
     * everybody sets D again.
     */
    tlb_gather_finish(&gather);
}
