/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: what a guest gets of its processors while others do their worst: in each of so many periods the work that
 * each of its processors does, or with `alarm`, in which they halt for 10 milliseconds again and again, how late they
 * are woken. Measured is the second third of a period. Prints a line for each: "period 3: 20123 in 400 19876 in 812",
 * for each processor the work, and the longest time, in microseconds, for which it stood still; or how late the alarm
 * was at most.
 *
 *   [guest share]                      [guest alarm]
 *   image = share.elf                  image = share.elf
 *   memory = 8M                        memory = 8M
 *   processors = 2                     processors = 2
 *   cmdline = periods=3 period=60      cmdline = periods=3 period=60 alarm
 */
#include "guest-stubs/hostile/parallel.h"

enum { PERIODS_MAX = 40, MEASURED_MAX = 8, ALARM_MS = 10 };

static u32 work[PERIODS_MAX][MEASURED_MAX], longest[PERIODS_MAX][MEASURED_MAX];
static u32 periods;
static u64 period_ticks;
static bool is_alarm;

static void note_gap(u32 *gap, u64 ticks)
{
    if (ticks > *gap)
        *gap = (u32)ticks;
}

static void compute(u32 *done, u32 *gap, u64 begin, u64 end)
{
    u64 now, before = begin;

    halt_until(begin);
    while ((now = rdtsc()) < end) {
        note_gap(gap, now - before);
        before = now;
        ++*done;
    }
}

static void wake_again_and_again(u32 *done, u32 *late, u64 begin, u64 end)
{
    u64 interval = ALARM_MS * ticks_per_ms();

    halt_until(begin);
    for (u64 due = begin + interval; due < end; due += interval) {
        halt_until(due);
        note_gap(late, rdtsc() - due);
        ++*done;
    }
}

static void measure(void)
{
    unsigned index = this_processor()->apic_id;
    u32 third = (u32)period_ticks / 3;
    u64 begin = third;

    for (u32 period = 0; period < periods; period++, begin += period_ticks) {
        u32 done = 0, gap = 0;

        (is_alarm ? wake_again_and_again : compute)(&done, &gap, begin, begin + third);
        work[period][index] = done;
        longest[period][index] = gap;
    }
}

void stub_main(void)
{
    u32 ticks_per_us = (u32)ticks_per_ms() / 1000;

    is_alarm = argument("alarm", 0);
    periods = (u32)argument("periods", 1);
    period_ticks = argument("period", 60) * ticks_per_ms();
    plan(1);
    parallel_start();
    run_on_all(measure);
    for (u32 i = 0; i < periods; i++) {
        print("period %u:", i);
        for (unsigned j = 0; j < processor_count; j++)
            print(" %u in %u", work[i][j], longest[i][j] / ticks_per_us);
        print("\n");
    }
    ok(true, "measured");
}
