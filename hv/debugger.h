/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a gdb server needs of a guest: the functions of gdb_target.h for a VM, and what its vCPUs come upon. There is one debugger
 * in the machine, for one guest; other guests notice nothing of it.
 *
 * A guest that ends meanwhile ends as any other: whoever calls these functions uses the VM (vm_list.h).
 */
#ifndef HV_DEBUGGER_H
#define HV_DEBUGGER_H

#include "arch/x86/vcpu.h"
#include "hv/gdb_target.h"

struct vm;
struct task;

/* The `target` of the functions is this. */
struct debugger {
    /* set once: */
    struct vm *vm;
    struct task *task;
    /* From the task of a vCPU that is about to execute a breakpoint instruction there. */
    bool (*has_breakpoint)(u64 physical);
    /* While a command of the monitor waits for something: whether it shall end. */
    bool (*is_interrupted)(void *argument);

    /* the debugger's task only: */
    bool holds; /* it has one of the VM's holds */
    u64 held_since;

    /* atomic: */
    u32 stopped; /* a bit for each vCPU that has stopped and not been taken; of these: */
    struct gdb_stop stops[GDB_MAX_VCPUS];
};

extern const struct gdb_target_ops debugger_ops;

/* Before the first task runs: the guest is held from the start on, and its vCPUs call what is below. */
void debugger_attach(struct debugger *debugger, struct vm *vm);

/* What a vCPU has come upon; false: nothing. It stays out of the guest until debugger_ops.resume() lets it go. */
bool debugger_take(struct debugger *debugger, struct gdb_stop *stop);

/* Of a vCPU that has stopped, which the server does not care about: no gdb is there any more. */
void debugger_let_go(struct debugger *debugger, unsigned vcpu);

/* How the guest has ended. */
struct gdb_stop debugger_end(const struct debugger *debugger);

/* debugger_registers.c */
int debugger_get_registers(void *debugger, unsigned vcpu, struct gdb_registers *registers);
int debugger_set_registers(void *debugger, unsigned vcpu, const struct gdb_registers *registers);

/* What the vCPUs of a VM with a debugger call. */
bool debugger_is_breakpoint(struct vcpu *vcpu, gpa_t gpa);
void debugger_stopped(struct vcpu *vcpu, enum debug_stop why, u8 slots);

#endif
