/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's timer (SDM 11.5.4). Nothing ticks: counts and expirations are computed from the time. Every function that
 * changes something first fires, by the old registers, what has come due until then.
 */
#include "hv/dev/lapic_internal.h"

static u32 timer_mode(const struct lapic_timer *timer)
{
    return timer->lvt >> LAPIC_TIMER_MODE_SHIFT & 3;
}

static bool timer_counts(const struct lapic_timer *timer)
{
    return timer_mode(timer) == LAPIC_ONE_SHOT || timer_mode(timer) == LAPIC_PERIODIC;
}

static u64 later(u64 from, u64 ticks)
{
    return from > LAPIC_NEVER - ticks ? LAPIC_NEVER : from + ticks;
}

/* Whole counts since `from`. */
static u64 counts_at(const struct lapic_timer *timer, u64 now)
{
    return now > timer->from ? (now - timer->from) >> timer->shift : 0;
}

static u8 divide_shift(const struct lapic *lapic, u32 divide)
{
    u32 code = (divide & 3) | (divide >> 1 & 4); /* 0 divides by 2, 6 by 128, 7 by 1 */

    return (u8)(lapic->bus_shift + ((code + 1) & 7));
}

/* In TSC-deadline mode. */
static u64 deadline_fires(const struct lapic *lapic, u64 deadline, u64 now)
{
    u64 guest_now = now + lapic->tsc_offset;

    if (deadline == 0)
        return LAPIC_NEVER;
    return deadline <= guest_now ? now : later(now, deadline - guest_now);
}

void lapic_timer_rearm(struct lapic *lapic, u64 now)
{
    struct lapic_timer *timer = &lapic->timer;

    timer->fires = LAPIC_NEVER;
    if (timer_counts(timer)) {
        if (timer->count)
            timer->fires = later(timer->from, (u64)timer->count << timer->shift);
    } else {
        timer->fires = deadline_fires(lapic, timer->deadline, now);
    }
}

void lapic_timer_reset(struct lapic *lapic)
{
    lapic->timer = (struct lapic_timer){
        .lvt = LAPIC_LVT_MASKED,
        .shift = divide_shift(lapic, 0),
        .fires = LAPIC_NEVER,
    };
}

u64 lapic_timer_next(const struct lapic *lapic)
{
    return lapic->timer.lvt & LAPIC_LVT_MASKED ? LAPIC_NEVER : lapic->timer.fires;
}

bool lapic_timer_run(struct lapic *lapic, u64 now)
{
    struct lapic_timer *timer = &lapic->timer;

    if (now < timer->fires || timer->fires == LAPIC_NEVER)
        return false;
    if (timer_mode(timer) == LAPIC_PERIODIC) {
        u64 over = counts_at(timer, now) - timer->count; /* counts since the first expiration */

        timer->from += (timer->count + over / timer->initial * timer->initial) << timer->shift;
        timer->count = timer->initial;
    } else {
        timer->count = 0;
        timer->deadline = 0;
    }
    lapic_timer_rearm(lapic, now);
    if (timer->lvt & LAPIC_LVT_MASKED)
        return false;
    lapic_post(lapic, (u8)timer->lvt, false);
    return true;
}

u32 lapic_timer_current(struct lapic *lapic, u64 now)
{
    const struct lapic_timer *timer = &lapic->timer;
    u64 counts;

    lapic_timer_run(lapic, now);
    counts = counts_at(timer, now);
    if (!timer_counts(timer) || counts >= timer->count)
        return 0;
    return (u32)(timer->count - counts);
}

/*
 * A change from or to TSC-deadline mode disarms. Between one-shot and periodic mode the count goes on: the SDM says that any
 * change disarms, but processors do not do that, and there are kernels that rely on it.
 */
void lapic_timer_set_lvt(struct lapic *lapic, u32 lvt, u64 now)
{
    struct lapic_timer *timer = &lapic->timer;
    u32 mode = timer_mode(timer);
    bool counted = timer_counts(timer);

    lapic_timer_run(lapic, now);
    timer->lvt = lvt;
    if (mode != timer_mode(timer) && !(counted && timer_counts(timer))) {
        timer->count = timer->initial = 0;
        timer->deadline = 0;
        lapic_set(lapic, LAPIC_TIMER_INITIAL, 0);
    }
    lapic_timer_rearm(lapic, now);
}

void lapic_timer_set_initial(struct lapic *lapic, u32 initial, u64 now)
{
    struct lapic_timer *timer = &lapic->timer;

    lapic_timer_run(lapic, now);
    if (!timer_counts(timer))
        initial = 0; /* ignored in TSC-deadline mode */
    timer->initial = timer->count = initial;
    timer->from = now;
    lapic_set(lapic, LAPIC_TIMER_INITIAL, initial);
    lapic_timer_rearm(lapic, now);
}

void lapic_timer_set_divide(struct lapic *lapic, u32 divide, u64 now)
{
    struct lapic_timer *timer = &lapic->timer;
    u32 left = lapic_timer_current(lapic, now);

    timer->shift = divide_shift(lapic, divide);
    timer->count = left;
    timer->from = now;
    lapic_timer_rearm(lapic, now);
}

u64 lapic_timer_get_deadline(struct lapic *lapic, u64 now)
{
    lapic_timer_run(lapic, now);
    return lapic->timer.deadline;
}

void lapic_timer_set_deadline(struct lapic *lapic, u64 deadline, u64 now)
{
    struct lapic_timer *timer = &lapic->timer;

    lapic_timer_run(lapic, now);
    if (timer_mode(timer) != LAPIC_TSC_DEADLINE)
        return;
    timer->deadline = deadline;
    lapic_timer_rearm(lapic, now);
}

bool lapic_deadline_write_quickly(struct lapic *lapic, u64 deadline, u64 now, u64 until)
{
    struct lapic_timer *timer = &lapic->timer;
    u64 fires;

    if (timer_mode(timer) != LAPIC_TSC_DEADLINE || timer->fires <= now)
        return false;
    fires = deadline_fires(lapic, deadline, now);
    if (fires < until)
        return false;
    timer->deadline = deadline;
    timer->fires = fires;
    return true;
}

void lapic_set_tsc_offset(struct lapic *lapic, u64 offset, u64 now)
{
    lapic_timer_run(lapic, now);
    lapic->tsc_offset = offset;
    lapic_timer_rearm(lapic, now);
}
