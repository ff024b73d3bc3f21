/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCS access that is not inline, and the texts about it. */
#include "arch/x86/vmcs.h"

#include "arch/x86/panic.h"
#include "hv/lib/log.h"

_Noreturn void vmcs_access_failed(enum vmcs_field which, const char *what)
{
    panic("%s of VMCS field %#x (%s) failed, VM-instruction error %llu", what, (unsigned)which, vmcs_field_name(which),
          (unsigned long long)vmcs_read_safe(VMCS_VM_INSTRUCTION_ERROR));
}

u64 vmcs_read_safe(enum vmcs_field field)
{
    u64 value;
    bool failed;

    __asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=rm"(value) : "r"((u64)field) : "memory");
    return failed ? 0 : value;
}

void vmcs_clear(hpa_t vmcs)
{
    bool failed;

    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs.v) : "memory");
    if (failed)
        panic("VMCLEAR of %#llx failed", (unsigned long long)vmcs.v);
}

void vmcs_load(hpa_t vmcs)
{
    bool failed;

    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs.v) : "memory");
    if (failed)
        panic("VMPTRLD of %#llx failed", (unsigned long long)vmcs.v);
}

void vmcs_dump(void)
{
    static const struct {
        enum vmcs_field field;
        const char *name;
    } fields[] = {
#define VMCS_ENTRY(name, encoding) { VMCS_##name, #name },
        VMCS_GUEST_FIELDS(VMCS_ENTRY) VMCS_CONTROL_FIELDS(VMCS_ENTRY) VMCS_EXIT_FIELDS(VMCS_ENTRY)
#undef VMCS_ENTRY
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        u64 value = vmcs_read_safe(fields[i].field);
        if (value) /* zeros say nothing, and there are many */
            log_line("  %-30s %#llx", fields[i].name, (unsigned long long)value);
    }
}
