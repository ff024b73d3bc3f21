/* SPDX-License-Identifier: BSD-2-Clause */
/* VM exits: from the reason to its handler. */
#ifndef ARCH_X86_EXIT_H
#define ARCH_X86_EXIT_H

#include "arch/x86/exit_reasons.h"
#include "arch/x86/vcpu.h"

/* What follows an exit handler. */
enum exit_action {
    EXIT_STAY,  /* RIP as it is: the instruction is executed again, an event is delivered, or the guest has ended */
    EXIT_NEXT,  /* the instruction is done: RIP moves behind it */
    EXIT_AGAIN, /* one iteration of a repeated instruction is done, and more follow: RIP as it is */
};

/* Handles the exit that the current VMCS describes. */
void exit_dispatch(struct vcpu *vcpu, u32 reason);

/* Once, for the current vCPU: before its first exit. */
void exit_quick_init(struct vcpu *vcpu);

/*
 * An MSR that is the vCPU's own, not the machine's around it: nothing changes by reading it. -ENOENT: there is no such MSR;
 * -EINVAL: it cannot be read.
 */
int exit_msr_read(const struct vcpu *vcpu, u32 msr, u64 *value);

/* #GP(0) at the instruction that caused the exit. */
enum exit_action exit_general_protection(struct vcpu *vcpu);

/* A general register as MOV to and from control and debug registers has it. */
u64 exit_gpr_read(const struct vcpu *vcpu, unsigned n);
void exit_gpr_write(struct vcpu *vcpu, unsigned n, u64 value);

/* Handlers with files of their own. */
enum exit_action exit_cr_access(struct vcpu *vcpu);
enum exit_action exit_mov_dr(struct vcpu *vcpu);
enum exit_action exit_io(struct vcpu *vcpu);
enum exit_action exit_rdmsr(struct vcpu *vcpu);
enum exit_action exit_wrmsr(struct vcpu *vcpu);
enum exit_action exit_exception_or_nmi(struct vcpu *vcpu);
enum exit_action exit_ept_violation(struct vcpu *vcpu);
enum exit_action exit_tpr_below_threshold(struct vcpu *vcpu);
enum exit_action exit_virtualized_eoi(struct vcpu *vcpu);
enum exit_action exit_apic_write(struct vcpu *vcpu);

/* An EPT violation with this qualification at an address where the guest has device registers. */
enum exit_action exit_mmio(struct vcpu *vcpu, gpa_t gpa, u64 qualification);

#endif
