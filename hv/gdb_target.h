/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What gdb_server.c debugs: a machine with vCPUs and memory, as functions. Those that return int return 0 or -E…, and change
 * nothing if it is an error. All but stop_all() and monitor() are called only while the machine is stopped.
 */
#ifndef HV_GDB_TARGET_H
#define HV_GDB_TARGET_H

#include "hv/gdb_registers.h"

enum { GDB_MAX_VCPUS = 32, GDB_DEBUG_SLOTS = 4 };

enum gdb_action {
    GDB_HOLD,
    GDB_CONTINUE,
    GDB_STEP, /* one instruction, and then gdb_server_stopped() */
};

/* What one of the processor's debug-address registers watches, on all vCPUs. */
enum gdb_slot_kind { GDB_SLOT_FREE, GDB_SLOT_EXECUTE, GDB_SLOT_WRITE, GDB_SLOT_ACCESS };
struct gdb_debug_slot {
    enum gdb_slot_kind kind;
    u8 length;  /* 1, 2, 4 or 8; 1 if it watches for execution */
    u64 linear; /* a multiple of length */
};

enum gdb_stop_reason {
    GDB_STOP_BREAKPOINT, /* it was about to execute a breakpoint instruction that gdb_server_has_breakpoint() */
    GDB_STOP_SLOTS,      /* its debug registers */
    GDB_STOP_STEP,
    GDB_STOP_INTERRUPT, /* somebody else wants it to stop */
    GDB_STOP_ENDED,     /* the machine has ended: no function is called any more */
};

struct gdb_stop {
    enum gdb_stop_reason reason;
    unsigned vcpu;
    u8 slots;    /* of GDB_STOP_SLOTS: a bit for each, as in DR6 */
    bool exited; /* of GDB_STOP_ENDED: with the status `code`; else it was ended as by the signal `code` */
    u8 code;
    const char *text; /* of GDB_STOP_ENDED: shown to the person; may be NULL */
};

struct gdb_target_ops {
    /* Returns when every vCPU is out of the guest and stays so. Repeating it changes nothing. */
    void (*stop_all)(void *target);
    /* Every vCPU but those with GDB_HOLD runs; at least one does. Calls nothing of the server. */
    void (*resume)(void *target, const enum gdb_action actions[]);

    /* set_registers() is given what get_registers() gave, with changes that gdb_register_set() has checked. */
    int (*get_registers)(void *target, unsigned vcpu, struct gdb_registers *registers);
    int (*set_registers)(void *target, unsigned vcpu, const struct gdb_registers *registers);

    /* Where the vCPU's paging, for supervisor reads, leads its linear address; it notices nothing. -EFAULT: nowhere. */
    int (*translate)(void *target, unsigned vcpu, u64 linear, u64 *physical);
    /* Memory within one page; -EFAULT: it is none, or not wholly. */
    int (*read_physical)(void *target, u64 physical, void *data, size_t size);
    int (*write_physical)(void *target, u64 physical, const void *data, size_t size);

    int (*set_debug_slots)(void *target, const struct gdb_debug_slot slots[GDB_DEBUG_SLOTS]);

    /* "halted", "running" …: what the vCPU did when it was stopped. At most `size` with the NUL. */
    void (*describe)(void *target, unsigned vcpu, char *text, size_t size);
    /* A person's command; the answer line by line, without newlines. */
    void (*monitor)(void *target, const char *line, void (*print)(void *argument, const char *text), void *argument);
    /* Ends the machine; gdb_server_stopped() says so afterwards. */
    void (*kill)(void *target);
};

#endif
