/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APIC and PIC of the machine. SDM vol. 3, chapter 11 "Advanced Programmable Interrupt Controller". */
#include "arch/x86/apic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"

enum { APIC_VERSION = 0x30, APIC_TPR = 0x80, APIC_EOI = 0xb0, APIC_ISR = 0x100 };
enum {
    LVT_CMCI = 0x2f0,
    LVT_TIMER = 0x320,
    LVT_THERMAL = 0x330,
    LVT_PMC = 0x340,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370
};
enum { PIC1_DATA = 0x21, PIC2_DATA = 0xa1 };

static const u32 LVT_MASKED = 1u << 16;
static const u32 CPUID_EDX_APIC = 1u << 9;
static const u32 TPR_BLOCKS_ALL = 0xff;
static const u64 REGISTERS_SIZE = 0x1000;

static enum { APIC_ABSENT, APIC_XAPIC, APIC_X2APIC } mode;
static volatile u8 *registers;

static u32 apic_read(unsigned offset)
{
    return mode == APIC_X2APIC ? (u32)rdmsr(MSR_X2APIC_FIRST + offset / 16) : *(volatile u32 *)(registers + offset);
}

static void apic_write(unsigned offset, u32 value)
{
    if (mode == APIC_X2APIC)
        wrmsr(MSR_X2APIC_FIRST + offset / 16, value);
    else
        *(volatile u32 *)(registers + offset) = value;
}

static void find_apic(void)
{
    u64 base = cpuid(1).edx & CPUID_EDX_APIC ? rdmsr(MSR_APIC_BASE) : 0;

    if (!(base & APIC_BASE_ENABLE)) {
        mode = APIC_ABSENT;
    } else if (base & APIC_BASE_X2APIC) {
        mode = APIC_X2APIC;
    } else {
        registers = vmap_device((hpa_t){ base & APIC_BASE_ADDRESS }, REGISTERS_SIZE);
        mode = registers ? APIC_XAPIC : APIC_ABSENT;
    }
}

void apic_silence(void)
{
    /* The entries that every local APIC has, then those that its version register counts. LINT1 carries NMIs: it stays. */
    static const u16 counted[] = { LVT_TIMER, LVT_LINT0, 0, LVT_ERROR, LVT_PMC, LVT_THERMAL, LVT_CMCI };

    io_write8(PIC1_DATA, 0xff);
    io_write8(PIC2_DATA, 0xff);
    find_apic();
    if (mode == APIC_ABSENT)
        return;
    /*
     * Firmware may leave devices that still raise interrupts through an IOAPIC or as messages. A level-triggered one would
     * come again after each acknowledgement, and no guest would get to its first instruction: they stay pending instead.
     */
    apic_write(APIC_TPR, TPR_BLOCKS_ALL);
    unsigned last = apic_read(APIC_VERSION) >> 16 & 0xff;
    for (unsigned i = 0; i < sizeof(counted) / sizeof(counted[0]) && i <= last; i++)
        if (counted[i])
            apic_write(counted[i], apic_read(counted[i]) | LVT_MASKED);
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

void apic_acknowledge(void)
{
    if (mode != APIC_ABSENT)
        apic_write(APIC_EOI, 0);
}
