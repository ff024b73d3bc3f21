/* SPDX-License-Identifier: BSD-2-Clause */
/* See idt.h. */
#include "arch/x86/idt.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exceptions.h"
#include "arch/x86/gdt.h"
#include "arch/x86/irq.h"
#include "arch/x86/panic.h"

/* SDM vol. 3, 6.14.1 "64-Bit Mode IDT". */
struct gate {
    u16 offset_low;
    u16 selector;
    u8 stack; /* number in the interrupt stack table; 0: the stack that is interrupted */
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};

static_assert(sizeof(struct gate) == 16, "SDM vol. 3, figure 6-8");

enum { GATE_INTERRUPT = 0x8e, STUB_SIZE = 16 };

extern char exception_stubs[]; /* exceptions.nasm: one for each vector, STUB_SIZE bytes each */

void idt_dispatch(struct exception_frame *frame);

static _Alignas(16) struct gate idt[IDT_VECTORS];

static enum exception_stack vector_stack(unsigned vector)
{
    switch (vector) {
    case VECTOR_DF:
        return STACK_DOUBLE_FAULT;
    case VECTOR_NMI:
        return STACK_NMI;
    case VECTOR_MC:
        return STACK_MACHINE_CHECK;
    case VECTOR_PF:
        return STACK_PAGE_FAULT;
    default:
        return STACK_INTERRUPTED;
    }
}

u64 idt_base(void)
{
    return (u64)idt;
}

void idt_load(void)
{
    struct table_register idtr = { .limit = sizeof idt - 1, .base = (u64)idt };

    for (unsigned i = 0; i < IDT_VECTORS && !idt[IDT_VECTORS - 1].type; i++) {
        u64 stub = (u64)exception_stubs + (u64)i * STUB_SIZE;

        idt[i] = (struct gate){
            .offset_low = (u16)stub,
            .selector = SELECTOR_CODE,
            .stack = (u8)vector_stack(i),
            .type = GATE_INTERRUPT,
            .offset_middle = (u16)(stub >> 16),
            .offset_high = (u32)(stub >> 32),
        };
    }
    lidt(&idtr);
}

/* exceptions.nasm calls it for every vector. */
void idt_dispatch(struct exception_frame *frame)
{
    if (frame->vector >= VECTOR_FIRST_INTERRUPT)
        irq_handle((u32)frame->vector);
    else if (frame->vector == VECTOR_NMI)
        panic_stop_here();
    else
        exception_handle(frame);
}
