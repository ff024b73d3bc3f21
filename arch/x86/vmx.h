/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX operation of this processor: on, off, and the invalidations. */
#ifndef ARCH_X86_VMX_H
#define ARCH_X86_VMX_H

#include "arch/x86/vmx_caps.h"
#include "mm/types.h"

/* What every processor in use can do; valid after vmx_start() returned 0. */
extern struct vmx_caps vmx_caps;

/*
 * On the boot processor: finds out whether slat can run here, enters VMX operation. 0, or an error with a reason as
 * vmx_caps_check(). Interrupts are off. The processor's VMXON region is allocated.
 */
int vmx_start(char reason[VMX_REASON_SIZE]);

/* The same on another processor, which must be able to do the same: -ENODEV if it is not. */
int vmx_join(char reason[VMX_REASON_SIZE]);

/* Leaves VMX operation on this processor, so that firmware can be called. It uses no vCPU afterwards. */
void vmx_stop(void);

/* The EPT pointer for a root table (SDM vol. 3, 25.6.11): write-back walks, A/D bits where the processor has them. */
u64 vmx_eptp(pfn_t root, unsigned levels);

/* Drops this processor's guest-physical and combined translations of one EPT pointer, or of all. */
void vmx_invept(u64 eptp);
void vmx_invept_all(void);

/* Drops this processor's linear and combined translations of all VPIDs; nothing to do without VPIDs. */
void vmx_invvpid_all(void);

#endif
