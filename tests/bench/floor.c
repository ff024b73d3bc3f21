/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor of tests/bench/bench.h. Compiled with mm/'s own flags: no vector stores. */
#include <stdlib.h>

#include "mm/ept.h"
#include "mm/frame.h"
#include "mm/port.h"
#include "tests/bench/bench.h"

static pfn_t *frames;
static u64 count;

void floor_take(u64 tables)
{
    count = tables;
    frames = calloc(tables, sizeof(*frames));
    require(frames != NULL);
    for (u64 i = 0; i < tables; i++)
        require(frame_alloc(0, FRAME_CONTROL, &frames[i]) == 0);
}

double floor_fill(void)
{
    double start = thread_ns();
    u64 value = EPT_PERMISSIONS;

    for (u64 i = 0; i < count; i++) {
        u64 *entries = port_frame_address(frames[i]);

        for (unsigned j = 0; j < EPT_ENTRIES; j++, value += PAGE_SIZE)
            entries[j] = value;
        __asm__ volatile("" ::: "memory");
    }
    return thread_ns() - start;
}

void floor_give_back(void)
{
    /* The last first: who allocates next gets them in the same order. */
    while (count > 0)
        frame_free(frames[--count], 0, FRAME_CONTROL);
    free(frames);
}
