/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC, by memory or by MSRs. */
#include "guest-stubs/smp/smp.h"

bool x2apic;

u32 apic_read(u32 offset)
{
    return x2apic ? (u32)rdmsr(MSR_X2APIC + offset / 16) : peek((u32)APIC_BASE + offset);
}

void apic_write(u32 offset, u32 value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + offset / 16, value);
    else
        poke((u32)APIC_BASE + offset, value);
}

void apic_enable(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BASE_ENABLED);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLED | VECTOR_SPURIOUS);
}

u32 apic_id(void)
{
    return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_send(u32 destination, u32 command)
{
    if (x2apic) {
        wrmsr(MSR_X2APIC_ICR, (u64)destination << 32 | command);
        return;
    }
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, command);
    wait_until(!(apic_read(APIC_ICR) & ICR_PENDING));
}
