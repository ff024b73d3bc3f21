/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a VMCS that do not belong to the guest. */
#ifndef ARCH_X86_VMCS_SETUP_H
#define ARCH_X86_VMCS_SETUP_H

#include "arch/x86/vcpu.h"

/* Fills the control and host-state areas of the current VMCS for this vCPU on this processor. */
void vmcs_set_controls(const struct vcpu *vcpu);
void vmcs_set_host_state(void);

/* The primary controls again, after vcpu->windows or vcpu->debug.controls has changed. */
void vmcs_set_cpu_controls(const struct vcpu *vcpu);

#endif
