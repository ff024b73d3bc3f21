/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt wiring of the platform, and the time that drives it. See platform.h. */
#include "hv/dev/platform.h"

enum {
    IRQ_PIT = 0,
    IRQ_COM1 = 4,
    IRQ_RTC = 8,
    PIN_INTR = 0, /* of the IOAPIC */
    PIN_PIT = 2,

    /* Every device below depends on the time, or shows lines that do; from here on there is only COM1, and that is busy. */
    TIMED_PORTS_END = 0x100,
};

static unsigned pin_of(unsigned irq)
{
    return irq == IRQ_PIT ? PIN_PIT : irq;
}

/* After anything that may have changed the PIC. */
static void update_intr(struct platform *platform)
{
    bool high = pic_pending(&platform->pic);

    if (high == platform->intr_high)
        return;
    platform->intr_high = high;
    ioapic_set_line(&platform->ioapic, PIN_INTR, high);
    if (platform->intr)
        platform->intr(platform->context, high);
}

static void set_line(struct platform *platform, unsigned irq, bool high)
{
    u16 bit = (u16)(1u << irq);

    if (high == !!(platform->lines & bit))
        return;
    platform->lines ^= bit;
    pic_set_line(&platform->pic, irq, high);
    ioapic_set_line(&platform->ioapic, pin_of(irq), high);
}

void platform_set_irq(struct platform *platform, unsigned irq, bool high)
{
    set_line(platform, irq, high);
    update_intr(platform);
}

/*
 * The controllers see an edge of the PIT even where its output is low again by now, as the 8259 sees it: it keeps the edge
 * until it is acknowledged. (A real one keeps it only while the line is high. A pulse of a microsecond that is over when the
 * processor comes would be a spurious interrupt 7.)
 */
static void run_pit(struct platform *platform, u64 now_ns)
{
    if (now_ns > platform->pit_ns) {
        if (pit_next_edge(&platform->pit, 0, platform->pit_ns) <= now_ns) {
            set_line(platform, IRQ_PIT, false);
            set_line(platform, IRQ_PIT, true);
        }
        platform->pit_ns = now_ns;
    }
    set_line(platform, IRQ_PIT, pit_out(&platform->pit, 0, platform->pit_ns));
}

static void update_lines(struct platform *platform)
{
    set_line(platform, IRQ_COM1, uart_irq_line(&platform->com1));
    set_line(platform, IRQ_RTC, cmos_irq_line(&platform->cmos));
    update_intr(platform);
}

void platform_run(struct platform *platform, u64 now_ns)
{
    run_pit(platform, now_ns);
    cmos_run(&platform->cmos, now_ns);
    update_lines(platform);
    ioapic_retry(&platform->ioapic);
}

u32 platform_port_read(struct platform *platform, u16 port, unsigned size, u64 now_ns)
{
    u32 value;

    if (port < TIMED_PORTS_END)
        platform_run(platform, now_ns);
    value = port_bus_read(&platform->bus, port, size, now_ns);
    update_lines(platform);
    return value;
}

void platform_port_write(struct platform *platform, u16 port, unsigned size, u32 value, u64 now_ns)
{
    if (port < TIMED_PORTS_END)
        platform_run(platform, now_ns);
    port_bus_write(&platform->bus, port, size, value, now_ns);
    if (port < TIMED_PORTS_END)
        run_pit(platform, now_ns); /* a new mode or count may have moved the output */
    update_lines(platform);
}

u64 platform_mmio_read(struct platform *platform, u32 offset, unsigned size, u64 now_ns)
{
    platform_run(platform, now_ns); /* remote IRR */
    return ioapic_mmio_read(&platform->ioapic, offset, size);
}

/* First the time: an edge that comes before an entry is unmasked is lost, and no other. */
void platform_mmio_write(struct platform *platform, u32 offset, unsigned size, u64 value, u64 now_ns)
{
    platform_run(platform, now_ns);
    ioapic_mmio_write(&platform->ioapic, offset, size, value);
}

void platform_eoi(struct platform *platform, u8 vector)
{
    ioapic_eoi(&platform->ioapic, vector);
}

/* INTR falls with every acknowledge: a further request is a new edge for the IOAPIC's pin. */
u8 platform_acknowledge(struct platform *platform)
{
    u8 vector = pic_acknowledge(&platform->pic);

    ioapic_set_line(&platform->ioapic, PIN_INTR, false);
    ioapic_set_line(&platform->ioapic, PIN_INTR, platform->intr_high && pic_pending(&platform->pic));
    update_intr(platform);
    return vector;
}

/* The PIC's output may reach a processor by its LINT0 or by pin 0: that is for others to say. */
static bool irq_enabled(const struct platform *platform, unsigned irq)
{
    return pic_line_enabled(&platform->pic, irq) || ioapic_pin_enabled(&platform->ioapic, pin_of(irq));
}

u64 platform_next_event_ns(const struct platform *platform)
{
    u64 next = PLATFORM_NEVER;

    if (irq_enabled(platform, IRQ_PIT))
        next = pit_next_edge(&platform->pit, 0, platform->pit_ns);
    if (irq_enabled(platform, IRQ_RTC))
        next = u64_min(next, cmos_next_irq_ns(&platform->cmos));
    return next;
}

bool platform_can_interrupt(const struct platform *platform)
{
    return platform_next_event_ns(platform) != PLATFORM_NEVER || platform->intr_high ||
           (irq_enabled(platform, IRQ_COM1) && uart_irq_on_receive(&platform->com1));
}

bool platform_can_force(const struct platform *platform)
{
    return ioapic_sends_events(&platform->ioapic);
}

bool platform_can_receive(const struct platform *platform)
{
    return uart_can_receive(&platform->com1);
}

bool platform_receive(struct platform *platform, u8 byte)
{
    bool received = uart_receive(&platform->com1, byte);

    update_lines(platform);
    return received;
}
