/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coming together again: a table whose leaves map what one large leaf would map becomes that leaf. Nothing faults because of
 * it. What costs is looking at 512 entries twice, once before the flush and once after it, so that is all that is done with
 * each of them.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

enum { BLOCK = 32 }; /* entries that are judged together */
#define NOTED (EPT_ACCESSED | EPT_DIRTY)

/* What a leaf of a table is compared with: the entry number n is `first` + n * `step`, but for the bits in `may_differ`. */
struct expected {
    u64 first, step;
    u64 may_differ;
};

static struct expected expected_for(u64 leaf, u64 permissions, enum level level)
{
    struct expected expected = { .first = level == LEVEL_4K ? leaf & ~EPT_LARGE : leaf,
                                 .step = level_pages(level) * PAGE_SIZE,
                                 .may_differ = NOTED };

    /* Taken away to see a write, of a log that is over; or by who will be asked again by the next write. */
    if (leaf & EPT_WRITE)
        expected.may_differ |= EPT_WRITE | EPT_MAY_WRITE;
    /* Only large entries must not be executable (C7). */
    if (level == LEVEL_4K)
        expected.may_differ |= (permissions ^ leaf) & EPT_EXECUTE;
    return expected;
}

static inline u64 compare(const u64 *entries, u64 entry, u64 step)
{
    u64 difference = 0;

#pragma GCC unroll 32
    for (unsigned i = 0; i < BLOCK; i++, entry += step)
        difference |= pte_read(&entries[i]) ^ entry;
    return difference;
}

/* The same, where some entries are not present: those differ in nothing. */
static u64 compare_present(const u64 *entries, u64 entry, u64 step)
{
    u64 difference = 0;

    for (unsigned i = 0; i < BLOCK; i++, entry += step) {
        u64 old = pte_read(&entries[i]);

        difference |= ept_is_present(old) ? old ^ entry : 0;
    }
    return difference;
}

/* Whether all that the table has is as expected (C4), with what processors have noted in it. */
static bool is_alike(const u64 *entries, const struct expected *expected, u64 *noted)
{
    u64 entry = expected->first, all = 0;

    for (unsigned i = 0; i < EPT_ENTRIES; i += BLOCK, entry += BLOCK * expected->step) {
        /* A step that the compiler knows costs less, and nearly all tables are of 4K. */
        u64 difference = expected->step == PAGE_SIZE ? compare(entries + i, entry, PAGE_SIZE)
                                                     : compare(entries + i, entry, expected->step);

        if (difference & ~expected->may_differ)
            difference = compare_present(entries + i, entry, expected->step);
        if (difference & ~expected->may_differ)
            return false;
        all |= difference;
    }
    *noted = all & NOTED;
    return true;
}

/* Whether both tables, the one where `it` stands and the one below, are what a tree for `view` has there. */
static bool is_in_place(const struct spt_iter *it, const struct view *view, const struct shadow_page *table)
{
    return !spt_is_out_of_place(it, view) && table->role.word == spt_child_role(it, view).word;
}

/* At the entry of `level` for `gfn`: true. Otherwise at one that is larger and no table, and nothing of `level` is there. */
static bool go_to(struct spt_iter *it, const struct spt *spt, const struct spt_root *root, gfn_t gfn, enum level level)
{
    spt_iter_start(it, (struct spt *)spt, root->page, gfn);
    while (it->level > level && ept_is_table(it->old, it->level))
        spt_iter_down(it, gfn);
    return it->level == level;
}

/* The leaf that takes the place of `table`, or 0: it stays. */
static u64 leaf_for(const struct spt_iter *it, const struct view *view, const struct spt_mapping *large,
                    const struct shadow_page *table)
{
    u64 permissions = large->permissions & view_permissions(view, it->gfn), noted;

    if (!is_in_place(it, view, table) || !view_is_uniform(view, it->gfn, spt_iter_end(it)))
        return 0;

    u64 leaf = ept_leaf(large->pfn, it->level, mm_caps()->nx_large ? permissions & ~EPT_EXECUTE : permissions);
    /* Where only execution is permitted, large pages are of no use. */
    if (!ept_is_present(leaf))
        return 0;

    struct expected expected = expected_for(leaf, permissions, it->level - 1);
    return is_alike(it->tables[it->level - 1], &expected, &noted) ? leaf | noted : 0;
}

