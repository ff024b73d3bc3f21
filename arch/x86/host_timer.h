/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each processor's local APIC timer, which ends its idling: with TSC deadlines where that works, else counting down. Guests'
 * slices end by the VMX preemption timer.
 */
#ifndef ARCH_X86_HOST_TIMER_H
#define ARCH_X86_HOST_TIMER_H

#include "mm/types.h"

enum host_timer_kind { HOST_TIMER_NONE, HOST_TIMER_COUNTDOWN, HOST_TIMER_DEADLINE };

/* On the boot processor: tries which kind works. Interrupts are off. */
void host_timer_start(void);

/* On another processor. */
void host_timer_join(void);

enum host_timer_kind host_timer_kind(void);

/* VECTOR_TIMER comes when the TSC has reached `tsc`, or earlier. Only with a timer. */
void host_timer_arm(u64 tsc);
void host_timer_disarm(void);

#endif
