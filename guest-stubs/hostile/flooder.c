/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that floods the machine with interrupts, messages, register accesses or faults takes no more than
 * its turns, and is ended by its timeout. how=N: the number of the table at the end; it begins at=N milliseconds
 * after its first instruction, and never ends. `hypercalls = yes` is for 25 and 26.
 *
 *   [guest flooder-5]
 *   image = flooder.elf
 *   memory = 8M
 *   processors = 4
 *   cmdline = how=5 at=100
 *   timeout = 200ms
 *   expect-end = timeout
 */
#include "guest-stubs/hostile/parallel.h"
#include "guest-stubs/lib/hypercall.h"

enum { IPI = ICR_FIXED | ICR_ASSERT | VECTOR_LOW };
enum { PIT_0 = 0x40, PIT_CONTROL = 0x43, PIT_0_MODE_0 = 0x30, PIT_0_MODE_2 = 0x34 };
enum { PIC_MASTER = 0x20, PIC_SLAVE = 0xa0, PIC_EOI = 0x20 };
enum { RTC_INDEX = 0x70, RTC_DATA = 0x71, RTC_A = 10, RTC_B = 11, RTC_C = 12, RTC_8_KHZ = 0x23, RTC_B_PERIODIC = 0x42 };
enum { UART_IER = COM1 + 1, UART_IER_EMPTY = 2, UART_MCR = COM1 + 4, UART_MCR_OUT2 = 8 };
enum { IRQ_PIT = 0, IRQ_CASCADE = 2, IRQ_COM1 = 4, IRQ_RTC = 8, PIN_PIT = 2 };
enum { IOAPIC = (int)0xfec00000, IOAPIC_DATA = 0x10, IOAPIC_TABLE = 0x10, PIN_LEVEL = 1 << 15, PIN_MASKED = 1 << 16 };
enum { FRESH = 5 << 20, FRESH_END = 8 << 20, UNKNOWN_MSR = 0x12345, BUFFER = 6 << 20 };
enum { JUMP_PAGE = 1, JUMP_TO_ITSELF = 0xfeeb };

static void ioapic_write(u32 index, u32 value)
{
    poke((u32)IOAPIC, index);
    poke((u32)IOAPIC + IOAPIC_DATA, value);
}

static void pin_set(unsigned pin, u32 low, u32 destination)
{
    ioapic_write(IOAPIC_TABLE + pin * 2 + 1, destination << 24);
    ioapic_write(IOAPIC_TABLE + pin * 2, low);
}

static void pit_start(u8 mode, u16 count)
{
    outb(PIT_CONTROL, mode);
    outb(PIT_0, (u8)count);
    outb(PIT_0, (u8)(count >> 8));
}

static u8 rtc_read(u8 index)
{
    outb(RTC_INDEX, index);
    return inb(RTC_DATA);
}

static void rtc_write(u8 index, u8 value)
{
    outb(RTC_INDEX, index);
    outb(RTC_DATA, value);
}

static void spin(void)
{
    for (;;)
        relax();
}

static void timer_of_one_tick(void)
{
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 1);
    interrupts_on();
    spin();
}

/* As above, but in the pauses it halts. */
static void timer_and_halt(void)
{
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 1);
    for (;;)
        halt_once();
}

static void deadline_in_the_past(void)
{
    apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
    interrupts_on();
    for (;;)
        wrmsr(MSR_TSC_DEADLINE, 1);
}

static void message_to_self(void)
{
    interrupts_on();
    for (;;)
        apic_write(APIC_ICR, IPI | ICR_SELF);
}

static void messages_to_others(void)
{
    interrupts_on();
    for (;;)
        apic_write(APIC_ICR, IPI | ICR_OTHERS);
}

static void nmis_to_others(void)
{
    for (;;)
        apic_write(APIC_ICR, ICR_NMI | ICR_ASSERT | ICR_OTHERS);
}

