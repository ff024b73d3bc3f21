/* SPDX-License-Identifier: BSD-2-Clause */
/* See parallel.h. */
#include "guest-stubs/hostile/parallel.h"

enum { FW_CFG_SELECTOR = 0x510, FW_CFG_DATA = 0x511, FW_CFG_PROCESSORS = 5 };
enum { DIVIDE_BY_1 = 0xb, CALIBRATE_TICKS = 20000 };
enum { CPUID_TSC_DEADLINE = 1 << 24 };
enum {
    PIC_MASTER = 0x20,
    PIC_SLAVE = 0xa0,
    ICW1 = 0x11,
    ICW4_8086 = 1,
    CASCADE = 2,
    PIC_VECTOR = 0x70,
    PIC_LINES = 16
};

static unsigned processors_of_machine(void)
{
    u8 low;

    outw(FW_CFG_SELECTOR, FW_CFG_PROCESSORS);
    low = inb(FW_CFG_DATA);
    return (unsigned)(inb(FW_CFG_DATA) << 8 | low);
}

void parallel_start(void)
{
    unsigned count = processors_of_machine();

    processors_init();
    interrupts_init();
    apic_enable();
    processor_table[0].apic_id = apic_id();
    trampoline_install();
    processors_halt = true;
    if (count > 1) {
        apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
        apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 0);
    }
    for (unsigned i = 1; i < count; i++)
        wait_until(processor_table[i].arrived != 0);
    processor_count = count;
}

u64 ticks_per_ms(void)
{
    return argument("mhz", 20) * 1000;
}

/*
 * How many ticks of the TSC are one of the local timer, as a power of 2. Too many, if others have their turn: it
 * comes too early.
 */
static unsigned timer_shift(void)
{
    u64 begin = rdtsc(), passed;
    u32 counted;
    unsigned shift = 0;

    apic_write(APIC_TIMER_INITIAL, ~0u);
    while (rdtsc() - begin < CALIBRATE_TICKS)
        ;
    counted = ~0u - apic_read(APIC_TIMER_CURRENT);
    passed = rdtsc() - begin;
    while ((u64)counted << (shift + 1) <= passed)
        shift++;
    return shift;
}

static void halt_by_deadline(u64 tsc)
{
    apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
    while (rdtsc() < tsc) {
        wrmsr(MSR_TSC_DEADLINE, tsc);
        halt_once();
    }
}

static void halt_by_count(u64 tsc)
{
    static unsigned shift_plus_1; /* the same for all */
    u64 now;

    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    if (shift_plus_1 == 0)
        shift_plus_1 = timer_shift() + 1;
    while ((now = rdtsc()) < tsc) {
        apic_write(APIC_TIMER_INITIAL, (u32)((tsc - now) >> (shift_plus_1 - 1)) + 1);
        halt_once();
    }
}

void halt_until(u64 tsc)
{
    if (cpuid(1, 0).ecx & CPUID_TSC_DEADLINE)
        halt_by_deadline(tsc);
    else
        halt_by_count(tsc);
}

static u64 *gates(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) idt;

    __asm__ volatile("sidt %0" : "=m"(idt));
    return (u64 *)(uintptr_t)idt.base;
}

void interrupt_gate_copy(unsigned vector, unsigned like)
{
    gates()[vector] = gates()[like];
}

void interrupt_gate_set(unsigned vector, uintptr_t handler)
{
    const u64 kind = gates()[VECTOR_LOW] & 0x0000ffffffff0000; /* selector, attributes */

    gates()[vector] = (u64)(handler & 0xffff0000) << 32 | kind | (handler & 0xffff);
}

void pic_start(u16 unmasked)
{
    for (unsigned i = 0; i < PIC_LINES; i++)
        interrupt_gate_copy(PIC_VECTOR + i, VECTOR_LOW);
    outb(PIC_MASTER, ICW1);
    outb(PIC_MASTER + 1, PIC_VECTOR);
    outb(PIC_MASTER + 1, 1 << CASCADE);
    outb(PIC_MASTER + 1, ICW4_8086);
    outb(PIC_SLAVE, ICW1);
    outb(PIC_SLAVE + 1, PIC_VECTOR + 8);
    outb(PIC_SLAVE + 1, CASCADE);
    outb(PIC_SLAVE + 1, ICW4_8086);
    outb(PIC_MASTER + 1, (u8)~unmasked);
    outb(PIC_SLAVE + 1, (u8)(~unmasked >> 8));
}
