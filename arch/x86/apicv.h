/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * APIC virtualization: what the processor does with a guest's local APIC by itself, in the page with its registers, as far as it
 * can (vmx_caps): CR8 (TPR shadow); in x2APIC mode TPR, EOI, self IPIs and reads of registers; and the delivery of interrupts,
 * in either mode. The rest exits and is emulated, as all of it is where the processor has nothing of this.
 *
 * Not used are:
 * - "virtualize APIC accesses" (xAPIC mode). The guest's page at 0xfee00000 would have to be a frame that all its processors
 *   share, never moved, copied or logged, and gone for each that leaves xAPIC mode, with EPT tables that are common to all.
 * - posted interrupts: the processor would not note the trigger mode of what it takes, which may be another than last time.
 *
 * SDM vol. 3, chapter 31 "APIC Virtualization and Virtual Interrupts".
 */
#ifndef ARCH_X86_APICV_H
#define ARCH_X86_APICV_H

#include "arch/x86/vcpu.h"

/* Fills the fields of the current VMCS, which is new. */
void apicv_set_controls(const struct vcpu *vcpu);

/*
 * Before an entry, after the local APIC may have changed by more than the processor's own doing: interrupt status, EOI exits, TPR
 * threshold, MSRs. The vCPU is current. `holds`: interrupts are not to be delivered for now.
 */
void apicv_prepare(struct vcpu *vcpu, bool holds);

#endif
