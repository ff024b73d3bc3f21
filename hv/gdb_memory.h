/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory as a debugger sees it, with the breakpoints that stand in it. A breakpoint is known by the linear address that gdb
 * has named, and stays where that led to when it was set: other page tables later do not lose it. Only while the machine is
 * stopped; has() also while it runs.
 */
#ifndef HV_GDB_MEMORY_H
#define HV_GDB_MEMORY_H

#include "hv/gdb_target.h"

enum { GDB_MAX_BREAKPOINTS = 64 };

struct gdb_breakpoint {
    u64 linear, physical;
    u8 original; /* what is there for the debugger, and again when the breakpoint is gone */
};

struct gdb_memory {
    /* set once: */
    const struct gdb_target_ops *ops;
    void *target;

    unsigned count;
    struct gdb_breakpoint breakpoints[GDB_MAX_BREAKPOINTS];
};

/* By the vCPU's linear address, without breakpoints; how many bytes: fewer if the rest is no memory. */
size_t gdb_memory_read(const struct gdb_memory *memory, unsigned vcpu, u64 linear, void *data, size_t size);

/* Below breakpoints, which stay. 0; -EFAULT: something of it is no memory; where that is read-only, the rest may be written. */
int gdb_memory_write(struct gdb_memory *memory, unsigned vcpu, u64 linear, const void *data, size_t size);

/* 0, also if it is there already; -EFAULT; -ENOSPC. */
int gdb_breakpoint_insert(struct gdb_memory *memory, unsigned vcpu, u64 linear);

/* Also if there is none. A guest that has overwritten it meanwhile keeps what it has written. */
void gdb_breakpoint_remove(struct gdb_memory *memory, u64 linear);
void gdb_breakpoint_remove_all(struct gdb_memory *memory);

/* Whether there is one that was set at this address. */
bool gdb_breakpoint_is_at(const struct gdb_memory *memory, u64 linear);

bool gdb_breakpoint_has(const struct gdb_memory *memory, u64 physical);

#endif
