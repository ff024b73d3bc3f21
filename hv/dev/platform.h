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
 *   0xf4                debug exit
 *   0x3f8               COM1; no COM2 to COM4
 */
#ifndef HV_DEV_PLATFORM_H
#define HV_DEV_PLATFORM_H

#include "hv/dev/cmos.h"
#include "hv/dev/debug_exit.h"
#include "hv/dev/pic8259.h"
#include "hv/dev/pit8254.h"
#include "hv/dev/port_bus.h"
#include "hv/dev/uart16550.h"

struct platform_config {
    u64 memory;    /* bytes, as in hv/load/guest_memory_map.h */
    u64 unix_time; /* the clock at the guest's start, in seconds */
    unsigned processors;
    void *context; /* for the three callbacks, which are called from within port_bus_write() */
    void (*console)(void *context, u8 byte); /* a byte that the guest sent on COM1 */
    void (*exit)(void *context, u32 status); /* the guest ends with this status */
    void (*reset)(void *context);            /* the guest asked for a reset */
};

struct platform {
    struct port_bus bus;
    struct uart com1;
    struct pit pit;
    struct pic_pair pic;
    struct cmos cmos;
    struct debug_exit debug_exit;
    u8 post_code; /* the last byte written to port 0x80 */
    void (*reset)(void *context);
    void *context;
};

/* The platform may not be moved afterwards: its bus points into it. */
void platform_init(struct platform *platform, const struct platform_config *config);

#endif
