/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/tlb_gather.h. */
#include "mm/tlb_gather.h"

#include "mm/atomic.h"
#include "mm/tlb.h"
#include "mm/vm.h"

void tlb_gather_note(struct tlb_gather *gather)
{
    if (gather->needs_flush)
        return;
    gather->needs_flush = true;
    atomic_add(&gather->vm->unflushed, 1);
}

void tlb_gather_join(struct tlb_gather *gather)
{
    if (!gather->needs_flush && atomic_read(&gather->vm->unflushed) != 0)
        tlb_gather_note(gather);
}

void tlb_gather_table(struct tlb_gather *gather, struct shadow_page *page)
{
    list_add(&gather->tables, &page->link);
    gather->count++;
    tlb_gather_note(gather);
}

void tlb_gather_flush(struct tlb_gather *gather)
{
    if (!gather->needs_flush)
        return;
    tlb_flush(gather->vm);
    gather->needs_flush = false;
    atomic_add(&gather->vm->unflushed, -1);
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
