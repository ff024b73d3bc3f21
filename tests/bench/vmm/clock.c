/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmm.h: the time stamp counter, which counts instructions here, and the lines of results. */
#include <stdio.h>

#include "tests/bench/vmm/vmm.h"

static u64 start;

static u64 ticks(void)
{
    u32 low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

void bench_begin(void)
{
    start = ticks();
}

u64 bench_end(void)
{
    return ticks() - start;
}

void bench_result(const char *what, u64 taken, u64 count)
{
    u64 hundredths = (taken * 100 + count / 2) / count;

    printf("bench: %s.%s %llu.%02llu\n", bench_run, what, (unsigned long long)hundredths / 100,
           (unsigned long long)hundredths % 100);
}
