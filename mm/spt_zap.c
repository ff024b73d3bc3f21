/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Removing: only leaves where the range covers a part of a table of 4K, whole such tables where it covers all of it, and
 * every table that is empty when the walk leaves it, so nothing stays behind without a use (H1). Needs exclusive ownership
 * of the tree (H4).
 */
#include "mm/spt.h"

#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/vm.h"

bool spt_yield_on_contention = true;

struct zap {
    gfn_t first, end;
    struct tlb_gather *gather;
    enum spt_zap what;
    const struct view *view; /* of ZAP_UNLIKE */
};

static void clear_entry(struct spt_iter *it, struct tlb_gather *gather)
{
    /* Only hardware, setting A and D, and who gives a permission back can be in the way: at most three times. */
    while (!spt_set_entry(it, EPT_EMPTY, gather))
        ;
}

/*
 * The entry leads to a table of 4K, of which a part is in the range: that is taken, and the table if it is empty then. Walking
 * through the entries one by one would cost twenty times as much.
 */
static void clear_part(struct spt_iter *it, const struct zap *zap)
{
    struct shadow_page *table = shadow_page_of(ept_frame(it->old));
    u64 from = u64_max(it->gfn.v, zap->first.v), to = u64_min(spt_iter_end(it).v, zap->end.v);

    spt_take_leaves(it->spt, table, (unsigned)(from - it->gfn.v), (unsigned)(to - it->gfn.v), zap->gather);
    if (counter_read(&table->present) == 0)
        clear_entry(it, zap->gather);
}

/* To the next entry below the end in the order of gfn. False: there is none. */
static bool next(struct spt_iter *it, const struct zap *zap)
{
    while (spt_iter_end(it).v >= zap->end.v || !spt_iter_next(it)) {
        if (spt_iter_at_root(it))
            return false;

        const struct shadow_page *left = spt_iter_page(it);
        spt_iter_up(it);
        if (counter_read(&left->present) == 0)
            clear_entry(it, zap->gather);
    }
    return true;
}

/* Whether a table of this tree stays a part of it. */
static bool belongs(const struct shadow_page *page, const struct zap *zap)
{
    switch (zap->what) {
    case ZAP_UNLIKE:
        return page->role.word == spt_role(zap->view, page->gfn, page->role.level).word;
    case ZAP_TREE:
        return false;
    case ZAP_MAPPED:
    case ZAP_OWN:
        break;
    }
    return true;
}

/* Whether `table`, to which the entry leads, stays, and with it all tables on the way to it. */
static bool path_belongs(const struct spt_iter *it, const struct shadow_page *table, const struct zap *zap)
{
    if (!belongs(table, zap))
        return false;
    for (enum level level = it->level; level <= LEVEL_256T && it->tables[level] != NULL; level++) {
        if (!belongs(shadow_page_of(port_frame_of(it->tables[level])), zap))
            return false;
    }
    return true;
}

/* Whether the entry leads to a table of the memory as it is, rightly, and nothing in it is the view's to remove. */
static bool is_left_alone(const struct spt_iter *it, const struct zap *zap)
{
    if (zap->what == ZAP_MAPPED || zap->what == ZAP_TREE || !ept_is_table(it->old, it->level))
        return false;

    const struct shadow_page *table = shadow_page_of(ept_frame(it->old));
    return table->role.view == 0 && path_belongs(it, table, zap);
}

/*
 * Whether the entry is removed with all that is below it. The tables above 4K tables are too much for one step, unless
 * somebody else keeps them.
 */
static bool goes_as_a_whole(const struct spt_iter *it, const struct zap *zap)
{
    if (!ept_is_table(it->old, it->level))
        return true;
    if (it->level == LEVEL_2M && it->gfn.v >= zap->first.v && spt_iter_end(it).v <= zap->end.v && zap->what != ZAP_OWN)
        return true;

    const struct shadow_page *table = shadow_page_of(ept_frame(it->old));
    return table->references > 1 && !path_belongs(it, table, zap);
}

static gfn_t at_least(gfn_t gfn, gfn_t first)
{
    return gfn.v > first.v ? gfn : first;
}

gfn_t spt_zap_range(struct spt *spt, struct shadow_page *root, gfn_t first, gfn_t end, enum spt_zap what,
                    const struct view *view, struct tlb_gather *gather)
{
    struct zap zap = { .first = first, .end = end, .gather = gather, .what = what, .view = view };
    u64 before = gather->given_up, step = ZAP_STEP / counter_read(&spt->root_count);
    struct spt_iter it;

    assert(rwlock_is_mine(&spt->lock));
    assert(first.v <= end.v);
    if (end.v > spt_end(root).v)
        zap.end = spt_end(root);
    if (first.v >= zap.end.v || ((what == ZAP_UNLIKE || what == ZAP_OWN) && root->role.view == 0))
        return end;
    spt_iter_start(&it, spt, root, first);
    do {
        u64 done = gather->given_up - before;

        /* The step is for all roots together, but each gets on. */
        if (done >= (step > 0 ? step : 1) || (done != 0 && spt_yield_on_contention && rwlock_is_contended(&spt->lock)))
            return at_least(it.gfn, first);
        bool whole = goes_as_a_whole(&it, &zap);
        while (!whole && it.level > LEVEL_2M && !is_left_alone(&it, &zap)) {
            spt_iter_down(&it, at_least(it.gfn, first));
            whole = goes_as_a_whole(&it, &zap);
        }
        if (it.old == EPT_EMPTY || is_left_alone(&it, &zap))
            continue;
        if (whole)
            clear_entry(&it, gather);
        else
            clear_part(&it, &zap);
    } while (next(&it, &zap));
    return end;
}

/* One step in all trees: the gfn up to which none of them has anything left. */
static gfn_t zap_step(struct spt *spt, gfn_t first, gfn_t end, struct tlb_gather *gather)
{
    const struct list_node *const lists[] = { &spt->roots, &spt->dying };

    for (unsigned i = 0; i < 2; i++) {
        for (const struct list_node *node = lists[i]->next; node != lists[i]; node = node->next) {
            struct spt_root *root = container_of(node, struct spt_root, link);

            end = spt_zap_range(spt, root->page, first, end, ZAP_MAPPED, NULL, gather);
        }
    }
    return end;
}

void spt_zap_all(struct spt *spt, gfn_t first, gfn_t end)
{
    TLB_GATHER(gather, spt->vm);

    while (first.v < end.v) {
        rwlock_lock(&spt->lock);
        first = zap_step(spt, first, end, &gather);
        tlb_gather_join(&gather);
        rwlock_unlock(&spt->lock);
        /* What a step removed that others ended early can wait for the flush of the next one. */
        if (gather.count >= ZAP_STEP || first.v == end.v)
            tlb_gather_finish(&gather);
        /* Not behind the last one: a page that is copied for its writer is no reason to lose a turn. */
        if (first.v < end.v)
            port_yield();
    }
}
