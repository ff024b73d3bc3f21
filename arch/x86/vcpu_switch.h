/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a vCPU current on this processor: its VMCS and the registers that neither the VMCS nor run.nasm switches. */
#ifndef ARCH_X86_VCPU_SWITCH_H
#define ARCH_X86_VCPU_SWITCH_H

#include "arch/x86/vcpu.h"

/*
 * Finds out which extended state guests may use, and turns it on for the hypervisor's own XSAVE. On the boot processor, before
 * any vCPU; and the same state on another processor.
 */
void vcpu_switch_init(void);
void vcpu_switch_join(void);

/* The XCR0 bits that a guest may set; 0: no XSAVE. And the size of the save area in bytes. */
u64 guest_xcr0_allowed(void);
u32 guest_xsave_size(void);

/* Puts the vCPU's extended state, debug registers and MSRs to what they are after INIT. Its xsave area is there. */
void vcpu_switch_reset(struct vcpu *vcpu);

/* The debug registers and CR2 as after INIT, in the current vCPU and in the processor. */
void vcpu_switch_init_registers(struct vcpu *vcpu);

/* The four addresses in the processor: of the current vCPU. */
void debug_addresses_read(u64 dr[4]);
void debug_addresses_write(const u64 dr[4]);

/* After it the processor holds this vCPU's state; the one that was current before is saved. NULL: none is current. */
void vcpu_make_current(struct vcpu *vcpu);

/* NULL: none. */
struct vcpu *vcpu_current(void);

bool vcpu_is_current(const struct vcpu *vcpu);

#endif
