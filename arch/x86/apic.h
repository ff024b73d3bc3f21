/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APICs of the machine: one mode for all, silent but for the vectors that slat itself uses (arch/x86/irq.h), and
 * interrupts from one processor to another. SDM vol. 3, chapter 11 "Advanced Programmable Interrupt Controller".
 */
#ifndef ARCH_X86_APIC_H
#define ARCH_X86_APIC_H

#include "mm/types.h"

/* Registers by offset in their page, as xAPIC mode has them. */
enum apic_register {
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_EOI = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_ISR = 0x100,
    APIC_IRR = 0x200,
    APIC_LVT_CMCI = 0x2f0,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_THERMAL = 0x330,
    APIC_LVT_PMC = 0x340,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

#define APIC_LVT_MASKED (1u << 16)

/*
 * On the boot processor, when vmap_device() works: masks both PICs and its own local vector table, and holds back all
 * interrupts but slat's: firmware leaves timers and devices running, and a pending interrupt would end every VM entry at once.
 * `highest_id` of all processors: beyond 254 only x2APIC mode reaches them.
 */
void apic_start(u32 highest_id);

/* The same on another processor, in the mode that the boot processor's is in. False: it cannot be put there. */
bool apic_join(void);

/* False: there is no local APIC, or it is switched off. Then there are no other processors and no interrupts. */
bool apic_is_present(void);

/* The largest APIC ID that the mode can send to. */
u32 apic_max_id(void);

/* This processor's, from CPUID: always known. */
u32 apic_id(void);

/* Only with a local APIC. */
u32 apic_read(enum apic_register which);
void apic_write(enum apic_register which, u32 value);

/* Whether that vector waits in this processor's local APIC to be delivered. */
bool apic_is_requested(unsigned vector);

/* Ends an interrupt that was delivered, or that a VM exit has acknowledged. */
void apic_acknowledge(void);

/* To the processor with that ID; what the caller has stored before is seen there. They do not wait for its arrival. */
void apic_send(u32 id, unsigned vector);
void apic_send_nmi(u32 id);
void apic_send_init(u32 id);
void apic_send_startup(u32 id, hpa_t page); /* below 1 MiB, a multiple of 4 KiB */

#endif
