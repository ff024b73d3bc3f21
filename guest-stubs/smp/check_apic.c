/* SPDX-License-Identifier: BSD-2-Clause */
/* Priorities of a local APIC, on each processor; and the instructions that kernels access its registers with. */
#include "guest-stubs/smp/smp.h"

enum { SELF_LOW = ICR_SELF | ICR_ASSERT | VECTOR_LOW, SELF_HIGH = ICR_SELF | ICR_ASSERT | VECTOR_HIGH };

static bool bit(u32 offset, unsigned vector)
{
    return apic_read(offset + vector / 32 * 16) >> vector % 32 & 1;
}

/* What is sent while interrupts are off is requested, comes once however often it was sent, and is gone then. */
static void request(void)
{
    struct processor *self = this_processor();
    bool requested;

    self->counts[VECTOR_LOW] = 0;
    apic_send(0, SELF_LOW);
    apic_send(0, SELF_LOW);
    wait_until(bit(APIC_IRR, VECTOR_LOW));
    requested = self->counts[VECTOR_LOW] == 0;
    take_interrupts();
    self->result =
        requested && self->counts[VECTOR_LOW] == 1 && !bit(APIC_IRR, VECTOR_LOW) && !bit(APIC_ISR, VECTOR_LOW);
}

/* The higher vector first, whatever was sent first. */
static void prefer(void)
{
    struct processor *self = this_processor();

    apic_send(0, SELF_HIGH);
    apic_send(0, SELF_LOW);
    wait_until(bit(APIC_IRR, VECTOR_LOW) && bit(APIC_IRR, VECTOR_HIGH));
    self->last_vector = 0;
    take_interrupts();
    self->result = self->last_vector == VECTOR_LOW;
}

/* TPR keeps its class and what is below back. */
static void keep_back(void)
{
    struct processor *self = this_processor();
    u32 high, low;

    self->counts[VECTOR_LOW] = self->counts[VECTOR_HIGH] = 0;
    apic_write(APIC_TPR, VECTOR_LOW & 0xf0);
    apic_send(0, SELF_LOW);
    apic_send(0, SELF_HIGH);
    wait_until(bit(APIC_IRR, VECTOR_LOW));
    take_interrupts();
    high = self->counts[VECTOR_HIGH];
    low = self->counts[VECTOR_LOW];
    self->result = apic_read(APIC_PPR) == (VECTOR_LOW & 0xf0) && high == 1 && low == 0;
    apic_write(APIC_TPR, 0);
    take_interrupts();
    self->result = self->result && self->counts[VECTOR_LOW] == 1;
}

/* With everything kept back an interrupt still is pending when the TPR is lowered, also with interrupts on all the time. */
static void lower_while_on(void)
{
    struct processor *self = this_processor();
    bool kept;

    self->counts[VECTOR_LOW] = 0;
    apic_write(APIC_TPR, 0xf0);
    interrupts_on();
    apic_send(0, SELF_LOW);
    wait_until(bit(APIC_IRR, VECTOR_LOW));
    kept = self->counts[VECTOR_LOW] == 0;
    apic_write(APIC_TPR, 0);
    wait_until(self->counts[VECTOR_LOW] == 1);
    interrupts_off();
    self->result = kept;
}

/* An APIC that software has disabled takes no fixed interrupt; its LVT is masked. */
static void disable(void)
{
    struct processor *self = this_processor();
    bool masked;

    self->counts[VECTOR_LOW] = 0;
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    apic_write(APIC_SPURIOUS, VECTOR_SPURIOUS);
    masked = apic_read(APIC_LVT_TIMER) & LVT_MASKED;
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLED | VECTOR_SPURIOUS);
    self->result = masked && apic_read(APIC_LVT_TIMER) & LVT_MASKED;
}

static void copy_dword(const volatile u32 *from, volatile u32 *to)
{
    __asm__ volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
}

/* The forms that compilers make of reads and writes of one register: the TPR, which keeps 8 bits. */
static void access_forms(void)
{
    volatile u32 *tpr = (volatile u32 *)(uintptr_t)((u32)APIC_BASE + APIC_TPR);
    u32 value, right = 0;
    u32 buffer = 0x70;
    volatile u32 *end;
    u8 flag;

    __asm__ volatile("movl $0x10, %0" : "=m"(*tpr));
    __asm__ volatile("orl $0x60, %0" : "+m"(*tpr));
    right += *tpr == 0x70;
    __asm__ volatile("andl %1, %0" : "+m"(*tpr) : "r"(0x30));
    right += *tpr == 0x30;
    __asm__ volatile("xorl $0x50, %0" : "+m"(*tpr));
    right += *tpr == 0x60;
    __asm__ volatile("testl $0x20, %1; setnz %0" : "=q"(flag) : "m"(*tpr) : "cc");
    right += flag == 1;
    value = 0x20;
    __asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(*tpr));
    right += value == 0x60 && *tpr == 0x20;
    copy_dword(&buffer, tpr);
    right += *tpr == 0x70;
    __asm__ volatile("stosl" : "=D"(end) : "a"(0x40), "0"(tpr) : "memory");
    right += *tpr == 0x40 && end == tpr + 1;
    copy_dword(tpr, &buffer);
    right += buffer == 0x40;
    __asm__ volatile("cmpl $0x40, %1; sete %0" : "=q"(flag) : "m"(*tpr) : "cc");
    right += flag == 1;
    *tpr = 0;
    this_processor()->result = right;
}

static void on_each(void (*function)(void), u32 expected, const char *name)
{
    run_on_all(function);
    ok(results(expected) == processor_count, "%s, on each", name);
}

void check_apic(void)
{
    on_each(request, true, "an interrupt is requested, comes once, and is gone");
    on_each(prefer, true, "the higher vector comes first");
    on_each(keep_back, true, "TPR keeps its class and lower ones back");
    on_each(lower_while_on, true, "and they come when it is lowered");
    on_each(disable, true, "an APIC that is switched off by software masks its LVT");
    on_each(access_forms, 9, "registers are accessed by mov, or, and, xor, test, xchg, movs, stos, cmp");
}
