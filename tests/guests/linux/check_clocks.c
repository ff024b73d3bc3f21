/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks never run backwards, on whichever processor they are read; and the date is right. */
#include "tests/guests/linux/init.h"

enum { ROUND_NS = 30 * 1000 * 1000, DATE_2000 = 946684800 };

/* In shared memory. */
static struct {
    u32 lock;
    u64 clock, tsc, backwards, readings[PROCESSORS_MAX];
} * shared;

/* The lock orders the readings: each was made after the one that it is compared with. */
static int read_clocks(unsigned processor)
{
    u64 end = clock_ns(CLOCK_MONO) + ROUND_NS, clock;

    do {
        u64 ticks;
        while (__atomic_exchange_n(&shared->lock, 1, __ATOMIC_ACQUIRE))
            CALL_0(sched_yield);
        clock = clock_ns(CLOCK_MONO);
        ticks = tsc();
        shared->backwards += clock < shared->clock || ticks < shared->tsc;
        shared->clock = clock;
        shared->tsc = ticks;
        shared->readings[processor]++;
        __atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE);
    } while (clock < end);
    return 0;
}

static void check_source(void)
{
    char name[32];
    long length = file_read("/sys/devices/system/clocksource/clocksource0/current_clocksource", name, sizeof(name));
    const char *expected;

    if (length > 0)
        name[length - 1] = '\0';
    expected = option("source", name);
    ok(length > 0 && text_is(name, expected), "the clock source is %s", name);
}

static void check_order(void)
{
    unsigned online = processors(), read = 0;

    shared = shared_memory(sizeof(*shared));
    on_each_processor(read_clocks, 1);
    for (unsigned i = 0; i < online; i++)
        read += shared->readings[i] > 0;
    ok(read == online && shared->backwards == 0, "the clock and the TSC were read on %u processors, %u times backwards",
       (u64)read, shared->backwards);
}

static void check_date(void)
{
    u64 seconds = clock_ns(CLOCK_REAL) / 1000000000;

    ok(seconds + 86400 >= DATE_2000, "the date is %u seconds after 1970", seconds);
}

void check_clocks(void)
{
    check_source();
    check_order();
    check_date();
}
