/* SPDX-License-Identifier: BSD-2-Clause */
/* Access to the current VMCS, and the VMX instructions around it. SDM vol. 3, chapter 31 "VMX Instruction Reference". */
#ifndef ARCH_X86_VMCS_H
#define ARCH_X86_VMCS_H

#include "arch/x86/vmcs_fields.h"
#include "arch/x86/vmcs_names.h"
#include "mm/types.h"

_Noreturn void vmcs_access_failed(enum vmcs_field which, const char *what);

/* A field of the current VMCS. A field that the processor does not have is a bug of slat: panic. */
static inline u64 vmcs_read(enum vmcs_field field)
{
    u64 value;
    bool failed;
    __asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=rm"(value) : "r"((u64)field) : "memory");
    if (__builtin_expect(failed, 0))
        vmcs_access_failed(field, "VMREAD");
    return value;
}

static inline void vmcs_write(enum vmcs_field field, u64 value)
{
    bool failed;
    __asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "rm"(value), "r"((u64)field) : "memory");
    if (__builtin_expect(failed, 0))
        vmcs_access_failed(field, "VMWRITE");
}

/* As vmcs_read, but 0 for a field that is not there or when there is no current VMCS: for reports. */
u64 vmcs_read_safe(enum vmcs_field field);

void vmcs_clear(hpa_t vmcs);
void vmcs_load(hpa_t vmcs);

/* Prints the current VMCS: for panic reports and entry failures. */
void vmcs_dump(void);

#endif
