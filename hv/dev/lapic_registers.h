/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a local APIC: offsets in its page, which is also the virtual-APIC page of VMX. In x2APIC mode the register
 * at offset n is MSR 0x800 + n / 16. Source: SDM 11.4.1 (Table 11-1), 11.12.1 (Table 11-6), 31.1.
 */
#ifndef HV_DEV_LAPIC_REGISTERS_H
#define HV_DEV_LAPIC_REGISTERS_H

#include "mm/types.h"

enum {
    LAPIC_ID = 0x020,
    LAPIC_VERSION = 0x030,
    LAPIC_TPR = 0x080,
    LAPIC_PPR = 0x0a0,
    LAPIC_EOI = 0x0b0,
    LAPIC_LDR = 0x0d0,
    LAPIC_DFR = 0x0e0,
    LAPIC_SVR = 0x0f0,
    LAPIC_ISR = 0x100, /* and TMR, IRR: eight registers of 32 vectors each */
    LAPIC_TMR = 0x180,
    LAPIC_IRR = 0x200,
    LAPIC_ESR = 0x280,
    LAPIC_ICR = 0x300,
    LAPIC_ICR_HIGH = 0x310, /* in x2APIC mode the high half is at 0x304, as part of one 64-bit register */
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERFORMANCE = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
    LAPIC_SELF_IPI = 0x3f0, /* x2APIC mode only */

    LAPIC_SVR_ENABLED = 1u << 8,

    LAPIC_LVT_MODE_SHIFT = 8, /* enum apic_mode */
    LAPIC_LVT_MASKED = 1u << 16,
    LAPIC_TIMER_MODE_SHIFT = 17,
    LAPIC_ONE_SHOT = 0,
    LAPIC_PERIODIC = 1,
    LAPIC_TSC_DEADLINE = 2,

    /* ESR */
    LAPIC_SEND_ILLEGAL_VECTOR = 1u << 5,
    LAPIC_RECEIVE_ILLEGAL_VECTOR = 1u << 6,
    LAPIC_ILLEGAL_REGISTER = 1u << 7,

    /* IA32_APIC_BASE */
    LAPIC_BASE_BSP = 1u << 8,
    LAPIC_BASE_X2APIC = 1u << 10,
    LAPIC_BASE_ENABLED = 1u << 11,

    LAPIC_MSR_FIRST = 0x800,
    LAPIC_MSR_LAST = 0x8ff,
    LAPIC_MSR_TSC_DEADLINE = 0x6e0,
};

#endif
