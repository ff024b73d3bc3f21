/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each processor's descriptor tables: GDT, task-state segment, and the stacks on which the exceptions run that cannot trust
 * the stack they interrupt. The IDT is arch/x86/idt.h.
 */
#ifndef ARCH_X86_GDT_H
#define ARCH_X86_GDT_H

#include "mm/types.h"

enum { SELECTOR_CODE = 0x08, SELECTOR_DATA = 0x10, SELECTOR_TSS = 0x18, GDT_SIZE = 0x28 };

/* Numbers in the interrupt stack table of the TSS; 0 is no switch. A page fault has its own because the guard pages cause it. */
enum exception_stack {
    STACK_INTERRUPTED,
    STACK_DOUBLE_FAULT,
    STACK_NMI,
    STACK_MACHINE_CHECK,
    STACK_PAGE_FAULT,
    STACK_COUNT
};

/* SDM vol. 3, 8.7 "Task Management in 64-bit Mode". */
struct __attribute__((packed)) tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7]; /* ist[0] is number 1 */
    u64 reserved2;
    u16 reserved3;
    u16 io_map_base;
};

static_assert(sizeof(struct tss) == 104, "SDM vol. 3, figure 8-11");

struct cpu_tables {
    _Alignas(16) u64 gdt[GDT_SIZE / 8];
    _Alignas(16) struct tss tss;
};

/* The boot processor's, whose stacks lie in the image. No allocation. */
void cpu_tables_make_first(struct cpu_tables *tables);

/* Those of processor `number`, from 1 on, with stacks of its own: 0 or -ENOMEM. On the boot processor. */
int cpu_tables_make(struct cpu_tables *tables, unsigned number);

/* Loads GDTR, TR, IDTR and segment registers of this processor. */
void cpu_tables_load(const struct cpu_tables *tables);

/* This processor's, for the host state of a VMCS. (A VM exit sets the limits of GDTR and IDTR to 0xffff, that of TR to 0x67.) */
u64 gdt_base(void);
u64 tss_base(void);

#endif
