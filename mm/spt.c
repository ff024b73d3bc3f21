/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree and its accounting: see mm/spt.h. What maps is mm/spt_map.c, what removes mm/spt_zap.c. */
#include "mm/spt.h"

#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

static void entry_changed(struct spt *spt, struct shadow_page *page, u64 old, u64 value, struct tlb_gather *gather);

static void table_added(struct spt *spt, struct shadow_page *page)
{
    list_add(&spt->pages, &page->link);
    counter_add(&spt->tables, 1);
}

/*
 * Nothing points to the table any more, but processors may still walk through it until the flush: so its entries are
 * taken with exchange, and whatever they set in them before is seen (P4).
 */
static void table_removed(struct spt *spt, struct shadow_page *page, struct tlb_gather *gather)
{
    u64 *entries = port_frame_address(page->frame);

    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        entry_changed(spt, page, pte_xchg(&entries[i], EPT_EMPTY), EPT_EMPTY, gather);
    assert(counter_read(&page->present) == 0);
    page->role.invalid = 1;
    list_remove(&page->link);
    counter_add(&spt->tables, -1);
    tlb_gather_table(gather, page);
}

/* An entry of the table `page` has changed from `old` to `value`. */
static void entry_changed(struct spt *spt, struct shadow_page *page, u64 old, u64 value, struct tlb_gather *gather)
{
    enum level level = page->role.level;

    if (ept_is_present(old) != ept_is_present(value))
        counter_add(&page->present, ept_is_present(value) ? 1 : -1);
    if (ept_is_leaf(old, level))
        counter_add(&spt->mapped[level], -1);
    if (ept_is_leaf(value, level))
        counter_add(&spt->mapped[level], 1);
    if (ept_change_needs_flush(old, value)) {
        assert(gather != NULL);
        tlb_gather_note(gather);
    }

    bool same_table = ept_is_table(old, level) && ept_is_table(value, level) && ept_frame(old).v == ept_frame(value).v;
    if (ept_is_table(value, level) && !same_table)
        table_added(spt, shadow_page_of(ept_frame(value)));
    if (ept_is_table(old, level) && !same_table)
        table_removed(spt, shadow_page_of(ept_frame(old)), gather);
}

bool spt_set_entry(struct spt_iter *it, u64 value, struct tlb_gather *gather)
{
    u64 old = it->old;

    if (!pte_cmpxchg(spt_iter_entry(it), &it->old, value))
        return false;
    it->old = value;
    entry_changed(it->spt, shadow_page_of(port_frame_of(it->tables[it->level])), old, value, gather);
    return true;
}

void spt_place_table(const struct spt_iter *it, struct shadow_page *page)
{
    page->parent = shadow_page_of(port_frame_of(it->tables[it->level]));
    page->gfn = it->gfn;
    page->role = page->parent->role;
    page->role.level = it->level - 1;
    page->generation = vm_slots_generation(it->spt->vm);
}

int spt_create(struct spt *spt, struct vm_memory *vm, unsigned levels)
{
    struct shadow_page *root = shadow_page_alloc();

    if (root == NULL)
        return -ENOMEM;
    root->role = (union role){ .level = levels & 7, .levels = levels & 7, .direct = 1 };
    *spt = (struct spt){ .vm = vm, .root = root };
    list_init(&spt->pages);
    table_added(spt, root);
    return 0;
}

void spt_destroy(struct spt *spt)
{
    TLB_GATHER(gather, spt->vm);

    spt_zap_all(spt, (gfn_t){ 0 }, spt_end(spt));
    table_removed(spt, spt->root, &gather);
    tlb_gather_finish(&gather);
    assert(list_is_empty(&spt->pages) && counter_read(&spt->tables) == 0);
}

gfn_t spt_end(const struct spt *spt)
{
    return (gfn_t){ level_pages((enum level)spt->root->role.level) * EPT_ENTRIES };
}
