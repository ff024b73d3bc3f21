/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processor has to be told about a local APIC that it virtualizes: pure functions of the APIC's state. */
#ifndef ARCH_X86_APICV_RULES_H
#define ARCH_X86_APICV_RULES_H

#include "arch/x86/vmx_caps.h"

/* A vCPU's local APIC, as far as it matters here. */
struct vcpu_apic {
    bool is_enabled, is_x2apic; /* IA32_APIC_BASE */
    bool accepts;               /* enabled by software, too: it takes interrupts */
    int irr, isr;               /* the highest vector that is requested, and in service; -1: none */
    u8 tpr;
};

/* The guest interrupt status: RVI and SVI (SDM vol. 3, 25.4.2). `holds`: nothing is to be delivered for now. */
u16 apicv_interrupt_status(const struct vcpu_apic *apic, bool holds);

/*
 * The TPR threshold where interrupts are not virtual: an exit comes when the guest lowers its TPR so far that what waits for
 * that can be delivered. 0: none. It is never above the TPR's class, as VM entry demands (SDM vol. 3, 27.2.1.1).
 */
u8 apicv_tpr_threshold(const struct vcpu_apic *apic);

/* Which accesses to MSR 0x800 + n the processor may virtualize. It does not check that there is such a register. */
struct apicv_msr {
    bool reads, writes;
};
struct apicv_msr apicv_msr(const struct vcpu_apic *apic, const struct vmx_caps *caps, u8 n);

#endif
