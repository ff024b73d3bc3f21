/* SPDX-License-Identifier: BSD-2-Clause */
/* Which MSRs a guest owns. The others exit: arch/x86/exit_msr.c. */
#ifndef ARCH_X86_MSR_BITMAP_H
#define ARCH_X86_MSR_BITMAP_H

#include "mm/types.h"

/* Fills a frame with the MSR bitmap of a guest: which MSRs it accesses without an exit. */
void msr_bitmap_init(pfn_t frame);

/* Whether reads and writes of this MSR pass. */
void msr_bitmap_pass(pfn_t frame, u32 msr, bool reads, bool writes);

#endif
