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

/*
 * For this processor. Exceptions go to arch/x86/exceptions.h, interrupts to arch/x86/irq.h; NMIs are ignored, unless another
 * processor panics.
 */
void idt_load(void);

#endif
