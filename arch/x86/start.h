/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing the boot processor up and down, in the order in which its parts need each other. */
#ifndef ARCH_X86_START_H
#define ARCH_X86_START_H

#include "arch/x86/vmx_caps.h"
#include "boot/handoff.h"
#include "mm/vm_memory.h"

/* First thing: own descriptor tables, own view of the tables, so that whatever goes wrong is reported. No allocation. */
void arch_start_early(const struct boot_info *info);

/*
 * The rest of the boot processor, when the frame allocator works: interrupt controllers, extended state, VMX. 0, or an error and
 * its reason. The other processors: arch/x86/processor_start.h.
 */
int arch_start(struct mm_caps *caps, char reason[VMX_REASON_SIZE]);

/* Large EPT entries must not be executable on this processor (C7). Any time. */
bool arch_needs_nx_large(void);

/* Every processor leaves VMX operation; the others halt for good. No task is left. */
void arch_stop(void);

#endif
