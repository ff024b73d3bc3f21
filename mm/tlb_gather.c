/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/tlb_gather.h. */
#include "mm/tlb_gather.h"

#include "mm/port.h"

void tlb_gather_note(struct tlb_gather *gather)
{
    gather->needs_flush = true;
}

void tlb_gather_table(struct tlb_gather *gather, struct shadow_page *page)
{
    list_add(&gather->tables, &page->link);
    gather->count++;
    gather->needs_flush = true;
}

void tlb_gather_flush(struct tlb_gather *gather)
{
    if (!gather->needs_flush)
        return;
    port_flush_tlb(gather->vm);
    gather->needs_flush = false;
}

void tlb_gather_release(struct tlb_gather *gather)
{
    assert(!gather->needs_flush);
    while (!list_is_empty(&gather->tables)) {
        struct shadow_page *page = container_of(gather->tables.next, struct shadow_page, link);

        list_remove(&page->link);
        shadow_page_free(page);
    }
    gather->count = 0;
}

void tlb_gather_finish(struct tlb_gather *gather)
{
    tlb_gather_flush(gather);
    tlb_gather_release(gather);
}

void tlb_gather_drop(struct tlb_gather *gather)
{
    assert(!gather->needs_flush && list_is_empty(&gather->tables));
}
