/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports of failed VM entries: see entry_failure.h. The checks themselves are in entry_check.c. */
#include "arch/x86/entry_failure.h"

#include "arch/x86/exit.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"

static u64 read_current(void *context, enum vmcs_field field)
{
    return vmcs_read_safe(field);
}

void entry_failure_report(struct vcpu *vcpu, u32 exit_reason)
{
    const struct vmcs_source vmcs = { read_current, NULL };
    struct entry_fault fault;

    if (exit_reason == 0) {
        u32 error = (u32)vmcs_read_safe(VMCS_VM_INSTRUCTION_ERROR);
        vcpu_end(vcpu, GUEST_END_ENTRY_FAILURE, 0, "VM entry failed: VM-instruction error %u, %s", error,
                 vm_instruction_error_name(error));
        return;
    }
    if (exit_reason == EXIT_REASON_INVALID_GUEST_STATE && entry_check_guest_state(&vmcs, &vmx_caps, &fault)) {
        vcpu_end(vcpu, GUEST_END_ENTRY_FAILURE, 0, "VM entry failed: invalid guest state: %s (%#x) = %#llx: %s",
                 vmcs_field_name(fault.field), (unsigned)fault.field, (unsigned long long)vmcs_read(fault.field),
                 fault.rule);
        return;
    }
    vcpu_end(vcpu, GUEST_END_ENTRY_FAILURE, 0, "VM entry failed: %s, qualification %#llx",
             exit_reason_name(exit_reason), (unsigned long long)vmcs_read(VMCS_EXIT_QUALIFICATION));
}