/* The first, while the others halt: each message wakes one. */
static void messages_to_halted(void)
{
    for (;;)
        apic_write(APIC_ICR, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
}

/* They do not get beyond their first instruction, a jump to itself. */
static void starts(void)
{
    *(volatile u16 *)(JUMP_PAGE << 12) = JUMP_TO_ITSELF;
    for (;;) {
        apic_write(APIC_ICR, ICR_INIT | ICR_ASSERT | ICR_OTHERS);
        apic_write(APIC_ICR, ICR_STARTUP | ICR_ASSERT | ICR_OTHERS | JUMP_PAGE);
    }
}

/* The first half computes, the second half is woken all the time, in whoever's turn that is. */
static void turns_cut_short(void)
{
    if (this_processor()->apic_id < processor_count / 2)
        spin();
    for (;;)
        halt_until(rdtsc() + (u32)ticks_per_ms() / 2);
}

static void ping_pong(void)
{
    struct processor *self = this_processor();
    u32 next = (self->apic_id + 1) % processor_count;

    for (;;) {
        apic_send(next, IPI);
        halt_once();
    }
}

static void pit_never_ended(void)
{
    pic_start(1 << IRQ_PIT);
    pit_start(PIT_0_MODE_2, 2);
    interrupts_on();
    spin();
}

static void pit_ended(void)
{
    pic_start(1 << IRQ_PIT);
    pit_start(PIT_0_MODE_2, 2);
    for (;;) {
        halt_once();
        outb(PIC_MASTER, PIC_EOI);
    }
}

/* Its clock is the first processor's to look after, which halts. */
static void pit_set_again(void)
{
    pic_start(1 << IRQ_PIT);
    for (u16 count = 2;; count ^= 3)
        pit_start(PIT_0_MODE_0, count);
}

static void pit_to_all(void)
{
    pin_set(PIN_PIT, VECTOR_LOW, 0xff);
    pit_start(PIT_0_MODE_2, 2);
    spin();
}

static void pit_nmi_to_all(void)
{
    pin_set(PIN_PIT, ICR_NMI, 0xff);
    pit_start(PIT_0_MODE_2, 2);
    spin();
}

static void rtc_fast(void)
{
    pic_start(1 << IRQ_CASCADE | 1 << IRQ_RTC);
    rtc_write(RTC_A, RTC_8_KHZ);
    rtc_write(RTC_B, RTC_B_PERIODIC);
    for (;;) {
        halt_once();
        rtc_read(RTC_C);
        outb(PIC_SLAVE, PIC_EOI);
        outb(PIC_MASTER, PIC_EOI);
    }
}

/* The transmitter is always empty: it asks without end, and each end of an interrupt begins the next one. */
static void level(void)
{
    outb(UART_MCR, UART_MCR_OUT2);
    pin_set(IRQ_COM1, PIN_LEVEL | VECTOR_LOW, 0xff);
    interrupts_on();
    for (;;) {
        outb(UART_IER, UART_IER_EMPTY);
        outb(UART_IER, 0);
        outb(UART_IER, UART_IER_EMPTY);
    }
}

static void port_80(void)
{
    for (;;)
        outb(0x80, 0);
}

static void output(void)
{
    for (unsigned i = 0;; i++)
        outb(COM1, i % 64 == 63 ? '\n' : '.');
}

static void ports(void)
{
    for (unsigned i = 0;; i++) {
        outb(0x61, (u8)i);
        outb(PIT_0, (u8)i);
        inb(PIT_0);
        rtc_read((u8)i & 0x7f);
        outw(0x510, (u16)i);
        inb(0x511);
        outb(PIC_MASTER + 1, (u8)i);
    }
}

static void apic_registers(void)
{
    for (u32 i = 0;; i++) {
        apic_read(i & 0xff0);
        apic_write(APIC_TPR, i);
        apic_write(APIC_SPURIOUS, i & 1 ? SPURIOUS_ENABLED | VECTOR_SPURIOUS : VECTOR_SPURIOUS);
    }
}

static void apic_strings(void)
{
    for (;;) {
        u32 from = (u32)APIC_BASE, to = BUFFER, count = 1024;
        __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
        to = (u32)APIC_BASE + 0x400;
        count = 0x300;
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
    }
}

static void ioapic_registers(void)
{
    for (u32 i = 0;; i++) {
        ioapic_write(i % 64, PIN_MASKED);
        peek((u32)IOAPIC + IOAPIC_DATA);
    }
}

static void unknown_msrs(void)
{
    for (;;) {
        cpuid(0, 0);
        rdmsr(UNKNOWN_MSR); /* handle_gp() skips it */
    }
}

static void hypercalls(void)
{
    for (;;)
        command("stats");
}

static void faults(void)
{
    for (;;) {
        for (u32 page = FRESH; page < FRESH_END; page += 4096)
            poke(page, page);
        command("zap 0x500 0x300");
    }
}

enum who { FIRST, LAST, ALL };

static const struct {
    void (*way)(void);
    enum who who;
} ways[] = {
    { spin, LAST },
    { spin, ALL }, /* 0 */
    { timer_of_one_tick, ALL },
    { timer_and_halt, ALL }, /* 2 */
    { deadline_in_the_past, ALL },
    { message_to_self, ALL }, /* 4 */
    { messages_to_others, ALL },
    { nmis_to_others, ALL }, /* 6 */
    { messages_to_halted, LAST },
    { starts, FIRST }, /* 8 */
    { ping_pong, ALL },
    { pit_never_ended, FIRST }, /* 10 */
    { pit_ended, FIRST },
    { pit_set_again, LAST }, /* 12 */
    { pit_to_all, LAST },
    { pit_nmi_to_all, LAST }, /* 14 */
    { rtc_fast, FIRST },
    { level, LAST }, /* 16 */
    { port_80, ALL },
    { output, LAST }, /* 18 */
    { ports, ALL },
    { apic_registers, ALL }, /* 20 */
    { apic_strings, ALL },
    { ioapic_registers, ALL }, /* 22 */
    { unknown_msrs, ALL },
    { hypercalls, ALL }, /* 24 */
    { faults, ALL },
    { turns_cut_short, ALL }, /* 26 */
};

/* The one with the highest ID; the first halts, if that is another. */
static void run_on_last(void (*way)(void))
{
    struct processor *last = &processor_table[0];

    for (unsigned i = 1; i < processor_count; i++)
        last = processor_table[i].apic_id > last->apic_id ? &processor_table[i] : last;
    if (last->index == 0)
        way();
    __atomic_store_n(&last->work, way, __ATOMIC_RELEASE);
    apic_send(last->apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_WAKE);
    for (;;)
        halt_once();
}

void stub_main(void)
{
    u32 how = (u32)argument("how", 0);
    u64 begin = argument("at", 0) * ticks_per_ms();

    if (how >= sizeof(ways) / sizeof(ways[0]))
        bail_out("there is no way %u", how);
    processors_init();
    interrupts_init();
    apic_enable();
    halt_until(begin);
    parallel_start();
    if (ways[how].who == ALL)
        run_on_all(ways[how].way);
    else if (ways[how].who == FIRST)
        ways[how].way();
    else
        run_on_last(ways[how].way);
    bail_out("the storm is over");
}
