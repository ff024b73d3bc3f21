/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's descriptor tables: GDT, task-state segment, and the stacks on which the exceptions run that cannot trust
 * the stack they interrupt. The IDT is arch/x86/idt.h.
 */
#ifndef ARCH_X86_GDT_H
#define ARCH_X86_GDT_H

#include "mm/types.h"

enum { SELECTOR_CODE = 0x08, SELECTOR_DATA = 0x10, SELECTOR_TSS = 0x18 };

/* Numbers in the interrupt stack table of the TSS; 0 is no switch. A page fault has its own because the guard pages cause it. */
enum exception_stack {
    STACK_INTERRUPTED,
    STACK_DOUBLE_FAULT,
    STACK_NMI,
    STACK_MACHINE_CHECK,
    STACK_PAGE_FAULT,
    STACK_COUNT
};

/* The boot processor's first act: the tables and stacks lie in the image; loads GDTR, TR, IDTR and segment registers. */
void cpu_tables_init(void);

/* For the host state of a VMCS. (A VM exit sets the limits of GDTR and IDTR to 0xffff, that of TR to 0x67.) */
u64 gdt_base(void);
u64 tss_base(void);

#endif
