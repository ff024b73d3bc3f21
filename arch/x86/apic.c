/* SPDX-License-Identifier: BSD-2-Clause */
/* See apic.h. The boot processor decides about the mode; the others follow. */
#include "arch/x86/apic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/irq.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"

enum { PIC1_DATA = 0x21, PIC2_DATA = 0xa1, ICR_TRIES = 1000000, XAPIC_MAX_ID = 254 };

/* Command words of the ICR; the level bit is set in all but those that de-assert, which nobody sends any more. */
enum { ICR_NMI = 4 << 8, ICR_INIT = 5 << 8, ICR_STARTUP = 6 << 8, ICR_PENDING = 1 << 12, ICR_ASSERT = 1 << 14 };

static const u32 CPUID_EDX_APIC = 1u << 9, CPUID_ECX_X2APIC = 1u << 21;
static const u32 SPURIOUS_ENABLE = 1u << 8;
/* Of the priority classes, 16 vectors each, all below slat's own. */
static const u32 TPR_OWN_ONLY = VECTOR_FIRST_OWN - 0x10;
static const u64 REGISTERS_SIZE = 0x1000;

static enum { APIC_ABSENT, APIC_XAPIC, APIC_X2APIC } mode;
static volatile u8 *registers;
static u64 base_address;

u32 apic_read(enum apic_register which)
{
    return mode == APIC_X2APIC ? (u32)rdmsr(MSR_X2APIC_FIRST + which / 16) : *(volatile u32 *)(registers + which);
}

void apic_write(enum apic_register which, u32 value)
{
    if (mode == APIC_X2APIC)
        wrmsr(MSR_X2APIC_FIRST + which / 16, value);
    else
        *(volatile u32 *)(registers + which) = value;
}

u32 apic_id(void)
{
    if (cpuid(0).eax >= 0xb) {
        struct cpuid_result leaf = cpuid_count(0xb, 0);

        if (leaf.ebx & 0xffff) /* else the leaf is not there */
            return leaf.edx;
    }
    return cpuid(1).ebx >> 24;
}

static void find_apic(u32 highest_id)
{
    u64 base = cpuid(1).edx & CPUID_EDX_APIC ? rdmsr(MSR_APIC_BASE) : 0;

    base_address = base & APIC_BASE_ADDRESS;
    if (!(base & APIC_BASE_ENABLE)) {
        mode = APIC_ABSENT;
    } else if (base & APIC_BASE_X2APIC) {
        mode = APIC_X2APIC;
    } else if (highest_id > XAPIC_MAX_ID && cpuid(1).ecx & CPUID_ECX_X2APIC) {
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
        mode = APIC_X2APIC;
    } else {
        registers = vmap_device((hpa_t){ base_address }, REGISTERS_SIZE);
        mode = registers ? APIC_XAPIC : APIC_ABSENT;
    }
}

static void silence(void)
{
    /* The entries that every local APIC has, then those that its version register counts. LINT1 carries NMIs: it stays. */
    static const u16 counted[] = { APIC_LVT_TIMER,   APIC_LVT_LINT0, 0, APIC_LVT_ERROR, APIC_LVT_PMC,
                                   APIC_LVT_THERMAL, APIC_LVT_CMCI };

    /*
     * Firmware may leave devices that still raise interrupts through an IOAPIC or as messages. A level-triggered one would
     * come again after each acknowledgement, and no guest would get to its first instruction: they stay pending instead.
     */
    apic_write(APIC_TPR, TPR_OWN_ONLY);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    unsigned last = apic_read(APIC_VERSION) >> 16 & 0xff;
    for (unsigned i = 0; i < sizeof(counted) / sizeof(counted[0]) && i <= last; i++)
        if (counted[i])
            apic_write(counted[i], apic_read(counted[i]) | APIC_LVT_MASKED);
    /* An interrupt that firmware never ended would block all of its priority and below. At most 256 can be in service. */
    for (unsigned round = 0; round < 256; round++) {
        u32 in_service = 0;
        for (unsigned i = 0; i < 8; i++)
            in_service |= apic_read(APIC_ISR + 16 * i);
        if (!in_service)
            break;
        apic_write(APIC_EOI, 0);
    }
}

void apic_start(u32 highest_id)
{
    io_write8(PIC1_DATA, 0xff);
    io_write8(PIC2_DATA, 0xff);
    find_apic(highest_id);
    if (mode != APIC_ABSENT)
        silence();
}

bool apic_join(void)
{
    u64 base = rdmsr(MSR_APIC_BASE), wanted = base_address | APIC_BASE_ENABLE;

    if (mode == APIC_ABSENT)
        return false;
    if (mode == APIC_X2APIC && !(cpuid(1).ecx & CPUID_ECX_X2APIC))
        return false;
    if (mode == APIC_X2APIC)
        wanted |= APIC_BASE_X2APIC;
    /* Out of x2APIC mode, or back on again, leads no way that every processor knows. */
    if (!(base & APIC_BASE_ENABLE) || (base & APIC_BASE_X2APIC & ~wanted))
        return false;
    if ((base ^ wanted) & (APIC_BASE_X2APIC | APIC_BASE_ADDRESS))
        wrmsr(MSR_APIC_BASE, (base & ~APIC_BASE_ADDRESS) | wanted);
    silence();
    return true;
}

bool apic_is_present(void)
{
    return mode != APIC_ABSENT;
}

u32 apic_max_id(void)
{
    return mode == APIC_X2APIC ? ~1u : XAPIC_MAX_ID;
}

bool apic_is_requested(unsigned vector)
{
    return mode != APIC_ABSENT && (apic_read(APIC_IRR + vector / 32 * 16) >> vector % 32 & 1);
}

void apic_acknowledge(void)
{
    if (mode != APIC_ABSENT)
        apic_write(APIC_EOI, 0);
}

static void send(u32 id, u32 command)
{
    if (mode == APIC_X2APIC) {
        /* This write of an MSR waits for no earlier store (SDM vol. 3, 11.12.3). */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC_FIRST + APIC_ICR / 16, (u64)id << 32 | command);
    } else if (mode == APIC_XAPIC) {
        /* One at a time; but a report of a panic must not wait for ever. */
        for (unsigned tries = ICR_TRIES; tries && (apic_read(APIC_ICR) & ICR_PENDING); tries--)
            cpu_pause();
        apic_write(APIC_ICR_HIGH, id << 24);
        apic_write(APIC_ICR, command);
    }
}

void apic_send(u32 id, unsigned vector)
{
    send(id, ICR_ASSERT | vector);
}

void apic_send_nmi(u32 id)
{
    send(id, ICR_ASSERT | ICR_NMI);
}

void apic_send_init(u32 id)
{
    send(id, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(u32 id, hpa_t page)
{
    send(id, ICR_ASSERT | ICR_STARTUP | (u32)(page.v >> PAGE_SHIFT));
}
