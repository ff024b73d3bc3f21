/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page-modification logging: the processor notes the guest-physical address of each page whose D bit it sets, as long as
 * something of the guest is logged (mm/dirty_log.h). SDM vol. 3, 29.3.6 "Page-Modification Logging". Only with vmx_caps.pml.
 */
#ifndef ARCH_X86_PML_H
#define ARCH_X86_PML_H

#include "arch/x86/vcpu.h"

/* On or off from the next entry on. The vCPU is current, and what was logged has been drained. */
void pml_switch(struct vcpu *vcpu, bool on);

/* After an exit, before vcpu_memory_leave(): gives the memory core what was logged. */
void pml_drain(struct vcpu *vcpu);

#endif
