/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree and its accounting: see mm/spt.h. Roots are mm/spt_root.c; what maps is mm/spt_map.c, what removes
 * mm/spt_zap.c, what changes leaves in place mm/spt_range.c.
 */
#include "mm/spt.h"

#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

static void table_added(struct spt *spt, struct shadow_page *page)
{
    spin_lock(&spt->pages_lock);
    list_add(&spt->pages, &page->link);
    spin_unlock(&spt->pages_lock);
    counter_add(&spt->tables, 1);
}

static void table_forgotten(struct spt *spt, struct shadow_page *page)
{
    spin_lock(&spt->pages_lock);
    list_remove(&page->link);
    if (page->executed.next != NULL) {
        list_remove(&page->executed);
        counter_add(&spt->executed_count, -1);
    }
    spin_unlock(&spt->pages_lock);
    counter_add(&spt->tables, -1);
}

void spt_note_execution(struct spt *spt, struct shadow_page *page)
{
    spin_lock(&spt->pages_lock);
    if (page->executed.next == NULL) {
        list_add(&spt->executed, &page->executed);
        counter_add(&spt->executed_count, 1);
    }
    spin_unlock(&spt->pages_lock);
}

struct shadow_page *spt_oldest_executed(struct spt *spt)
{
    struct shadow_page *page = NULL;

    assert(rwlock_is_mine(&spt->lock));
    spin_lock(&spt->pages_lock);
    if (!list_is_empty(&spt->executed)) {
        page = container_of(spt->executed.previous, struct shadow_page, executed);
        list_remove(&page->executed);
        list_add(&spt->executed, &page->executed);
    }
    spin_unlock(&spt->pages_lock);
    return page;
}

struct shadow_page *spt_table_get(struct spt *spt, struct shadow_page *page)
{
    /* Pairs with the write in activate_hash() (mm/spt_root.c). */
    struct shadow_hash *hash = atomic_read(&spt->hash);

    page->generation = spt->generation;
    page->references = 1;
    if (hash != NULL) {
        counter_add(&spt->lookups, 1);
        struct shadow_page *found = shadow_hash_find_or_add(hash, page);

        if (found != page)
            return found;
    }
    table_added(spt, page);
    return page;
}

/* Gives up a reference. Whether it was the last one. */
static bool put_reference(struct spt *spt, struct shadow_page *page)
{
    struct shadow_hash *hash = atomic_read(&spt->hash);

    return hash == NULL ? --page->references == 0 : shadow_hash_put(hash, page);
}

bool spt_table_unget(struct spt *spt, struct shadow_page *page, struct table_cache *cache)
{
    if (!put_reference(spt, page))
        return false;
    table_forgotten(spt, page);
    table_cache_return(cache, page);
    return true;
}

/* Takes the leaves of a table of 4K. How many: most of what it costs to remove what a guest has mapped is here. */
static u64 take_leaves(u64 *entries)
{
    u64 absent = 0;

#pragma GCC unroll 4
    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        u64 old = pte_read(&entries[i]);

        /* Almost all permit reading, and that is one test. */
        if (ept_permits(old, EPT_READ) || ept_is_present(old))
            (void)pte_xchg(&entries[i], EPT_EMPTY);
        else
            absent++;
    }
    return EPT_ENTRIES - absent;
}

/* The same for larger ones, with the tables below. How many entries there were. */
static u64 take_entries(struct spt *spt, u64 *entries, enum level level, u64 *leaves, struct tlb_gather *gather)
{
    u64 present = 0;

    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        if (!ept_is_present(pte_read(&entries[i])))
            continue;

        u64 old = pte_xchg(&entries[i], EPT_EMPTY);
        present++;
        if (ept_is_leaf(old, level))
            ++*leaves;
        else
            spt_table_put(spt, shadow_page_of(ept_frame(old)), gather);
    }
    return present;
}

/*
 * Nothing points to the table any more, but processors may still walk through it until the flush: so its entries are
 * taken with exchange, and whatever they set in them before is seen (P4). In an entry that is not present nobody sets
 * anything, and nobody else changes it: the lock is exclusive, and what works without it changes present ones only.
 */
static void table_removed(struct spt *spt, struct shadow_page *page, struct tlb_gather *gather)
{
    u64 *entries = port_frame_address(page->frame);
    enum level level = page->role.level;
    u64 present, leaves = 0;

    tlb_gather_note(gather);
    if (level == LEVEL_4K)
        leaves = present = take_leaves(entries);
    else
        present = take_entries(spt, entries, level, &leaves, gather);
    if (leaves != 0)
        spt_count_leaves(spt, level, -(s64)leaves);
    assert(counter_read(&page->present) == present);
    page->present = 0;
    table_forgotten(spt, page);
    tlb_gather_table(gather, page);
}

