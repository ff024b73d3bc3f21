/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmm.h: the mail of guest-stubs/bench.h. */
#include <time.h>

#include "tests/bench/vmm/vmm.h"

/* Each look at the mail takes the guest some thousands of instructions: few in so many milliseconds. */
static const struct timespec BETWEEN_LOOKS = { .tv_nsec = 10 * 1000 * 1000 };
/* Before the first: what is short is done by then, and has not been disturbed. */
static const struct timespec FIRST_LOOK = { .tv_nsec = 2500 * 1000 };

static u32 order;

static volatile u32 *word(u32 at)
{
    return (volatile u32 *)(vm_memory + at);
}

static void sleep_between(void)
{
    nanosleep(&BETWEEN_LOOKS, NULL);
}

u64 bench_order(enum bench_work work, u32 count)
{
    while (*word(BENCH_READY) == 0)
        sleep_between();
    *word(BENCH_WORK) = work;
    *word(BENCH_COUNT) = count;
    *word(BENCH_ORDER) = ++order;
    nanosleep(&FIRST_LOOK, NULL);
    while (*word(BENCH_DONE) != order)
        sleep_between();
    return *word(BENCH_TICKS);
}

u64 bench_write(u64 first, u32 step, u32 count)
{
    *word(BENCH_FIRST) = (u32)first;
    *word(BENCH_STEP) = step;
    return bench_order(BENCH_WRITE, count);
}

void bench_settle(void)
{
    (void)bench_write(BENCH_LOWEST, PAGE, 1);
}

void bench_stop(void)
{
    *word(BENCH_ORDER) = (u32)BENCH_STOP;
    vcpu_wait_end();
}
