/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processors that run slat: what each has of its own. Number 0 is the one that the firmware started. A processor finds its
 * own record through GS, whose base every VM exit restores.
 */
#ifndef ARCH_X86_PROCESSOR_H
#define ARCH_X86_PROCESSOR_H

#include "arch/x86/gdt.h"
#include "mm/types.h"

struct vcpu;
struct vm_memory;

enum { PROCESSOR_MAX = 64 };

struct processor {
    /* set once: */
    struct processor *self; /* offset 0: this_processor() */
    unsigned number;
    u32 apic_id;
    struct cpu_tables tables;
    void *stack;        /* top of the one on which it starts and schedules; the boot processor's is in the image */
    pfn_t vmxon_region; /* its own while it is in VMX operation */

    /* this processor only: */
    struct vcpu *current; /* whose state is in the processor; NULL: none (arch/x86/vcpu_switch.h) */
    struct vcpu *running; /* whose vcpu_run() it is in; NULL: none */

    /* atomic: */
    const struct vm_memory *guest; /* whose guest it is in, or enters next; NULL: none. port_kick() reads it */
};

static_assert(offsetof(struct processor, self) == 0, "this_processor() reads it");

static inline struct processor *this_processor(void)
{
    struct processor *processor;

    __asm__("movq %%gs:0, %0" : "=r"(processor)); /* not volatile: a task stays on its processor */
    return processor;
}

/* How many run; their numbers are 0 … count - 1. */
unsigned processor_count(void);
struct processor *processor_at(unsigned number);

/* `processor` becomes number processor_count(). On the boot processor. */
void processor_add(struct processor *processor);

/*
 * Before the first this_processor(): makes `processor` the record of the one that executes this. Every load of GS zeroes its
 * base, so that cpu_tables_load() comes before.
 */
void processor_set_self(struct processor *processor);

#endif
