/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 timer and what a PC has at port 0x61: counter 2's gate and output, the speaker, the refresh toggle. Nothing
 * ticks: every value is computed from the time of the access. Source: Intel 8254 data sheet, "Mode Definitions".
 *
 * Simplified where only an oscilloscope would tell: a new count written in modes 2 and 3 starts a period at once
 * instead of after the running one, and a count takes effect at the write, not one clock later.
 */
#ifndef HV_DEV_PIT8254_H
#define HV_DEV_PIT8254_H

#include "hv/dev/port_bus.h"

#define PIT_HZ      1193182u
#define PIT_NO_EDGE UINT64_MAX

enum { PIT_PORTS = 4, PIT_COUNTERS = 3 };

struct pit_counter {
    u8 mode;   /* 0 to 5 */
    u8 access; /* 1 low byte, 2 high byte, 3 low then high */
    bool bcd;
    bool gate;
    bool loaded;     /* a count was written since the mode was */
    bool started;    /* it counts, or would with its gate high; modes 1 and 5 start at a rising gate */
    bool null_count; /* the count written last has not reached the counting element */
    u32 reload;      /* what it counts from: 1 to 0x10000, or 10000 in BCD */
    u32 next;        /* the count written last: becomes `reload` when counting starts */
    u64 held;        /* ticks counted up to `since` */
    u64 since;       /* tick at which `held` was true; the counter runs from here while its gate lets it */

    bool write_high; /* next byte written is the high one (access 3) */
    u8 write_low;
    bool read_high;
    u8 status; /* latched by read-back, read before the count */
    bool status_latched;
    u16 latch;
    bool count_latched;
};

struct pit {
    struct pit_counter counters[PIT_COUNTERS];
    u8 port61; /* bits 0 to 3, as written */
};

/* As a PC's firmware leaves it: counter 0 in mode 3 with 65536 (18.2 Hz), 1 for refresh, 2 stopped by its gate. */
void pit_init(struct pit *pit);

extern const struct port_ops pit_ops;    /* dev: struct pit; four registers */
extern const struct port_ops port61_ops; /* dev: struct pit; one register */

/* The output of counter 0 to 2. */
bool pit_out(const struct pit *pit, unsigned counter, u64 now_ns);

/* When that output next goes from low to high: the first such time after now_ns, or PIT_NO_EDGE. */
u64 pit_next_edge(const struct pit *pit, unsigned counter, u64 now_ns);

#endif
