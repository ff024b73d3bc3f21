/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several processors that run tasks on the real mm/, all in one thread: which processor goes on is chosen by a random source,
 * at every atomic operation of mm/ (with a small probability), wherever it waits or yields, and after every access of a guest.
 * So everything that happens is a function of the seed.
 *
 * As in the hypervisor a task belongs to a processor, and gives it to another task of it only in port_yield() and
 * machine_yield(). port_kick() makes the processors that are in that VM's guest leave it soon: after a few more accesses.
 */
#ifndef TESTS_HARDWARE_MACHINE_H
#define TESTS_HARDWARE_MACHINE_H

#include "mm/vcpu_memory.h"
#include "tests/hardware/cpu.h"

enum { MACHINE_PROCESSORS = 4, MACHINE_TASKS = 16 };

struct machine {
    u64 seed;
    struct cpu cpus[MACHINE_PROCESSORS];
    u64 switches;
    unsigned quiet;         /* > 0: no switch at atomic operations */
    unsigned switch_one_in; /* atomic operations; 0: never there */
    char failure[256];      /* the first one; empty: none */
};
extern struct machine machine;

/* RAM, processors, hooks. No task yet. */
void machine_start(u64 frames, u64 seed, enum cpu_policy policy, const struct mm_caps *caps);

/* Everything in mm/ is gone: a frame that is not free or out of use is a failure too. */
void machine_stop(void);

void machine_add_task(unsigned processor, void (*run)(void *argument), void *argument);

/* Until all tasks have ended, or something failed. */
void machine_run(void);

/* The machine stops, with this as the reason; does not return from a task. */
__attribute__((format(printf, 1, 2))) void machine_fail(const char *format, ...);

u64 machine_below(u64 limit);

/* In a task: other processors may run; also other tasks of this one. */
void machine_pause(void);
void machine_yield(void);

/* The processor that the task runs on; 0 outside tasks. */
struct cpu *machine_cpu(void);

/* VM entry with everything that belongs to it, and VM exit. False: the vCPU must not be entered now, and is outside. */
bool machine_enter(struct vcpu_memory *vcpu);
void machine_leave(struct vcpu_memory *vcpu);

/* Whether this processor shall leave its guest. */
bool machine_is_kicked(void);

/* cpu_access() and cpu_speculate() of this processor; an error of the model is a failure. */
enum cpu_result machine_access(gfn_t gfn, u32 access, pfn_t *frame);
void machine_speculate(gfn_t gfn);

#endif
