/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing leaves in place over a range of all roots. Nothing is unlinked, so the lock is shared, but for splits in a VM
 * with views, and faults go on. A step is bounded by the tables that it visits; the next one starts where it stopped, from
 * the root, with what is there then (C8).
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/vm.h"

enum { STEP_TABLES = 64, SPLIT_TABLES = 16 };

struct walk {
    gfn_t first, end;
    struct table_cache *cache;
    struct tlb_gather *gather;
    const struct view *view; /* of the root */
    enum level lowest;       /* the walk goes no deeper */
    enum level largest;      /* split: larger leaves are */
    bool may_return;         /* write protect */
    unsigned budget;         /* tables that may still be visited, or made */
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
        if (spt_split_leaf(it, walk->view, ARM_NONE, walk->cache, walk->gather) != 0)
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
            struct walk walk = { first,   to,         &cache,
                                 &gather, root->view, largest + 1,
                                 largest, false,      budget_of_root(spt) };

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
            struct walk walk = { first,    to,         NULL,
                                 &gather,  root->view, LEVEL_4K,
                                 LEVEL_4K, may_return, budget_of_root(spt) };

            to = walk_step(spt, root, visit_write_protect, &walk);
        }
        tlb_gather_join(&gather);
        rwlock_unlock_shared(&spt->lock);
        tlb_gather_finish(&gather);
        first = to;
        port_yield();
    }
}
