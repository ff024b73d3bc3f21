/* SPDX-License-Identifier: BSD-2-Clause */
/* Short times, measured by the TSC, for the start of processors and timers. */
#ifndef ARCH_X86_DELAY_H
#define ARCH_X86_DELAY_H

#include "mm/types.h"

/* The TSC's frequency, as the boot application measured it. */
void delay_init(u64 tsc_hz);

/* TSC ticks in so many microseconds. */
u64 delay_ticks(u64 microseconds);

void delay_us(u64 microseconds);

/* Until *word is `value`, at most so long. False: it never was. */
bool delay_until_equal(const u32 *word, u32 value, u64 microseconds);

#endif