void spt_table_put(struct spt *spt, struct shadow_page *page, struct tlb_gather *gather)
{
    assert(rwlock_is_mine(&spt->lock));
    gather->given_up++;
    if (put_reference(spt, page))
        table_removed(spt, page, gather);
    else
        tlb_gather_note(gather);
}

void spt_take_leaves(struct spt *spt, struct shadow_page *page, unsigned from, unsigned to, struct tlb_gather *gather)
{
    u64 *entries = port_frame_address(page->frame);
    s64 leaves = 0;

    assert(rwlock_is_mine(&spt->lock) && page->role.level == LEVEL_4K && from <= to && to <= EPT_ENTRIES);
    for (unsigned i = from; i < to; i++) {
        u64 old = pte_read(&entries[i]);

        if (old == EPT_EMPTY)
            continue;
        /* What is present stays it, and what is not, too: the lock is exclusive. */
        if (ept_is_present(old)) {
            tlb_gather_note(gather);
            leaves++;
        }
        (void)pte_xchg(&entries[i], EPT_EMPTY);
    }
    if (leaves != 0) {
        counter_add(&page->present, -leaves);
        spt_count_leaves(spt, LEVEL_4K, -leaves);
    }
}

void spt_replace_table(struct spt_iter *it, u64 leaf, struct tlb_gather *gather)
{
    struct spt *spt = it->spt;
    struct shadow_page *page = shadow_page_of(ept_frame(it->old));
    enum level level = page->role.level;

    assert(rwlock_is_mine(&spt->lock) && ept_is_table(it->old, it->level) && level == it->level - 1);
    tlb_gather_note(gather);
    /* Only hardware can be in the way, which sets A. */
    while (!pte_cmpxchg(spt_iter_entry(it), &it->old, leaf))
        ;
    it->old = leaf;
    spt_count_leaves(spt, it->level, 1);
    gather->given_up++;
    if (!put_reference(spt, page))
        return;
    /* The number is exact: what changes it holds the lock. */
    spt_count_leaves(spt, level, -(s64)counter_read(&page->present));
    page->present = 0;
    table_forgotten(spt, page);
    tlb_gather_table(gather, page);
}

/* An entry of the table `page` has changed from `old` to `value`. */
static void entry_changed(struct spt *spt, struct shadow_page *page, u64 old, u64 value, struct tlb_gather *gather)
{
    enum level level = page->role.level;

    if (ept_is_present(old) != ept_is_present(value))
        counter_add(&page->present, ept_is_present(value) ? 1 : -1);
    if (ept_is_leaf(old, level))
        spt_count_leaves(spt, level, -1);
    if (ept_is_leaf(value, level))
        spt_count_leaves(spt, level, 1);
    assert(!ept_change_needs_flush(old, value) || (gather != NULL && gather->needs_flush));
    if (ept_is_table(old, level) && !(ept_is_table(value, level) && ept_frame(old).v == ept_frame(value).v))
        spt_table_put(spt, shadow_page_of(ept_frame(old)), gather);
}

/* Before the change: should that fail, there is one flush too many. */
static void note_change(u64 old, u64 value, struct tlb_gather *gather)
{
    if (!ept_change_needs_flush(old, value))
        return;
    assert(gather != NULL);
    tlb_gather_note(gather);
}

bool spt_set_entry(struct spt_iter *it, u64 value, struct tlb_gather *gather)
{
    u64 old = it->old;

    note_change(old, value, gather);
    if (!pte_cmpxchg(spt_iter_entry(it), &it->old, value))
        return false;
    it->old = value;
    entry_changed(it->spt, spt_iter_page(it), old, value, gather);
    return true;
}

union role spt_role(const struct view *view, gfn_t gfn, enum level level)
{
    gfn_t end = { gfn.v + level_pages(level + 1) };

    bool differs = view != NULL && view_differs(view, gfn, end);

    return (union role){ .level = level & 7, .view = differs ? view->id & 0xffff : 0 };
}

union role spt_child_role(const struct spt_iter *it, const struct view *view)
{
    return spt_role(spt_iter_page(it)->role.view == 0 ? NULL : view, it->gfn, it->level - 1);
}

bool spt_is_out_of_place(const struct spt_iter *it, const struct view *view)
{
    if (view == NULL)
        return false;

    const struct shadow_page *page = spt_iter_page(it);
    return page->role.word != spt_role(view, page->gfn, page->role.level).word;
}

gfn_t spt_end(const struct shadow_page *root)
{
    return shadow_page_end(root);
}
