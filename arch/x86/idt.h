/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt descriptor table: one for all processors, filled when it is first loaded. */
#ifndef ARCH_X86_IDT_H
#define ARCH_X86_IDT_H

#include "mm/types.h"

enum { IDT_VECTORS = 256, VECTOR_FIRST_INTERRUPT = 32 };

/* What exceptions.nasm leaves on the stack, from RSP up. */
struct exception_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector;
    u64 error; /* 0 for vectors that have no error code */
    u64 rip, cs, rflags, rsp, ss;
};

static_assert(sizeof(struct exception_frame) == 22 * 8, "exceptions.nasm pushes these");

/* For IDTR in the host state of a VMCS. */
u64 idt_base(void);

void idt_load(void);

/*
 * Interrupts (vectors from VECTOR_FIRST_INTERRUPT) and NMIs go to `handler`, which runs with interrupts off, acknowledges
 * the interrupt, and returns. An NMI's runs on a small stack of its own and may not do anything that can fault. Without a
 * handler an NMI is counted only, and an interrupt is logged.
 */
void idt_set_handler(unsigned vector, void (*handler)(struct exception_frame *frame));

/* NMIs that came so far, on all processors. */
u64 idt_nmi_count(void);

#endif