static gfn_t collapse_in(struct spt *spt, const struct spt_root *root, const struct spt_mapping *large, bool executed,
                         struct tlb_gather *gather, struct spt_collapse *done)
{
    struct spt_iter it;

    if (large->gfn.v >= spt_end(root->page).v)
        return (gfn_t){ ~0ull };
    if (!go_to(&it, spt, root, large->gfn, large->level) || !ept_is_table(it.old, it.level))
        return spt_iter_end(&it);

    const struct shadow_page *table = shadow_page_of(ept_frame(it.old));
    u64 leaf;
    it.tables[it.level - 1] = port_frame_address(table->frame);
    if (counter_read(&table->present) == 0) {
        done->absent++;
    } else if (table->executed.next != NULL && !executed) {
        done->executed++;
    } else if (leaf = leaf_for(&it, root->view, large, table), leaf == 0) {
        done->different++;
    } else {
        spt_replace_table(&it, leaf, gather);
        done->collapsed++;
    }
    return spt_iter_end(&it);
}

gfn_t spt_collapse(struct spt *spt, const struct spt_mapping *large, bool executed, struct tlb_gather *gather,
                   struct spt_collapse *done)
{
    u64 before = done->collapsed;
    gfn_t end = { ~0ull };

    assert(rwlock_is_mine(&spt->lock));
    assert(large->level > LEVEL_4K && ((large->gfn.v | large->pfn.v) & (level_pages(large->level) - 1)) == 0);
    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        gfn_t to = collapse_in(spt, container_of(node, struct spt_root, link), large, executed, gather, done);

        if (to.v < end.v)
            end = to;
    }
    counter_add(&spt->collapses, (s64)(done->collapsed - before));
    return end;
}

bool spt_is_split(const struct spt *spt, gfn_t gfn, enum level level)
{
    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        const struct spt_root *root = container_of(node, struct spt_root, link);
        struct spt_iter it;

        if (gfn.v < spt_end(root->page).v && go_to(&it, spt, root, gfn, level) && ept_is_table(it.old, it.level))
            return true;
    }
    return false;
}

/* Puts A and D into the leaf of `level` that maps `gfn` to `first`, where there is one. */
static void note_in_leaf(struct spt *spt, const struct spt_root *root, gfn_t gfn, enum level level, pfn_t first,
                         u64 noted)
{
    struct spt_iter it;

    if (gfn.v >= spt_end(root->page).v || !go_to(&it, spt, root, gfn, level))
        return;
    while (ept_is_leaf(it.old, it.level) && ept_frame(it.old).v == first.v) {
        /* A log that begins meanwhile has armed it: then D would hide the next write from it. */
        u64 value = it.old | (it.old & EPT_WRITE ? noted : noted & ~EPT_DIRTY);

        if (value == it.old || spt_set_entry(&it, value, NULL))
            break;
    }
}

/* After the flush nobody notes anything in the table any more, so this is all of it. */
static void note_late(struct spt *spt, const struct shadow_page *page)
{
    const u64 *entries = port_frame_address(page->frame);
    enum level level = page->role.level;
    u64 noted = 0;
    unsigned at = 0;

#pragma GCC unroll 16
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        noted |= entries[i];
    noted &= NOTED;
    if (noted == 0)
        return;
    while (!ept_is_present(entries[at]))
        at++;

    pfn_t first = { ept_frame(entries[at]).v - at * level_pages(level) };
    rwlock_lock_shared(&spt->lock);
    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next)
        note_in_leaf(spt, container_of(node, struct spt_root, link), page->gfn, level + 1, first, noted);
    rwlock_unlock_shared(&spt->lock);
}

void spt_collapse_finish(struct spt *spt, struct tlb_gather *gather)
{
    tlb_gather_flush(gather);
    for (const struct list_node *node = gather->tables.next; node != &gather->tables; node = node->next)
        note_late(spt, container_of(node, struct shadow_page, link));
    tlb_gather_release(gather);
}
