/* SPDX-License-Identifier: BSD-2-Clause */
/* A platform whose IOAPIC reaches two local APICs. */
#ifndef TESTS_UNIT_WIRING_SUPPORT_H
#define TESTS_UNIT_WIRING_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/lapic.h"
#include "hv/dev/platform.h"

#define SECOND      1000000000ull
#define PERIOD_1000 838096ull /* the first nanosecond in which 1000 ticks of the PIT have passed */

enum { MASKED = 0x10000, LEVEL = 0x8000, APICS = 2 };

static struct platform platform;
static _Alignas(4096) u32 pages[APICS][LAPIC_PAGE_WORDS];
static struct lapic apics[APICS];
static struct {
    unsigned rises, falls, notified;
    bool high;
} seen;

static inline void console(void *context, u8 byte)
{
}

static inline void take_exit(void *context, u32 status)
{
}

static inline void reset(void *context)
{
}

static inline void notify(void *context, unsigned index)
{
    seen.notified++;
}

static inline bool deliver(void *context, const struct apic_message *message)
{
    struct lapic *const list[APICS] = { &apics[0], &apics[1] };

    assert_ptr_equal(context, &seen);
    return apic_deliver(list, APICS, message, NULL, notify, NULL) > 0;
}

static inline void intr(void *context, bool high)
{
    assert_ptr_equal(context, &seen);
    assert_int_not_equal(high, seen.high);
    seen.high = high;
    seen.rises += high;
    seen.falls += !high;
}

static inline void eoi(void *context, u8 vector)
{
    platform_eoi(&platform, vector);
}

static inline void out(u16 port, u8 value, u64 now)
{
    platform_port_write(&platform, port, 1, value, now);
}

static inline u8 in(u16 port, u64 now)
{
    return (u8)platform_port_read(&platform, port, 1, now);
}

static inline void set_cell(u8 cell, u8 value, u64 now)
{
    out(0x70, cell, now);
    out(0x71, value, now);
}

static inline u8 get_cell(u8 cell, u64 now)
{
    out(0x70, cell, now);
    return in(0x71, now);
}

static inline void set_pin(unsigned pin, u32 low, u64 now)
{
    platform_mmio_write(&platform, 0x00, 4, 0x10 + 2 * pin, now);
    platform_mmio_write(&platform, 0x10, 4, low, now);
}

/* As kernels do it, with everything masked. */
static inline void initialize_pic(u64 now)
{
    static const u8 words[2][4] = { { 0x11, 0x20, 0x04, 0x01 }, { 0x11, 0x28, 0x02, 0x01 } };

    for (u16 chip = 0; chip < 2; chip++) {
        for (u16 i = 0; i < 4; i++)
            out((chip ? 0xa0 : 0x20) + (i > 0), words[chip][i], now);
        out(chip ? 0xa1 : 0x21, 0xff, now);
    }
}

/* Counter 0 in mode 2, which begins at `now`. */
static inline void set_pit(u16 count, u64 now)
{
    out(0x43, 0x34, now);
    out(0x40, (u8)count, now);
    out(0x40, (u8)(count >> 8), now);
}

static inline int setup(void **state)
{
    static const struct lapic_ops ops = { .eoi = eoi };
    static const struct platform_config config = {
        .memory = 32 << 20,
        .unix_time = 1000000000, /* 01:46:40 */
        .processors = 2,
        .context = &seen,
        .console = console,
        .exit = take_exit,
        .reset = reset,
        .power_off = reset,
        .deliver = deliver,
        .intr = intr,
    };

    memset(&seen, 0, sizeof seen);
    for (u32 i = 0; i < APICS; i++) {
        lapic_init(&apics[i], pages[i], i, i == 0, 0, &ops, NULL);
        lapic_mmio_write(&apics[i], LAPIC_SVR, 4, 0x1ff, 0);
    }
    platform_init(&platform, &config);
    initialize_pic(0);
    return 0;
}

static inline int pending(unsigned index)
{
    lapic_collect(&apics[index]);
    return lapic_pending(&apics[index]);
}

static inline void take(unsigned index, u8 vector)
{
    assert_int_equal(pending(index), vector);
    lapic_acknowledge(&apics[index], vector);
}

#endif
