/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a debugger outside of the guest does with a vCPU: breakpoint instructions that exit, single steps by the monitor trap
 * flag, and the debug-address registers. A vCPU that comes upon something calls vcpu_ops.stopped(), and vcpu_run() returns. One
 * that no debugger has anything to do with has none of these exits.
 *
 * SDM vol. 3, 26.5.2 "Monitor Trap Flag", 19.2 "Debug Registers".
 */
#ifndef ARCH_X86_DEBUG_H
#define ARCH_X86_DEBUG_H

#include "arch/x86/vcpu.h"

/*
 * For a vCPU whose task is not in vcpu_run(): its whole state is in its VMCS and in this processor, between the two. Another
 * vCPU may be current before, and is so afterwards.
 */
struct vcpu *debug_borrow(struct vcpu *vcpu);
void debug_give_back(struct vcpu *vcpu, struct vcpu *before);

/* ---- for a borrowed vCPU */

/* Whether breakpoint instructions exit. */
void debug_attach(struct vcpu *vcpu, bool attached);

/* Before it runs again: one instruction, and then it stops; or until it comes upon something. */
void debug_go(struct vcpu *vcpu, bool step);

/* Four addresses, and DR7 that says what they are for, of which the bits of `used` are; 0: none, the guest has its own again. */
struct debug_slots {
    u64 address[4], dr7;
    u8 used;
};
void debug_set_slots(struct vcpu *vcpu, const struct debug_slots *slots);

/*
 * RIP and RFLAGS have other values than before. 0; -EBUSY: an interrupt is about to be delivered, which cannot be done with this
 * RFLAGS: nothing is changed. The values are such that VM entry takes them.
 */
int debug_set_rip_and_flags(struct vcpu *vcpu, u64 rip, u64 rflags);

/* ---- for the files of arch/x86 */

/* While they are hidden, the debug registers of the current vCPU are its guest's. */
void debug_hide_slots(struct vcpu *vcpu);
void debug_show_slots(struct vcpu *vcpu);

/* At a breakpoint instruction: whether it is the debugger's. Then the vCPU stops. */
bool debug_breakpoint(struct vcpu *vcpu);

/* Of the causes of a #DB, in the form of DR6, those that are the guest's. For the others the vCPU stops. */
u64 debug_filter_causes(struct vcpu *vcpu, u64 causes);

/* An instruction is over, in the processor or by an exit handler: a vCPU that steps stops. */
void debug_end_step(struct vcpu *vcpu);
static inline void debug_end_instruction(struct vcpu *vcpu)
{
    if (vcpu->debug.controls)
        debug_end_step(vcpu);
}

#endif
