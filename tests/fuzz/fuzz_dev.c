/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile guests at the device ports: any accesses at any times. The input is a list of records of eight bytes; what
 * must always hold is checked after each. A second platform meets the same, without the quick way of writing.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/platform_twins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { RECORD = 8 };

/* Where devices are, and their neighbours; the rest of the ports by the other choice. */
static const u16 ports[] = { 0x20,   0x21,  0xa0,  0xa1,  0x4d0, 0x4d1, 0x40,  0x41,  0x42,  0x43,  0x61,
                             0x60,   0x64,  0x70,  0x71,  0x80,  0x92,  0xf4,  0xf7,  0x3f8, 0x3f9, 0x3fa,
                             0x3fb,  0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x1f,  0x3f,  0xf3,  0x3f7, 0xcf8, 0xfffe,
                             0xffff, 0x510, 0x511, 0x600, 0x602, 0x604, 0x605, 0x608, 0x60b };

static struct platform platform, ordinary;
static unsigned ends;
static u64 bytes; /* to the console: of one less of the other */

static void console(void *context, u8 byte)
{
    struct platform *from = context;

    CHECK(!(from->com1.mcr & 0x10)); /* nothing leaves a UART in loopback */
    bytes += from == &platform ? byte + 1u : -(byte + 1ull);
}

static void take_exit(void *context, u32 status)
{
    ends += context == &platform;
}

static void reset(void *context)
{
    ends += context == &platform;
}

static bool deliver(void *context, const struct apic_message *message)
{
    CHECK(message->mode != APIC_STARTUP && message->mode != 3 && message->shorthand == APIC_NO_SHORTHAND);
    return message->vector & 1;
}

static bool intr_high;

static void intr(void *context, bool high)
{
    if (context != &platform)
        return;
    CHECK(high != intr_high);
    intr_high = high;
}

static u64 absent(void)
{
    return platform.bus.absent_reads + platform.bus.absent_writes;
}

static void check_reads_of_absent(u16 port, unsigned size, u32 value)
{
    bool all_absent = true;

    for (unsigned i = 0; i < size; i++) {
        for (unsigned j = 0; j < platform.bus.count; j++) {
            const struct port_range *range = &platform.bus.ranges[j];
            if (port + i >= range->first && port + i < range->first + range->count)
                all_absent = false;
        }
    }
    if (all_absent)
        CHECK(value == 0xffffffffu >> (32 - 8 * size));
    CHECK(size == 4 || value >> (8 * size) == 0);
}

static void check_pit(u64 now)
{
    for (unsigned i = 0; i < PIT_COUNTERS; i++) {
        const struct pit_counter *counter = &platform.pit.counters[i];
        u64 edge = pit_next_edge(&platform.pit, i, now);

        CHECK(counter->reload >= 1 || !counter->started);
        CHECK(counter->reload <= 0x10000 && counter->mode <= 5 && counter->access >= 1 && counter->access <= 3);
        CHECK(edge > now || edge == PIT_NO_EDGE);
        if (edge != PIT_NO_EDGE)
            CHECK(pit_out(&platform.pit, i, edge));
    }
}

static void check_pic(u8 what)
{
    if (what & 1) {
        unsigned irq = what >> 2 & 15;
        irq = irq & (irq - 1) ? irq : 9; /* 0, 4, 8 are the platform's own */
        platform_set_irq(&platform, irq, what & 2);
        platform_set_irq(&ordinary, irq, what & 2);
    }
    CHECK(pic_pending(&platform.pic) == intr_high);
    if (intr_high && (what & 0x40)) {
        u8 in_service[2] = { platform.pic.chips[0].isr, platform.pic.chips[1].isr };
        u8 vector = platform_acknowledge(&platform);
        const struct pic *chip = &platform.pic.chips[0];
        unsigned which = 0;

        CHECK(platform_acknowledge(&ordinary) == vector);

        if (platform.pic.chips[1].isr != in_service[1] || (vector & 0xf8) != chip->vector)
            which = 1;
        chip = &platform.pic.chips[which];
        CHECK((vector & 0xf8) == (chip->vector & 0xf8));
        /* What was acknowledged is now in service, if it was not ended at once. */
        CHECK(chip->auto_eoi || chip->isr != in_service[which] || chip->special_mask);
        CHECK(pic_pending(&platform.pic) == intr_high);
    }
    CHECK(platform.pic.chips[0].lowest < 8 && platform.pic.chips[1].lowest < 8);
}

