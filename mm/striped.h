/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters that every fault changes: one for each of a few groups of processors, each in a cache line of its own, so that
 * faults that run in parallel do not take the line from each other. The value is the sum; a single one may be "negative".
 */
#ifndef MM_STRIPED_H
#define MM_STRIPED_H

#include "mm/atomic.h"
#include "mm/port.h"

enum { STRIPES = 8, CACHE_LINE = 64 };

/* For an array of STRIPES structs that begin with the counters. */
#define STRIPED __attribute__((aligned(CACHE_LINE)))

static inline unsigned stripe(void)
{
    return port_processor() % STRIPES;
}

/* The sum of one counter over all stripes; `size` is that of the struct around it. */
static inline u64 striped_sum(const u64 *first, u64 size)
{
    u64 sum = 0;

    for (unsigned i = 0; i < STRIPES; i++)
        sum += counter_read((const u64 *)((const char *)first + i * size));
    return sum;
}

#define STRIPED_SUM(array, counter) striped_sum(&(array)[0].counter, sizeof((array)[0]))

#endif
