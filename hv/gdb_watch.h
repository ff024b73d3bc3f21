/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breakpoints and watchpoints in the processor's debug registers: what gdb asks for is cut into pieces that these can watch,
 * 1, 2, 4 or 8 bytes, aligned.
 */
#ifndef HV_GDB_WATCH_H
#define HV_GDB_WATCH_H

#include "hv/gdb_target.h"

struct gdb_watch {
    enum gdb_slot_kind kind;
    u64 linear, length;
};

struct gdb_watches {
    unsigned count;
    struct gdb_watch at[GDB_DEBUG_SLOTS]; /* each needs a slot at least */
    struct gdb_debug_slot slots[GDB_DEBUG_SLOTS];
};

/* 0, also if it is there already; -ENOSPC: the slots do not suffice; -EINVAL; nothing is changed then. */
int gdb_watches_insert(struct gdb_watches *watches, enum gdb_slot_kind kind, u64 linear, u64 length);

/* Also if there is none. */
void gdb_watches_remove(struct gdb_watches *watches, enum gdb_slot_kind kind, u64 linear, u64 length);

#endif
