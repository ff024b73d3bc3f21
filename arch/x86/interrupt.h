/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts and NMIs for a guest: which of them its next entry delivers, and how slat comes back as soon as one can be delivered
 * that has to wait. What waits is the local APIC's knowledge (vcpu_ops), and vcpu->nmi_waits.
 */
#ifndef ARCH_X86_INTERRUPT_H
#define ARCH_X86_INTERRUPT_H

#include "arch/x86/vcpu.h"

/* Before an entry, when something may have come or become possible. The vCPU is active and current. */
void interrupt_prepare(struct vcpu *vcpu);

/*
 * After an exit in whose qualification (or interruption information) bit 12 says that an IRET had unblocked NMIs when it faulted,
 * and will be executed again: they are blocked until then. SDM vol. 3, 28.2.3.
 */
void interrupt_reblock_nmi(u64 qualification);

#endif
