/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's own interrupt controllers. slat takes no device interrupts: they are silenced, and what comes anyway is
 * acknowledged.
 */
#ifndef ARCH_X86_APIC_H
#define ARCH_X86_APIC_H

#include "mm/types.h"

/*
 * Masks both PICs and this processor's local vector table, and holds back all other interrupts: firmware leaves timers and
 * devices running, and a pending interrupt would end every VM entry at once. vmap_device() works.
 */
void apic_silence(void);

/* Ends an interrupt that a VM exit has acknowledged. */
void apic_acknowledge(void);

#endif
