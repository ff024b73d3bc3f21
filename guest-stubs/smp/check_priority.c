/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What processors can do with a local APIC by themselves: task priority, self IPIs, ends of interrupts, reads of registers in
 * x2APIC mode. Wherever the guest runs it must look the same.
 */
#include "guest-stubs/smp/smp.h"

enum { IOAPIC_SELECT = (int)0xfec00000, IOAPIC_WINDOW = (int)0xfec00010, REDIRECTION_COM1 = 0x10 + 2 * 4 };
enum { REDIRECTION_LEVEL = 1 << 15, REDIRECTION_MASKED = 1 << 16 };
enum { COM1_ENABLE = 0x3f9, COM1_IDENTIFICATION = 0x3fa, COM1_MODEM = 0x3fc };
enum { ENABLE_TRANSMITTER_EMPTY = 2, MODEM_OUT2 = 8 }; /* without OUT2 a PC's COM1 does not interrupt */
enum { CLASS_HIGH = VECTOR_HIGH >> 4, SEND_ILLEGAL_VECTOR = 1 << 5, APIC_ESR = 0x280 };

/* In 32-bit mode there is no CR8. */
#ifdef __x86_64__
static void priority_write(u32 class)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"((u64) class) : "memory");
}

static u32 priority_read(void)
{
    u64 class;

    __asm__ volatile("mov %%cr8, %0" : "=r"(class) : : "memory");
    return (u32) class;
}
#else
static void priority_write(u32 class)
{
    apic_write(APIC_TPR, class << 4);
}

static u32 priority_read(void)
{
    return apic_read(APIC_TPR) >> 4;
}
#endif

static void both_names(void)
{
    bool right = true;

    for (u32 class = 0; class < 16; class ++) {
        priority_write(class);
        right = right && apic_read(APIC_TPR) == class << 4 && apic_read(APIC_PPR) == class << 4;
        apic_write(APIC_TPR, (15 - class) << 4);
        right = right && priority_read() == 15 - class;
        apic_write(APIC_TPR, class << 4 | 3); /* its low bits count for PPR alone */
        right = right && priority_read() == class && apic_read(APIC_PPR) == (class << 4 | 3);
    }
    priority_write(0);
    this_processor()->result = right;
}

/* The highest class at which it came, from above; the instruction that lets it come is the last without it. */
static u32 lower_until_it_comes(bool enabled)
{
    struct processor *self = this_processor();
    u32 came = 16;

    self->counts[VECTOR_HIGH] = 0;
    priority_write(15);
    apic_send(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | VECTOR_HIGH);
    for (u32 class = 15; class < 16 && came == 16; class --) {
        if (enabled)
            interrupts_on();
        if (class % 2)
            priority_write(class);
        else
            apic_write(APIC_TPR, class << 4);
        if (!enabled)
            interrupts_on();
        interrupts_off();
        if (self->counts[VECTOR_HIGH])
            came = class;
    }
    priority_write(0);
    take_interrupts();
    return self->counts[VECTOR_HIGH] == 1 ? came : 16;
}

static void waits_for_priority(void)
{
    this_processor()->result = lower_until_it_comes(true) == CLASS_HIGH - 1;
}

static void waits_for_priority_and_flag(void)
{
    this_processor()->result = lower_until_it_comes(false) == CLASS_HIGH - 1;
}

