/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's real-time clock with its 128 bytes of CMOS memory, at ports 0x70 and 0x71. The clock runs from the given
 * Unix time; a guest may set it for itself. The memory holds what firmware leaves there about the machine: sizes in
 * the cells that SeaBIOS, U-Boot and old kernels read. Source: Motorola MC146818A; Ralf Brown's CMOS list; QEMU's
 * cells 0x5b to 0x5f. Alarms never come, and no interrupt is raised; status C shows what polling drivers wait for.
 */
#ifndef HV_DEV_CMOS_H
#define HV_DEV_CMOS_H

#include "hv/dev/port_bus.h"

enum { CMOS_PORTS = 2, CMOS_SIZE = 128 };

struct cmos {
    u8 index;            /* without the NMI bit */
    u8 cells[CMOS_SIZE]; /* of the clock's cells only what is set while status B holds the clock */
    u64 start_seconds;   /* Unix time at now_ns = 0 */
    u64 c_read_ns;       /* when status C was last read */
};

/* `memory` in bytes, laid out as hv/load/guest_memory_map.h says. */
void cmos_init(struct cmos *cmos, u64 memory, unsigned processors, u64 unix_time);

extern const struct port_ops cmos_ops; /* dev: struct cmos; register 0 index, 1 data */

#endif
