/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt descriptor table, one for all processors: handlers count what comes. */
#include "guest-stubs/smp/smp.h"

enum { CODE_SELECTOR = 0x08, INTERRUPT_GATE = 0x8e00 };

/* What the compiler's attribute "interrupt" expects, as the processor pushes it. */
struct interrupt_frame {
    uintptr_t ip, cs, flags;
};

typedef uintptr_t error_code;

struct gate {
    u16 offset_low, selector, attributes, offset_high;
#ifdef __x86_64__
    u32 offset_top, reserved;
#endif
};

static struct gate idt[VECTORS] __attribute__((aligned(16)));

static void count(unsigned vector)
{
    struct processor *self = this_processor();

    self->counts[vector]++;
    self->last_vector = vector;
}

#define DEFINE_HANDLER(name, vector)                                                    \
    __attribute__((interrupt)) static void handle_##name(struct interrupt_frame *frame) \
    {                                                                                   \
        (void)frame;                                                                    \
        count(vector);                                                                  \
        apic_write(APIC_EOI, 0);                                                        \
    }
DEFINE_HANDLER(wake, VECTOR_WAKE)
DEFINE_HANDLER(low, VECTOR_LOW)
DEFINE_HANDLER(timer, VECTOR_TIMER)
DEFINE_HANDLER(high, VECTOR_HIGH)

void (*level_work)(void);

__attribute__((interrupt)) static void handle_level(struct interrupt_frame *frame)
{
    (void)frame;
    count(VECTOR_LEVEL);
    level_work();
    apic_write(APIC_EOI, 0);
}

__attribute__((interrupt)) static void handle_nmi(struct interrupt_frame *frame)
{
    (void)frame;
    count(VECTOR_NMI);
}

__attribute__((interrupt)) static void handle_spurious(struct interrupt_frame *frame)
{
    (void)frame;
    count(VECTOR_SPURIOUS);
}

__attribute__((interrupt)) static void handle_gp(struct interrupt_frame *frame, error_code error)
{
    (void)error;
    count(VECTOR_GP);
    frame->ip += 2;
}

__attribute__((interrupt)) static void handle_unexpected(struct interrupt_frame *frame)
{
    bail_out("processor %u: unexpected interrupt or exception, at 0x%llx", this_processor()->index,
             (unsigned long long)frame->ip);
}

__attribute__((interrupt)) static void handle_unexpected_error(struct interrupt_frame *frame, error_code error)
{
    bail_out("processor %u: unexpected exception, error code 0x%llx, at 0x%llx", this_processor()->index,
             (unsigned long long)error, (unsigned long long)frame->ip);
}

static void set_gate(unsigned vector, uintptr_t handler)
{
    idt[vector] = (struct gate){ .offset_low = (u16)handler,
                                 .selector = CODE_SELECTOR,
                                 .attributes = INTERRUPT_GATE,
                                 .offset_high = (u16)(handler >> 16) };
}

static bool has_error_code(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

void interrupts_load(void)
{
    struct {
        u16 limit;
        uintptr_t base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

    __asm__ volatile("lidt %0" : : "m"(pointer), "m"(idt));
}

void interrupts_init(void)
{
    for (unsigned i = 0; i < VECTORS; i++)
        set_gate(i, has_error_code(i) ? (uintptr_t)handle_unexpected_error : (uintptr_t)handle_unexpected);
    set_gate(VECTOR_NMI, (uintptr_t)handle_nmi);
    set_gate(VECTOR_GP, (uintptr_t)handle_gp);
    set_gate(VECTOR_WAKE, (uintptr_t)handle_wake);
    set_gate(VECTOR_LOW, (uintptr_t)handle_low);
    set_gate(VECTOR_TIMER, (uintptr_t)handle_timer);
    set_gate(VECTOR_HIGH, (uintptr_t)handle_high);
    set_gate(VECTOR_LEVEL, (uintptr_t)handle_level);
    set_gate(VECTOR_SPURIOUS, (uintptr_t)handle_spurious);
    interrupts_load();
}
