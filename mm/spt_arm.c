/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arming pages, so that the next write to each is seen (mm/dirty_log.h). Entries of 4K change by one operation each; nothing
 * is unlinked, so the lock is shared, but for splits in a VM with views.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

enum { ARM_BITS = EPT_ENTRIES / ARM_WORDS };

struct arming {
    gfn_t first; /* of the region */
    const u64 *words;
    enum ept_arm how;
    bool split;
    struct table_cache *cache;
    struct tlb_gather *gather;
};

/*
 * One entry of 4K. While the lock is held, shared is enough, a leaf stays one, and only its A, D and permissions change. A D
 * bit that the processor sets after this look at it is logged by the processor.
 */
static inline void arm_entry(u64 *entry, enum ept_arm how)
{
    u64 old = pte_read(entry);

    if (how == ARM_DIRTY) {
        if (old & EPT_DIRTY)
            pte_clear(entry, EPT_DIRTY);
        return;
    }
    if ((old & (EPT_READ | EPT_WRITE)) != (EPT_READ | EPT_WRITE))
        return;
    if (old & EPT_MAY_WRITE) {
        pte_clear(entry, EPT_WRITE);
        return;
    }
    while (!pte_cmpxchg(entry, &old, ept_armed(old, LEVEL_4K, how)))
        ;
}

/*
 * A word whose pages were all written, which is most of what a harvest costs. Where D is not set, or nothing is mapped, nothing
 * changes.
 */
static inline void clear_word(u64 *entries)
{
#pragma GCC unroll 8
    for (unsigned i = 0; i < ARM_BITS; i++)
        pte_clear(&entries[i], EPT_DIRTY);
}

static inline void arm_word(u64 *entries, u64 bits, enum ept_arm how)
{
    if (bits == ~0ull && how == ARM_DIRTY) {
        clear_word(entries);
        return;
    }
    for (; bits != 0; bits &= bits - 1)
        arm_entry(&entries[__builtin_ctzll(bits)], how);
}

static void arm_table(u64 *entries, const struct arming *arming)
{
    /* Before the change, as for every change that takes something away. */
    tlb_gather_note(arming->gather);
    for (unsigned word = 0; word < ARM_WORDS; word++) {
        if (arming->how == ARM_DIRTY)
            arm_word(entries + word * ARM_BITS, arming->words[word], ARM_DIRTY);
        else
            arm_word(entries + word * ARM_BITS, arming->words[word], ARM_PROTECT);
    }
}

static void protect(struct spt_iter *it, const struct arming *arming)
{
    while (ept_is_leaf(it->old, it->level)) {
        u64 value = ept_armed(it->old, it->level, arming->how);

        if (value == it->old || spt_set_entry(it, value, arming->gather))
            break;
    }
}

/*
 * In one tree: the end of what is done, or absent; the region's begin if a table is needed. What somebody else
 * has split is looked at too.
 */
static gfn_t arm_in(struct spt *spt, const struct spt_root *root, const struct arming *arming)
{
    struct spt_iter it;

    if (arming->first.v >= spt_end(root->page).v)
        return (gfn_t){ ~0ull };
    spt_iter_start(&it, spt, root->page, arming->first);
    while (it.level > LEVEL_4K) {
        if (ept_is_table(it.old, it.level)) {
            spt_iter_down(&it, arming->first);
        } else if (!ept_is_present(it.old)) {
            return spt_iter_end(&it);
        } else if (!arming->split) {
            protect(&it, arming);
            if (ept_is_leaf(it.old, it.level))
                return spt_iter_end(&it);
        } else {
            int result = spt_split_leaf(&it, root->view, arming->how, arming->cache, arming->gather);

            if (result < 0)
                return arming->first;
            /* A table that is made here is armed as it is made. */
            if (result == 0 && it.level == LEVEL_2M)
                return spt_iter_end(&it);
        }
    }
    arm_table(it.tables[LEVEL_4K], arming);
    return (gfn_t){ arming->first.v + EPT_ENTRIES };
}

gfn_t spt_arm_region(struct spt *spt, gfn_t first, const u64 words[ARM_WORDS], enum ept_arm how, bool split,
                     struct table_cache *cache, struct tlb_gather *gather)
{
    const struct arming arming = { first, words, how, split, cache, gather };
    gfn_t done = { ~0ull };

    assert(first.v % EPT_ENTRIES == 0 && how != ARM_NONE);
    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        gfn_t end = arm_in(spt, container_of(node, struct spt_root, link), &arming);

        if (end.v < done.v)
            done = end;
    }
    /* Where nothing is mapped any more, a processor may still write through what others have removed and not flushed yet. */
    tlb_gather_join(gather);
    return done;
}

/* Write permission for the leaf where `it` stands, if it was only taken to see a write. */
static void give_back(struct spt_iter *it)
{
    while (ept_is_leaf(it->old, it->level) && (it->old & (EPT_WRITE | EPT_MAY_WRITE)) == EPT_MAY_WRITE) {
        if (spt_set_entry(it, it->old | EPT_WRITE, NULL))
            break;
    }
}

void spt_disarm(struct spt *spt, gfn_t first, gfn_t end)
{
    assert(first.v < end.v && end.v <= (first.v | (EPT_ENTRIES - 1)) + 1);
    for (const struct list_node *node = spt->roots.next; node != &spt->roots; node = node->next) {
        const struct spt_root *root = container_of(node, struct spt_root, link);
        struct spt_iter it;

        if (first.v >= spt_end(root->page).v)
            continue;
        spt_iter_start(&it, spt, root->page, first);
        while (ept_is_table(it.old, it.level))
            spt_iter_down(&it, first);
        /* A large page lies wholly in one slot (C5), the one that is not logged any more. */
        do
            give_back(&it);
        while (it.level == LEVEL_4K && spt_iter_end(&it).v < end.v && spt_iter_next(&it));
    }
}
