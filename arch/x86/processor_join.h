/* SPDX-License-Identifier: BSD-2-Clause */
/* What a processor does for itself before it can run tasks. */
#ifndef ARCH_X86_PROCESSOR_JOIN_H
#define ARCH_X86_PROCESSOR_JOIN_H

#include "arch/x86/processor.h"
#include "arch/x86/vmx_caps.h"

enum { PROCESSOR_REASON_SIZE = VMX_REASON_SIZE };

/* On the boot processor: notes what the others must have, too. */
void processor_join_init(void);

/*
 * On another processor, in 64-bit mode on the hypervisor's tables: puts it into the state in which the boot processor is.
 * False and a reason: it is not used.
 */
bool processor_join(struct processor *processor, char reason[PROCESSOR_REASON_SIZE]);

/* A firmware option for very old systems makes CPUID end at leaf 3; XSAVE's sizes are in leaf 13. On each processor. */
void processor_unlimit_cpuid(void);

#endif
