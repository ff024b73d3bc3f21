/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/shadow_page.h. */
#include "mm/shadow_page.h"

#include "mm/ept.h"
#include "mm/frame.h"
#include "mm/frame_record.h"
#include "mm/pool.h"
#include "mm/port.h"

POOL(shadow_pages, struct shadow_page);

struct shadow_page *shadow_page_alloc(void)
{
    struct shadow_page *page = pool_alloc(&shadow_pages);

    if (page == NULL)
        return NULL;
    if (frame_alloc(0, FRAME_TABLE, &page->frame) != 0)
        goto no_frame;
    if (frame_record_set(page->frame, page) != 0)
        goto no_record;
    return page;

no_record:
    frame_free(page->frame, 0, FRAME_TABLE);
no_frame:
    pool_free(&shadow_pages, page);
    return NULL;
}

void shadow_page_free(struct shadow_page *page)
{
    frame_record_clear(page->frame);
    frame_free(page->frame, 0, FRAME_TABLE);
    pool_free(&shadow_pages, page);
}

void shadow_page_fill(struct shadow_page *page, u64 entry, u64 step)
{
    u64 *entries = port_frame_address(page->frame);

    /* Four at a time: this is most of what a split costs. */
    for (unsigned i = 0; i < EPT_ENTRIES; i += 4, entry += 4 * step) {
        entries[i] = entry;
        entries[i + 1] = entry + step;
        entries[i + 2] = entry + 2 * step;
        entries[i + 3] = entry + 3 * step;
    }
    page->present = ept_is_present(entry) ? EPT_ENTRIES : 0;
}

struct shadow_page *shadow_page_of(pfn_t frame)
{
    struct shadow_page *page = frame_record_get(frame);

    assert(page != NULL && page->frame.v == frame.v);
    return page;
}
