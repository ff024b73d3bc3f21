/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that a guest finds: its devices and their ports. All other ports are absent.
 *
 *   0x20, 0xa0, 0x4d0   two 8259A and their edge/level registers
 *   0x40-0x43, 0x61     8254 and system control port B
 *   0x60, 0x64          no keyboard controller answers (0xff); its reset command works
 *   0x70, 0x71          RTC and CMOS
 *   0x80                POST code: kept, not shown
 *   0x92                system control port A: A20 is always on; its reset bit works
 *   0x510, 0x511        QEMU's configuration interface for firmware
 *   0x600-0x60b         ACPI power management
 *   0xf4                debug exit
 *   0x3f8               COM1; no COM2 to COM4
 *   memory 0xfec00000   IOAPIC
 *
 * An ISA interrupt n is the PIC's line n and the IOAPIC's pin n, but 0 is pin 2, and pin 0 is the PIC's output. 0 is the
 * PIT's counter 0, 4 COM1, 8 the RTC.
 *
 * No lock: one processor at a time. `now_ns` is the guest's age; it never runs backwards. Lines follow what happens only in
 * the functions here: who writes to a device past them calls platform_run() after it.
 */
#ifndef HV_DEV_PLATFORM_H
#define HV_DEV_PLATFORM_H

#include "hv/dev/acpi_pm.h"
#include "hv/dev/cmos.h"
#include "hv/dev/debug_exit.h"
#include "hv/dev/fw_cfg.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/pic8259.h"
#include "hv/dev/pit8254.h"
#include "hv/dev/port_bus.h"
#include "hv/dev/uart16550.h"

struct platform_config {
    u64 memory;    /* bytes, as in hv/load/guest_memory_map.h */
    u64 unix_time; /* the clock at the guest's start, in seconds */
    unsigned processors;
    void *context;                           /* for the callbacks, which are called from within the functions below */
    void (*console)(void *context, u8 byte); /* a byte that the guest sent on COM1 */
    void (*exit)(void *context, u32 status); /* the guest ends with this status */
    void (*reset)(void *context);            /* the guest asked for a reset */
    void (*power_off)(void *context);        /* the guest switched itself off */
    /* A message of the IOAPIC for the local APICs. Whether one has accepted it. Optional, as is intr. */
    bool (*deliver)(void *context, const struct apic_message *message);
    /* The PIC's output has changed: who accepts it (lapic_accepts_extint) calls platform_acknowledge() while it is high. */
    void (*intr)(void *context, bool high);
};

struct platform {
    struct port_bus bus;
    struct uart com1;
    struct pit pit;
    struct pic_pair pic;
    struct cmos cmos;
    struct debug_exit debug_exit;
    struct acpi_pm pm;
    struct fw_cfg fw_cfg;
    struct ioapic ioapic;
    u8 post_code;   /* the last byte written to port 0x80 */
    bool intr_high; /* the PIC's output, as intr() was told */
    u16 lines;      /* ISA interrupts as they are */
    u64 pit_ns;     /* edges of the PIT until then have been seen */
    void (*reset)(void *context);
    bool (*deliver)(void *context, const struct apic_message *message);
    void (*intr)(void *context, bool high);
    void *context;
};

#define PLATFORM_NEVER UINT64_MAX

/* The platform may not be moved afterwards: its bus points into it. */
void platform_init(struct platform *platform, const struct platform_config *config);

/* As port_bus_read() and port_bus_write(). */
u32 platform_port_read(struct platform *platform, u16 port, unsigned size, u64 now_ns);
void platform_port_write(struct platform *platform, u16 port, unsigned size, u32 value, u64 now_ns);

/* As port_bus_write_quickly(): no line moves, so that nothing has to follow. */
static inline bool platform_port_write_quickly(struct platform *platform, u16 port, unsigned size, u32 value)
{
    return port_bus_write_quickly(&platform->bus, port, size, value);
}

/* The IOAPIC's page; `offset` is below 4096, `size` is 1, 2, 4 or 8. */
u64 platform_mmio_read(struct platform *platform, u32 offset, unsigned size, u64 now_ns);
void platform_mmio_write(struct platform *platform, u32 offset, unsigned size, u64 value, u64 now_ns);

/* A local APIC has ended a level-triggered interrupt. */
void platform_eoi(struct platform *platform, u8 vector);

/* The interrupt acknowledge of a processor that answers the PIC: the vector. */
u8 platform_acknowledge(struct platform *platform);

/* An ISA interrupt line that is none of the devices' here, 1 to 15 without 2, 4 and 8, goes high or low. */
void platform_set_irq(struct platform *platform, unsigned irq, bool high);

/* Everything that has happened until now. Several edges of one line since the last call are one. */
void platform_run(struct platform *platform, u64 now_ns);

/*
 * When a device next raises an interrupt by itself, as known at the last platform_run(); PLATFORM_NEVER also where one does
 * but is masked in both PIC and IOAPIC. A guest can make that every microsecond: who waits for it limits the rate.
 */
u64 platform_next_event_ns(const struct platform *platform);

/* Whether anything here can still interrupt the guest: by time, by input on COM1, or because it is waiting to be taken. */
bool platform_can_interrupt(const struct platform *platform);

/* Whether something here may reach a processor that has its interrupts off: as an NMI, or an INIT. */
bool platform_can_force(const struct platform *platform);

/* Input on COM1. uart_receive() says what the result means. */
bool platform_can_receive(const struct platform *platform);
bool platform_receive(struct platform *platform, u8 byte);

#endif