/* It waits when interrupts come on, and the instruction that STI shadows exits. It comes behind that one, not behind the next. */
static void comes_behind_shadow(void)
{
    struct processor *self = this_processor();
    uintptr_t a = 0, b, c = 0, d;

    self->counts[VECTOR_HIGH] = 0;
    apic_send(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | VECTOR_HIGH);
    __asm__ volatile("sti; cpuid; cli" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
    self->result = self->counts[VECTOR_HIGH] == 1;
    take_interrupts();
}

static void redirect(u32 low)
{
    poke((u32)IOAPIC_SELECT, REDIRECTION_COM1);
    poke((u32)IOAPIC_WINDOW, low);
}

/* The second time it does what lowers the line. What it requests comes when it has ended. */
static void lower_line(void)
{
    apic_send(0, ICR_SELF | ICR_ASSERT | ICR_FIXED | VECTOR_LOW);
    if (this_processor()->counts[VECTOR_LEVEL] == 2)
        inb(COM1_IDENTIFICATION);
}

/* Its line is still high when it ends: it comes again. Edge-triggered, the same vector does not. */
static u32 interrupts_of_com1(u32 trigger)
{
    struct processor *self = this_processor();

    self->counts[VECTOR_LEVEL] = self->counts[VECTOR_LOW] = 0;
    poke((u32)IOAPIC_SELECT, REDIRECTION_COM1 + 1);
    poke((u32)IOAPIC_WINDOW, self->apic_id << 24);
    redirect(trigger | VECTOR_LEVEL);
    outb(COM1_MODEM, MODEM_OUT2);
    outb(COM1_ENABLE, ENABLE_TRANSMITTER_EMPTY);
    for (u32 i = 0; i < 100; i++)
        take_interrupts();
    redirect(REDIRECTION_MASKED);
    inb(COM1_IDENTIFICATION);
    outb(COM1_ENABLE, 0);
    take_interrupts();
    return self->counts[VECTOR_LOW] == 1 ? self->counts[VECTOR_LEVEL] : 0;
}

void check_priority(void)
{
    run_on_all(both_names);
    ok(results(true) == processor_count, "task priority and CR8 are one, on each");
    run_on_all(waits_for_priority);
    ok(results(true) == processor_count,
       "an interrupt comes with the write that lowers the priority below its class, on each");
    run_on_all(waits_for_priority_and_flag);
    ok(results(true) == processor_count, "with interrupts off it comes when they are on, on each");
    run_on_all(comes_behind_shadow);
    ok(results(true) == processor_count, "the shadow of STI ends with a CPUID, on each");
    level_work = lower_line;
    u32 level = interrupts_of_com1(REDIRECTION_LEVEL), edge = interrupts_of_com1(0);
    u32 again = interrupts_of_com1(REDIRECTION_LEVEL);
    ok(level == 2 && edge == 1 && again == 2,
       "an interrupt comes again when it ends while its line is high, if it is level-triggered (%u, %u, %u)", level,
       edge, again);
}

/* SDM, "Local APIC Register Address Map Supported by x2APIC". */
static bool can_be_read(u32 n)
{
    return n == 0x02 || n == 0x03 || n == 0x08 || n == 0x0a || n == 0x0d || (n >= 0x0f && n <= 0x28) || n == 0x30 ||
           (n >= 0x32 && n <= 0x39) || n == 0x3e;
}

static void read_all(void)
{
    struct processor *self = this_processor();
    u32 right = 0;

    for (u32 n = 0; n < 256; n++) {
        u32 before = self->counts[VECTOR_GP];
        (void)rdmsr(MSR_X2APIC + n);
        right += (self->counts[VECTOR_GP] == before) == can_be_read(n);
    }
    self->result = right;
}

/* What was written, wherever it is kept; and the highest that can be is in IRR. */
static void read_what_was_written(void)
{
    u64 command = 0x12345678ull << 32 | ICR_SELF | ICR_ASSERT | VECTOR_HIGH;
    bool right;

    wrmsr(MSR_X2APIC_ICR, command);
    right = rdmsr(MSR_X2APIC_ICR) == command;
    wrmsr(MSR_X2APIC_SELF, VECTOR_LOW);
    right = right && rdmsr(MSR_X2APIC + APIC_IRR / 16 + VECTOR_HIGH / 32) == 1u << VECTOR_HIGH % 32 &&
            rdmsr(MSR_X2APIC + APIC_IRR / 16 + VECTOR_LOW / 32) == 1u << VECTOR_LOW % 32;
    take_interrupts();
    this_processor()->result = right && rdmsr(MSR_X2APIC + APIC_IRR / 16 + VECTOR_HIGH / 32) == 0;
}

static void send_self_nonsense(void)
{
    apic_write(APIC_ESR, 0);
    wrmsr(MSR_X2APIC_SELF, 5);
    apic_write(APIC_ESR, 0);
    this_processor()->result = (apic_read(APIC_ESR) & SEND_ILLEGAL_VECTOR) != 0;
    apic_write(APIC_ESR, 0);
}

static void send_self_while_disabled(void)
{
    struct processor *self = this_processor();

    self->counts[VECTOR_LOW] = 0;
    apic_write(APIC_SPURIOUS, VECTOR_SPURIOUS);
    wrmsr(MSR_X2APIC_SELF, VECTOR_LOW);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLED | VECTOR_SPURIOUS);
    take_interrupts();
    bool dropped = self->counts[VECTOR_LOW] == 0;
    wrmsr(MSR_X2APIC_SELF, VECTOR_LOW);
    take_interrupts();
    self->result = dropped && self->counts[VECTOR_LOW] == 1;
}

void check_x2apic_registers(void)
{
    if (!x2apic) {
        for (unsigned i = 0; i < TESTS_PRIORITY + TESTS_X2APIC_REGISTERS; i++)
            ok(true, "# SKIP no x2APIC");
        return;
    }
    check_priority();
    run_on_all(read_all);
    ok(results(256) == processor_count,
       "what is a register can be read, all else is a general protection exception, on each");
    run_on_all(read_what_was_written);
    ok(results(true) == processor_count, "the command register and requests are read as they were written, on each");
    run_on_all(send_self_nonsense);
    ok(results(true) == processor_count, "a vector below 16 for oneself is an error, on each");
    run_on_all(send_self_while_disabled);
    ok(results(true) == processor_count, "an APIC that is switched off by software does not interrupt itself, on each");
}
