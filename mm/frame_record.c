/* SPDX-License-Identifier: BSD-2-Clause */
/* The sparse array of mm/frame_record.h. A directory word is the pfn of the page << PAGE_SHIFT | number of records in it. */
#include "mm/frame_record.h"

#include "mm/frame.h"
#include "mm/mem.h"
#include "mm/port.h"

enum { RECORDS = 512 };
static_assert(RECORDS * sizeof(void *) == PAGE_SIZE, "a page of pointers");
static_assert(RECORDS < PAGE_SIZE, "the number fits below the pfn");

static void **page_of(u64 word)
{
    return port_frame_address((pfn_t){ word >> PAGE_SHIFT });
}

int frame_record_set(pfn_t pfn, void *record)
{
    u64 *word = frame_directory(pfn);

    if (*word == 0) {
        pfn_t page;

        if (frame_alloc(0, FRAME_CONTROL, &page) != 0)
            return -ENOMEM;
        memset(port_frame_address(page), 0, PAGE_SIZE);
        *word = page.v << PAGE_SHIFT;
    }
    assert(page_of(*word)[pfn.v % RECORDS] == NULL && record != NULL);
    page_of(*word)[pfn.v % RECORDS] = record;
    *word += 1;
    return 0;
}

void *frame_record_get(pfn_t pfn)
{
    u64 word = *frame_directory(pfn);

    return word == 0 ? NULL : page_of(word)[pfn.v % RECORDS];
}

void frame_record_clear(pfn_t pfn)
{
    u64 *word = frame_directory(pfn);

    assert(frame_record_get(pfn) != NULL);
    page_of(*word)[pfn.v % RECORDS] = NULL;
    *word -= 1;
    if (*word % PAGE_SIZE == 0) {
        frame_free((pfn_t){ *word >> PAGE_SHIFT }, 0, FRAME_CONTROL);
        *word = 0;
    }
}
