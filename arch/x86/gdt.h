/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each processor's descriptor tables: GDT, task-state segment, and the stacks on which the exceptions run that cannot trust
 * the stack they interrupt. The IDT is one for all (arch/x86/idt.h).
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

enum { EXCEPTION_STACK_PAGES = 4 };

/* SDM volume 3, 8.7 "Task Management in 64-bit Mode". */
struct __attribute__((packed)) tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7]; /* ist[0] is number 1 */
    u64 reserved2;
    u16 reserved3;
    u16 io_map_base;
};

static_assert(sizeof(struct tss) == 104, "SDM volume 3, figure 8-11");

/*
 * For the host state of a VMCS: base of GDTR: .gdt, base of TR: &.tss, selectors: above. (A VM exit sets the limits of
 * GDTR and IDTR to 0xffff, that of TR to 0x67.)
 */
struct cpu_tables {
    _Alignas(16) u64 gdt[GDT_SIZE / 8];
    _Alignas(16) struct tss tss;
};

/* The boot processor's first act: tables and stacks that lie in the image, then GDTR, TR, IDTR and segment registers. */
struct cpu_tables *cpu_tables_init_boot(void);

/*
 * Another processor's tables, made before it runs; `cpu` is its number in the stacks' names. The stacks come from
 * vmap_stack(). 0 or -ENOMEM.
 */
int cpu_tables_init(struct cpu_tables *tables, unsigned cpu);

/* The processor that executes this uses `tables` from now on, and the IDT. */
void cpu_tables_load(struct cpu_tables *tables);

#endif
