/* SPDX-License-Identifier: BSD-2-Clause */
/* See pit8254.h. */
#include "hv/dev/pit8254.h"

#define NS_PER_SECOND 1000000000ull

enum {
    ACCESS_LATCH = 0,
    ACCESS_LOW = 1,
    ACCESS_HIGH = 2,
    ACCESS_BOTH = 3,

    REG_CONTROL = 3,
    SELECT_READ_BACK = 3,
    READ_BACK_NO_COUNT = 0x20,
    READ_BACK_NO_STATUS = 0x10,

    STATUS_OUT = 0x80,
    STATUS_NULL_COUNT = 0x40,

    PORT61_GATE2 = 0x01,
    PORT61_STORED = 0x0f,
    PORT61_REFRESH = 0x10,
    PORT61_OUT2 = 0x20,
    REFRESH_TICKS = 18, /* about 15 us */
};

/* Both conversions split off whole seconds, so that no product passes 2^64 before the end of `now` itself. */
static u64 ticks_at(u64 ns)
{
    return ns / NS_PER_SECOND * PIT_HZ + ns % NS_PER_SECOND * PIT_HZ / NS_PER_SECOND;
}

/* The first nanosecond at which ticks_at() has reached `ticks`. */
static u64 ns_of_tick(u64 ticks)
{
    u64 seconds = ticks / PIT_HZ, rest = ticks % PIT_HZ;

    if (seconds >= UINT64_MAX / NS_PER_SECOND)
        return PIT_NO_EDGE;
    return seconds * NS_PER_SECOND + (rest * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

static u32 counter_modulus(const struct pit_counter *counter)
{
    return counter->bcd ? 10000 : 0x10000;
}

/* A low gate stops counting in modes 0, 2, 3 and 4; in 1 and 5 its rising edge triggers, its level means nothing. */
static bool counter_runs(const struct pit_counter *counter)
{
    return counter->started && (counter->gate || counter->mode == 1 || counter->mode == 5);
}

static u64 counter_elapsed(const struct pit_counter *counter, u64 tick)
{
    if (!counter_runs(counter) || tick < counter->since)
        return counter->held;
    return counter->held + (tick - counter->since);
}

static void counter_start(struct pit_counter *counter, u64 tick)
{
    counter->started = true;
    counter->null_count = false;
    counter->reload = counter->next;
    counter->held = 0;
    counter->since = tick;
}

static bool counter_out(const struct pit_counter *counter, u64 tick)
{
    u64 elapsed = counter_elapsed(counter, tick);
    u32 reload = counter->reload;

    if (!counter->started)
        return counter->mode != 0;
    switch (counter->mode) {
    case 0:
    case 1:
        return elapsed >= reload;
    case 2:
        return !counter->gate || elapsed % reload != reload - 1;
    case 3:
        return !counter->gate || elapsed % reload < (reload + 1) / 2;
    default: /* 4, 5: low for one tick at the end */
        return elapsed != reload;
    }
}

/* The counting element, as a number below 2^16 (or of four decimal digits). */
static u32 counter_value(const struct pit_counter *counter, u64 tick)
{
    u64 elapsed = counter_elapsed(counter, tick);
    u32 reload = counter->reload, modulus = counter_modulus(counter), phase;

    switch (counter->mode) {
    case 2:
        return (u32)(reload - elapsed % reload) % modulus;
    case 3: /* counts by two, twice a period; an odd count has the longer half first */
        phase = (u32)(elapsed % reload);
        if (phase >= (reload + 1) / 2)
            phase -= (reload + 1) / 2;
        return ((reload & ~1u) - 2 * phase) % modulus;
    default: /* runs on below zero */
        return (u32)(reload + modulus - elapsed % modulus) % modulus;
    }
}

static u16 to_bcd(u32 number)
{
    return (u16)(number % 10 | number / 10 % 10 << 4 | number / 100 % 10 << 8 | number / 1000 % 10 << 12);
}

/* Digits above 9 are the guest's mistake: any count that is not 0 will do. */
static u32 from_bcd(u16 bcd)
{
    return (bcd & 15u) + (bcd >> 4 & 15u) * 10 + (bcd >> 8 & 15u) * 100 + (bcd >> 12) * 1000u;
}

static u16 counter_read_value(const struct pit_counter *counter, u64 tick)
{
    u32 value = counter_value(counter, tick);

    return counter->bcd ? to_bcd(value) : (u16)value;
}

static void counter_load(struct pit_counter *counter, u16 count, u64 tick)
{
    u32 reload = counter->bcd ? from_bcd(count) : count;

    if (reload == 0)
        reload = counter_modulus(counter);
    counter->loaded = true;
    counter->next = reload;
    counter->null_count = true;
    if (counter->mode != 1 && counter->mode != 5) /* those wait for a trigger */
        counter_start(counter, tick);
}

static void counter_write(struct pit_counter *counter, u8 value, u64 tick)
{
    switch (counter->access) {
    case ACCESS_LOW:
        counter_load(counter, value, tick);
        break;
    case ACCESS_HIGH:
        counter_load(counter, (u16)(value << 8), tick);
        break;
    default:
        if (!counter->write_high) {
            counter->write_low = value;
            counter->write_high = true;
            if (counter->mode == 0)
                counter->started = false; /* the first byte stops the count, and OUT is low */
            break;
        }
        counter->write_high = false;
        counter_load(counter, (u16)(value << 8 | counter->write_low), tick);
    }
}

static u8 counter_read(struct pit_counter *counter, u64 tick)
{
    u16 value;
    bool high;

    if (counter->status_latched) {
        counter->status_latched = false;
        return counter->status;
    }
    value = counter->count_latched ? counter->latch : counter_read_value(counter, tick);
    high = counter->access == ACCESS_HIGH;
    if (counter->access == ACCESS_BOTH) {
        high = counter->read_high;
        counter->read_high = !high;
    }
    if (counter->access != ACCESS_BOTH || high)
        counter->count_latched = false;
    return (u8)(high ? value >> 8 : value);
}

static void counter_latch(struct pit_counter *counter, u64 tick)
{
    if (counter->count_latched)
        return; /* the first latch holds until it has been read */
    counter->latch = counter_read_value(counter, tick);
    counter->count_latched = true;
}

static void counter_latch_status(struct pit_counter *counter, u64 tick)
{
    if (counter->status_latched)
        return;
    counter->status = (u8)(counter->access << 4 | counter->mode << 1 | counter->bcd);
    if (counter_out(counter, tick))
        counter->status |= STATUS_OUT;
    if (counter->null_count)
        counter->status |= STATUS_NULL_COUNT;
    counter->status_latched = true;
}

static void counter_set_mode(struct pit_counter *counter, u8 control)
{
    static const u8 modes[8] = { 0, 1, 2, 3, 4, 5, 2, 3 };
    bool gate = counter->gate;

    *counter = (struct pit_counter){
        .mode = modes[control >> 1 & 7],
        .access = control >> 4 & 3,
        .bcd = control & 1,
        .gate = gate,
        .null_count = true,
        .reload = control & 1 ? 10000 : 0x10000,
    };
}

static void counter_set_gate(struct pit_counter *counter, bool gate, u64 tick)
{
    bool rises = gate && !counter->gate;

    if (counter_runs(counter)) {
        counter->held = counter_elapsed(counter, tick);
        counter->since = tick;
    }
    counter->gate = gate;
    if (!rises)
        return;
    counter->since = tick;
    /* In modes 1, 2, 3 and 5 a rising gate starts from the count again; in 0 and 4 it goes on. */
    if (counter->loaded && counter->mode != 0 && counter->mode != 4)
        counter_start(counter, tick);
}

static void control_write(struct pit *pit, u8 control, u64 tick)
{
    unsigned select = control >> 6;

    if (select == SELECT_READ_BACK) {
        for (unsigned i = 0; i < PIT_COUNTERS; i++) {
            if (!(control & (2u << i)))
                continue;
            if (!(control & READ_BACK_NO_COUNT))
                counter_latch(&pit->counters[i], tick);
            if (!(control & READ_BACK_NO_STATUS))
                counter_latch_status(&pit->counters[i], tick);
        }
    } else if ((control >> 4 & 3) == ACCESS_LATCH) {
        counter_latch(&pit->counters[select], tick);
    } else {
        counter_set_mode(&pit->counters[select], control);
    }
}

void pit_init(struct pit *pit)
{
    *pit = (struct pit){ 0 };
    for (unsigned i = 0; i < PIT_COUNTERS; i++)
        pit->counters[i].gate = i != 2;
    control_write(pit, 0x36, 0);
    counter_load(&pit->counters[0], 0, 0);
    control_write(pit, 0x54, 0);
    counter_load(&pit->counters[1], REFRESH_TICKS, 0);
    control_write(pit, 0xb6, 0);
    counter_load(&pit->counters[2], 0, 0);
}

static u8 pit_read(void *dev, unsigned reg, u64 now_ns)
{
    struct pit *pit = dev;

    return reg < PIT_COUNTERS ? counter_read(&pit->counters[reg], ticks_at(now_ns)) : 0xff;
}

static void pit_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct pit *pit = dev;

    if (reg < PIT_COUNTERS)
        counter_write(&pit->counters[reg], value, ticks_at(now_ns));
    else if (reg == REG_CONTROL)
        control_write(pit, value, ticks_at(now_ns));
}

const struct port_ops pit_ops = { .read = pit_read, .write = pit_write };

static u8 port61_read(void *dev, unsigned reg, u64 now_ns)
{
    const struct pit *pit = dev;
    u64 tick = ticks_at(now_ns);
    u8 value = pit->port61;

    if (tick / REFRESH_TICKS & 1)
        value |= PORT61_REFRESH;
    if (counter_out(&pit->counters[2], tick))
        value |= PORT61_OUT2;
    return value;
}

static void port61_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct pit *pit = dev;

    pit->port61 = value & PORT61_STORED;
    counter_set_gate(&pit->counters[2], value & PORT61_GATE2, ticks_at(now_ns));
}

const struct port_ops port61_ops = { .read = port61_read, .write = port61_write };

bool pit_out(const struct pit *pit, unsigned counter, u64 now_ns)
{
    return counter_out(&pit->counters[counter], ticks_at(now_ns));
}

u64 pit_next_edge(const struct pit *pit, unsigned index, u64 now_ns)
{
    const struct pit_counter *counter = &pit->counters[index];
    u64 tick = ticks_at(now_ns);
    u64 elapsed = counter_elapsed(counter, tick);
    u64 at; /* elapsed ticks at the edge */

    if (!counter_runs(counter))
        return PIT_NO_EDGE;
    switch (counter->mode) {
    case 0:
    case 1:
        at = counter->reload;
        break;
    case 2:
    case 3:
        if (counter->reload == 1)
            return PIT_NO_EDGE; /* not a legal count: the output does not move */
        at = elapsed - elapsed % counter->reload + counter->reload;
        break;
    default:
        at = (u64)counter->reload + 1;
    }
    return at > elapsed ? ns_of_tick(tick + (at - elapsed)) : PIT_NO_EDGE;
}
