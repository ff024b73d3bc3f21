/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: the 8254's counter 2 measures time through port 0x61, and that time and the TSC run evenly. Other guests may
 * have their turn at any point, for longer than the counter can count: so the ratio is the median of short
 * measurements, and of a long one only that it does not end early is promised.
 *
 *   [guest timer]
 *   image = timer.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum {
    PIT_HZ = 1193182,
    COUNTER_2 = 0x42,
    CONTROL = 0x43,
    CONTROL_2_MODE_0 = 0xb0, /* counter 2, low and high byte, mode 0 */
    LATCH_2 = 0x80,
    PORT_61 = 0x61,
    GATE = 0x01,
    SPEAKER = 0x02,
    REFRESH = 0x10,
    OUT2 = 0x20,
};

static u16 read_counter(void)
{
    u8 low;

    outb(CONTROL, LATCH_2);
    low = inb(COUNTER_2);
    return (u16)(inb(COUNTER_2) << 8 | low);
}

static void start_counter(u16 count)
{
    outb(PORT_61, (inb(PORT_61) & (u8)~SPEAKER) | GATE);
    outb(CONTROL, CONTROL_2_MODE_0);
    outb(COUNTER_2, (u8)count);
    outb(COUNTER_2, (u8)(count >> 8));
}

/* TSC ticks until counter 2, started with `count`, has reached 0. */
static u64 measure(u16 count)
{
    u64 start;

    start_counter(count);
    start = rdtsc();
    while (!(inb(PORT_61) & OUT2))
        ;
    return rdtsc() - start;
}

/* TSC ticks in 256 ticks of the counter, over about a millisecond. */
static u32 measure_rate(void)
{
    u32 start, ticks;
    u16 first, counted;

    start_counter(0xffff);
    start = (u32)rdtsc();
    first = read_counter();
    do
        counted = first - read_counter();
    while (counted < PIT_HZ / 1000);
    ticks = (u32)rdtsc() - start;
    return ticks / counted * 256 + ticks % counted * 256 / counted;
}

static void sort(u32 *numbers, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        for (unsigned j = i; j > 0 && numbers[j - 1] > numbers[j]; j--) {
            u32 swap = numbers[j];
            numbers[j] = numbers[j - 1];
            numbers[j - 1] = swap;
        }
    }
}

static bool refresh_toggles(void)
{
    u8 first = inb(PORT_61) & REFRESH;

    for (unsigned i = 0; i < 1000000; i++) {
        if ((inb(PORT_61) & REFRESH) != first)
            return true;
    }
    return false;
}

static bool counts_down(void)
{
    u16 first, second;

    start_counter(0xffff);
    first = read_counter();
    for (unsigned i = 0; i < 100; i++)
        inb(PORT_61);
    second = read_counter();
    print("# counter 2: %u, then %u\n", first, second);
    return second < first;
}

static bool gate_stops(void)
{
    u16 first;

    outb(PORT_61, inb(PORT_61) & (u8)~GATE);
    first = read_counter();
    for (unsigned i = 0; i < 100; i++)
        inb(PORT_61);
    return read_counter() == first;
}

void stub_main(void)
{
    enum { RATES = 15, LOW = RATES / 3, MEDIAN = RATES / 2, HIGH = RATES - 1 - RATES / 3 };
    u32 rates[RATES];
    u64 ticks_10ms;

    plan(5);
    ok(refresh_toggles(), "the refresh bit toggles");
    ok(counts_down(), "counter 2 counts down");
    ok(gate_stops(), "and stands still with its gate low");
    for (unsigned i = 0; i < RATES; i++)
        rates[i] = measure_rate();
    sort(rates, RATES);
    print("# TSC ticks in 256 of the counter: %u to %u, median %u\n", rates[LOW], rates[HIGH], rates[MEDIAN]);
    ok(rates[LOW] > 0 && rates[HIGH] < rates[LOW] + rates[LOW] / 4, "the TSC runs evenly with it");
    ticks_10ms = measure(PIT_HZ / 100);
    print("# 10 ms: %llu ticks\n", (unsigned long long)ticks_10ms);
    ok(8 * ticks_10ms > 7 * (u64)rates[MEDIAN] * (PIT_HZ / 100 / 256), "10 ms do not end early");
}
