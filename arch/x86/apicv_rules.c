/* SPDX-License-Identifier: BSD-2-Clause */
/* See apicv_rules.h. SDM vol. 3, chapter 31 "APIC Virtualization and Virtual Interrupts". */
#include "arch/x86/apicv_rules.h"

/* Numbers of registers: offset in the page / 16, MSR - 0x800. */
enum { TPR = 0x08, PPR = 0x0a, EOI = 0x0b, SELF_IPI = 0x3f };

u16 apicv_interrupt_status(const struct vcpu_apic *apic, bool holds)
{
    unsigned requested = apic->irr < 0 || !apic->is_enabled || holds ? 0 : (unsigned)apic->irr;
    unsigned in_service = apic->isr < 0 ? 0 : (unsigned)apic->isr;

    return (u16)(in_service << 8 | requested);
}

u8 apicv_tpr_threshold(const struct vcpu_apic *apic)
{
    int waiting = apic->irr >> 4;

    /* What is in service would still keep it back, and its end is an exit. What TPR lets through waits for something else. */
    if (apic->irr < 0 || !apic->is_enabled || waiting <= apic->isr >> 4 || waiting > apic->tpr >> 4)
        return 0;
    return (u8)waiting;
}

/* SDM table 11-6: the registers that can be read in x2APIC mode, and are what the page says; the current count is not. */
static bool is_in_page(u8 n)
{
    return n == 0x02 || n == 0x03 || n == TPR || n == PPR || n == 0x0d || n == 0x0f || (n >= 0x10 && n <= 0x28) ||
           n == 0x30 || (n >= 0x32 && n <= 0x38) || n == 0x3e;
}

struct apicv_msr apicv_msr(const struct vcpu_apic *apic, const struct vmx_caps *caps, u8 n)
{
    if (!caps->virtual_x2apic || !apic->is_enabled || !apic->is_x2apic)
        return (struct apicv_msr){ false, false };
    /* An APIC that is disabled by software does not take the interrupt; the processor would. */
    return (struct apicv_msr){
        .reads = n == TPR || (caps->apic_registers && is_in_page(n)),
        .writes = n == TPR || (caps->virtual_interrupts && (n == EOI || (n == SELF_IPI && apic->accepts))),
    };
}
