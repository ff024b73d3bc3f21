/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of VMCS fields and of VM-instruction errors. Pure; linked by the host tests too. */
#include "arch/x86/vmcs_names.h"
#include "arch/x86/exit_reasons.h"
#include "arch/x86/vmcs_fields.h"

const char *vmcs_field_name(enum vmcs_field field)
{
    switch (field) {
#define VMCS_CASE(name, encoding) \
    case encoding:                \
        return #name;
        VMCS_FIELDS(VMCS_CASE)
#undef VMCS_CASE
    }
    return "?";
}

const char *vm_instruction_error_name(unsigned error)
{
    static const char *const names[] = {
        [1] = "VMCALL executed in VMX root operation",
        [2] = "VMCLEAR with invalid physical address",
        [3] = "VMCLEAR with VMXON pointer",
        [4] = "VMLAUNCH with non-clear VMCS",
        [5] = "VMRESUME with non-launched VMCS",
        [6] = "VMRESUME after VMXOFF",
        [7] = "VM entry with invalid control field(s)",
        [8] = "VM entry with invalid host-state field(s)",
        [9] = "VMPTRLD with invalid physical address",
        [10] = "VMPTRLD with VMXON pointer",
        [11] = "VMPTRLD with incorrect VMCS revision identifier",
        [12] = "VMREAD/VMWRITE from/to unsupported VMCS component",
        [13] = "VMWRITE to read-only VMCS component",
        [15] = "VMXON executed in VMX root operation",
        [16] = "VM entry with invalid executive-VMCS pointer",
        [17] = "VM entry with non-launched executive VMCS",
        [18] = "VM entry with executive-VMCS pointer not VMXON pointer",
        [19] = "VMCALL with non-clear VMCS",
        [20] = "VMCALL with invalid VM-exit control fields",
        [22] = "VMCALL with incorrect MSEG revision identifier",
        [23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
        [24] = "VMCALL with invalid SMM-monitor features",
        [25] = "VM entry with invalid VM-execution control fields in executive VMCS",
        [26] = "VM entry with events blocked by MOV SS",
        [28] = "invalid operand to INVEPT/INVVPID",
    };

    if (error >= sizeof(names) / sizeof(names[0]) || !names[error])
        return "unknown VM-instruction error";
    return names[error];
}

const char *exit_reason_name(unsigned reason)
{
    static const char *const names[] = {
#define EXIT_NAME(name, number) [number] = #name,
        EXIT_REASONS(EXIT_NAME)
#undef EXIT_NAME
    };

    return reason < sizeof(names) / sizeof(names[0]) && names[reason] ? names[reason] : "?";
}