static void check_uart(u8 byte)
{
    struct uart *uart = &platform.com1;
    bool room = platform_can_receive(&platform);

    if (byte & 0x80) {
        CHECK(platform_receive(&platform, byte) == room);
        CHECK(platform_receive(&ordinary, byte) == room);
        if (room)
            CHECK(uart->fifo_count > 0);
    }
    CHECK(uart->fifo_count <= UART_FIFO_SIZE && uart->fifo_first < UART_FIFO_SIZE);
    CHECK(uart->fcr & 1 || uart->fifo_count <= 1);
    CHECK(!(platform.lines & 1 << 4) == !uart_irq_line(uart));
    CHECK(uart_irq_pending(uart) == !(uart_ops.read(uart, 2, 0) & 1));
    (void)uart_ops.read(&ordinary.com1, 2, 0);
}

/* What is said to come next comes then, and not before. */
static void check_time(u64 now)
{
    u64 next = platform_next_event_ns(&platform);
    const struct cmos *cmos = &platform.cmos;
    struct cmos copy = *cmos;

    CHECK(next > now);
    CHECK(next == PLATFORM_NEVER || platform_can_interrupt(&platform));
    CHECK(platform.pit_ns == now && cmos->flags_ns == now);
    CHECK(cmos->alarm_second == CMOS_NEVER || cmos->alarm_second > now / 1000000000);
    CHECK(cmos->alarm_second == CMOS_NEVER || cmos->alarm_second <= now / 1000000000 + 86400 * 2);
    next = cmos_next_irq_ns(cmos);
    CHECK(cmos_irq_line(cmos) ? next == CMOS_NEVER : next > now);
    if (next != CMOS_NEVER) {
        cmos_run(&copy, next - 1);
        CHECK(!cmos_irq_line(&copy));
        cmos_run(&copy, next);
        CHECK(cmos_irq_line(&copy));
    }
}

static void write_port(u16 port, unsigned width, u32 value, u64 now)
{
    /* Who is in the guest when something is due leaves it. */
    bool due = platform_next_event_ns(&platform) <= now;

    if (due || !platform_port_write_quickly(&platform, port, width, value))
        platform_port_write(&platform, port, width, value, now);
    platform_port_write(&ordinary, port, width, value, now);
}

static void start(struct platform *which)
{
    const struct platform_config config = {
        .memory = 64 << 20,
        .unix_time = 1700000000,
        .processors = 1,
        .context = which,
        .console = console,
        .exit = take_exit,
        .reset = reset,
        .power_off = reset,
        .deliver = deliver,
        .intr = intr,
    };

    platform_init(which, &config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u64 now = 0;

    intr_high = false;
    start(&platform);
    start(&ordinary);
    ends = 0;
    bytes = 0;
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        u16 port = data[0] & 0x80 ? (u16)(data[1] << 8 | data[2]) : ports[data[1] % (sizeof ports / sizeof ports[0])];
        unsigned width = 1u << (data[0] & 3), ends_before = ends;
        u32 value;
        u64 absent_before = absent();

        if (width > 4)
            width = 1;
        /* Steps of time from nanoseconds to centuries. */
        now += (u64)data[3] << (data[0] >> 2 & 15) * (data[0] & 0x40 ? 3 : 1);
        memcpy(&value, data + 4, sizeof value);
        if (data[0] & 0x20) {
            value = platform_port_read(&platform, port, width, now);
            CHECK(platform_port_read(&ordinary, port, width, now) == value);
            check_reads_of_absent(port, width, value);
            CHECK(ends == ends_before);
        } else {
            write_port(port, width, value, now);
        }
        CHECK(absent() - absent_before <= 1);
        CHECK(platform.bus.absent_seen == (absent() > 0));
        CHECK(platform.cmos.index < CMOS_SIZE);
        check_pit(now);
        check_pic(data[7]);
        check_uart(data[6]);
        if (data[7] & 0x80) {
            platform_mmio_write(&platform, data[6] & 0x10, 4, value, now);
            platform_mmio_write(&ordinary, data[6] & 0x10, 4, value, now);
        }
        platform_run(&platform, now);
        platform_run(&ordinary, now);
        CHECK(platforms_agree(&platform, &ordinary) && bytes == 0);
        CHECK(pic_pending(&platform.pic) == intr_high);
        check_time(now);
    }
    return 0;
}
