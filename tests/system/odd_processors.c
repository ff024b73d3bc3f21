/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat on a machine whose processors do not do as they should, for processors.t: the one with APIC ID 1 is not started when
 * it is its turn, but when the next one's turn has come; the one with APIC ID 3 is not like the others.
 */
#include "arch/x86/apic.h"
#include "arch/x86/vmx.h"
#include "hv/lib/format.h"

void __real_apic_send_startup(u32 id, hpa_t page);
void __wrap_apic_send_startup(u32 id, hpa_t page);
int __real_vmx_join(char reason[VMX_REASON_SIZE]);
int __wrap_vmx_join(char reason[VMX_REASON_SIZE]);

void __wrap_apic_send_startup(u32 id, hpa_t page)
{
    if (id == 1)
        return;
    if (id == 2) /* with the record of another one on offer */
        __real_apic_send_startup(1, page);
    __real_apic_send_startup(id, page);
}

int __wrap_vmx_join(char reason[VMX_REASON_SIZE])
{
    if (apic_id() == 3) {
        format_text(reason, VMX_REASON_SIZE, "it is odd");
        return -ENODEV;
    }
    return __real_vmx_join(reason);
}
