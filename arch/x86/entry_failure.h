/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a VM entry failed. The processor says only "invalid guest state"; this repeats its checks and names the field.
 */
#ifndef ARCH_X86_ENTRY_FAILURE_H
#define ARCH_X86_ENTRY_FAILURE_H

#include "arch/x86/vcpu.h"
#include "arch/x86/vmcs_fields.h"

struct vmx_caps;

/* Ends the guest with the reason. `exit_reason`: the basic one of an entry-failure exit; 0 after a VMfail. VMCS current. */
void entry_failure_report(struct vcpu *vcpu, u32 exit_reason);

/* A VMCS to be checked: the current one, or the values of a test. */
struct vmcs_source {
    u64 (*read)(void *context, enum vmcs_field field);
    void *context;
};

struct entry_fault {
    enum vmcs_field field;
    const char *rule; /* what is wrong with it */
};

/* The checks on guest state of SDM vol. 3, 27.3.1, in its order. True: *fault names the first field that violates one. */
bool entry_check_guest_state(const struct vmcs_source *vmcs, const struct vmx_caps *caps, struct entry_fault *fault);

#endif
