/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's real-time clock with its 128 bytes of CMOS memory, at ports 0x70 and 0x71. The clock runs from the given
 * Unix time; a guest may set it for itself. The memory holds what firmware leaves there about the machine: sizes in
 * the cells that SeaBIOS, U-Boot and old kernels read. Source: Motorola MC146818A; Ralf Brown's CMOS list; QEMU's
 * cells 0x5b to 0x5f.
 *
 * Its three interrupts (periodic, alarm, update ended) are flags in status C, which is computed from the time. The divider
 * cannot be stopped: status A has bits for that, which mean nothing here.
 */
#ifndef HV_DEV_CMOS_H
#define HV_DEV_CMOS_H

#include "hv/dev/port_bus.h"

#define CMOS_NEVER UINT64_MAX

enum { CMOS_PORTS = 2, CMOS_SIZE = 128 };

struct cmos {
    u8 index;            /* without the NMI bit */
    u8 cells[CMOS_SIZE]; /* of the clock's cells only what is set while status B holds the clock */
    u64 start_seconds;   /* Unix time at now_ns = 0 */
    u64 flags_ns;        /* status C holds what has happened until then */
    u64 alarm_second;    /* of the guest's age: when the alarm comes next, or CMOS_NEVER */
};

/* `memory` in bytes, laid out as hv/load/guest_memory_map.h says. */
void cmos_init(struct cmos *cmos, u64 memory, unsigned processors, u64 unix_time);

extern const struct port_ops cmos_ops; /* dev: struct cmos; register 0 index, 1 data */

/* Brings status C up to the time. */
void cmos_run(struct cmos *cmos, u64 now_ns);

/* The interrupt line at the time of the last cmos_run(): it stays high until status C is read. */
bool cmos_irq_line(const struct cmos *cmos);

/* When the line next goes high, or CMOS_NEVER. While it is high it cannot. */
u64 cmos_next_irq_ns(const struct cmos *cmos);

#endif
