/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: whatever a guest with several processors writes to ports and device registers in memory, in any order and at
 * the same time, slat goes on: the guest gets to its end. seed=N on the command line chooses the accesses, count=N
 * how many each of its processors makes. What would end the guest itself is left out, where it would be certain to
 * come soon: reset, power-off, the debug-exit port, an APIC that is switched off, an INIT.
 *
 *   [guest fuzz]
 *   image = device_fuzz.elf
 *   memory = 8M
 *   processors = 4
 *   cmdline = seed=1 count=3000
 *   output-limit = 1K
 *   expect-end = exit 0
 */
#include "guest-stubs/hostile/parallel.h"

enum { IOAPIC = (int)0xfec00000, BUFFER = 6 << 20, BUFFER_SIZE = 1 << 20, FIRST_INTERRUPT = 16 };
enum { MODE_SHIFT = 8, MODE_INIT = 5, MODE_STARTUP = 6, CMOS_INDEX = 0x70, PM1_CONTROL_HIGH = 0x605, PIC_ELCR = 0x4d0 };

static const u16 ports[] = { 0x20,  0x21,  0xa0,  0xa1,  0x4d0, 0x4d1, 0x40,  0x41,  0x42,  0x43,  0x61,  0x60,  0x64,
                             0x70,  0x71,  0x80,  0x92,  0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x510,
                             0x511, 0x600, 0x602, 0x604, 0x605, 0x606, 0x608, 0x60b, 0xcf8, 0xcfc, 0x402, 0x2f8 };

/* The vectors of the lines 0, 4, 8 and 9, and of no line, while somebody is setting the PIC up. */
static const u8 uninitialized[] = { 0, 1, 4, 7 };

static u32 count;
static volatile u32 ends;

/* One sequence for each processor. */
static u32 next_random(u32 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static u32 without_init(u32 value)
{
    u32 mode = value >> MODE_SHIFT & 7;

    return mode == MODE_INIT || mode == MODE_STARTUP ? value ^ 2u << MODE_SHIFT : value;
}

static void use_port(u32 *state)
{
    u32 random = next_random(state), value = next_random(state);
    u16 port = ports[random % (sizeof(ports) / sizeof(ports[0]))];
    unsigned size = random >> 16 & 3;
    u32 to = BUFFER, times = random >> 20 & 15;

    if (port == 0x92 || port == 0x64)
        value &= 0xfe00 | 0x7e; /* no reset */
    if (port + 3 >= PM1_CONTROL_HIGH && port <= PM1_CONTROL_HIGH)
        value = 0; /* nor power-off */
    if ((port & ~1) == PIC_ELCR)
        value &=
            port & 1 ? 0xfc : 0xfce8; /* a level that is high, and ended by the PIC itself, would let nobody go on */
    if ((port & 0xff7e) == 0x20)
        value |= port & 1 ? 0x20 : 0x2000; /* nor the PIC's vectors among the exceptions */
    if (random >> 24 & 1) {
        if (size == 0)
            outb(port, (u8)value);
        else if (size == 1 && port != 0x60)
            outw(port, (u16)value);
        else if (size == 2 && port != 0x60)
            outl(port, value);
    } else if (size == 0) {
        (void)inb(port);
    } else if (size == 1) {
        (void)inw(port);
    } else if (size == 2) {
        (void)inl(port);
    } else {
        __asm__ volatile("rep insb" : "+D"(to), "+c"(times) : "d"(port) : "memory");
    }
}

/* Mostly the registers that there are, in 32 bits; sometimes others, and other sizes. */
static void use_memory(u32 *state, u32 base, u32 writable_mask)
{
    u32 random = next_random(state), value = next_random(state);
    u32 address = base + (random & writable_mask), from = BUFFER, times = random >> 20 & 15;

    switch (random >> 28) {
    case 0:
        __asm__ volatile("movb %b0, (%1)" : : "q"(value), "r"(address) : "memory");
        break;
    case 1:
        __asm__ volatile("lock orl %0, (%1)" : : "r"(value & 0xff), "r"(address) : "memory", "cc");
        break;
    case 2:
        __asm__ volatile("xchg %0, (%1)" : "+r"(value) : "r"(address) : "memory");
        break;
    case 3:
        address = base;
        __asm__ volatile("rep movsl" : "+S"(address), "+D"(from), "+c"(times) : : "memory");
        break;
    case 4:
        __asm__ volatile("testl %0, (%1)" : : "r"(value), "r"(address) : "memory", "cc");
        break;
    case 5 ... 8:
        (void)peek(address);
        break;
    default:
        poke(address, value);
        break;
    }
}

static void use_apic(u32 *state)
{
    u32 value = next_random(state);

    switch (value >> 29) {
    case 0:
        apic_write(APIC_ICR_HIGH, value << 24);
        apic_write(APIC_ICR, without_init(next_random(state)) & 0xcffff);
        break;
    case 1:
        apic_write(APIC_EOI, 0);
        break;
    case 2:
        apic_write(APIC_SPURIOUS, (value & 0x3ff) | SPURIOUS_ENABLED);
        break;
    case 3:
        apic_write(APIC_LVT_TIMER, value & 0x700ff);
        apic_write(APIC_TIMER_DIVIDE, value >> 8);
        apic_write(APIC_TIMER_INITIAL, value & 0xfff);
        break;
    case 4:
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + (value & 0xfff) - 0x800);
        break;
    case 5:
        wrmsr(MSR_APIC_BASE, value & 1 ? rdmsr(MSR_APIC_BASE) : value);
        break;
    case 6:
        (void)rdmsr(MSR_X2APIC + (value & 0xff));
        break;
    default:
        use_memory(state, (u32)APIC_BASE, 0x2f0); /* below the ICR, which has its own case */
        break;
    }
}

static void use_ioapic(u32 *state)
{
    u32 value = next_random(state), index = next_random(state) & 0x3f;

    poke((u32)IOAPIC, index);
    if (value >> 31)
        poke((u32)IOAPIC + 0x10, index & 1 ? value : without_init(value) & ~(u32)(value >> 14 & LVT_MASKED));
    else
        use_memory(state, (u32)IOAPIC, 0x4c);
}

static void fuzz(void)
{
    struct processor *self = this_processor();
    u32 state = (u32)argument("seed", 1) * 2654435761u + self->apic_id * 40503 + 1;

    for (u32 i = 0; i < count; i++) {
        switch (next_random(&state) % 8) {
        case 0:
        case 1:
        case 2:
            use_port(&state);
            break;
        case 3:
            use_ioapic(&state);
            break;
        case 4:
            interrupts_on();
            break;
        case 5:
            interrupts_off();
            break;
        default:
            use_apic(&state);
            break;
        }
    }
    interrupts_off();
    __atomic_fetch_add(&ends, 1, __ATOMIC_RELEASE);
}

void stub_main(void)
{
    count = (u32)argument("count", 3000);
    parallel_start();
    for (unsigned i = FIRST_INTERRUPT; i < VECTORS; i++)
        interrupt_gate_copy(i, VECTOR_SPURIOUS);
    for (unsigned i = 0; i < sizeof(uninitialized) / sizeof(uninitialized[0]); i++)
        interrupt_gate_copy(uninitialized[i], VECTOR_SPURIOUS);
    pic_start(0xffff);
    for (unsigned i = 1; i < processor_count; i++)
        __atomic_store_n(&processor_table[i].work, fuzz, __ATOMIC_RELEASE);
    apic_send(0, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
    fuzz();
    while (__atomic_load_n(&ends, __ATOMIC_ACQUIRE) != processor_count)
        relax();
    stub_exit(0);
}
