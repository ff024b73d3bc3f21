/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The far end of gdb's remote protocol: one machine whose vCPUs are its threads (vCPU n is thread n + 1), and all of which stop
 * together. Nothing here waits: bytes come in by receive(), and what the machine does by stopped(). One task calls both.
 * Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol".
 */
#ifndef HV_GDB_SERVER_H
#define HV_GDB_SERVER_H

#include "hv/gdb_memory.h"
#include "hv/gdb_packet.h"
#include "hv/gdb_watch.h"

enum gdb_state {
    GDB_DETACHED, /* the machine runs, and no gdb is there; the next packet comes from one */
    GDB_STOPPED,
    GDB_RUNNING, /* gdb waits for a stop */
    GDB_ENDED,
};

enum gdb_width { GDB_WIDTH_AUTO, GDB_WIDTH_32, GDB_WIDTH_64 };

struct gdb_server {
    /* set once: */
    const struct gdb_target_ops *ops;
    void *target;
    unsigned vcpus;

    enum gdb_state state;
    struct gdb_link link;
    struct gdb_memory memory;
    struct gdb_watches watches;
    struct gdb_stop last;      /* the latest stop, which `?` asks for */
    struct gdb_debug_slot hit; /* of last, if it is GDB_STOP_SLOTS */
    /* what vCPUs came upon besides the one that gdb was told of; GDB_SLOT_FREE: nothing */
    struct gdb_debug_slot pending[GDB_MAX_VCPUS];

    /* of the gdb that is there: */
    struct gdb_layout layout;
    unsigned vcpu; /* whose registers and memory it asks for */
    int resumed;   /* for c and s: this vCPU alone; -1: all */
    bool knows_swbreak, knows_hwbreak;

    /* For the next gdb that comes; said by `monitor registers`, or by whoever knows the guest's code. */
    enum gdb_width width;
};

/* `is_held`: the machine is stopped and has not begun, and a gdb is to let it go. Else it runs. */
void gdb_server_init(struct gdb_server *server, const struct gdb_target_ops *ops, void *target, unsigned vcpus,
                     bool is_held, void (*transmit)(void *context, const char *bytes, size_t length), void *context);

/* A byte from the line. */
void gdb_server_receive(struct gdb_server *server, u8 byte);

/*
 * A vCPU has come upon something, and is out of the guest; others may still run, or have come upon something too. One that has
 * come upon a breakpoint that is not told to gdb comes upon it again when it runs.
 */
void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop);

/*
 * The breakpoint instruction at this address of guest memory is gdb's; else the guest's own. From anywhere, while the vCPU that
 * asks is not stopped.
 */
static inline bool gdb_server_has_breakpoint(const struct gdb_server *server, u64 physical)
{
    return gdb_breakpoint_has(&server->memory, physical);
}

#endif
