/* SPDX-License-Identifier: BSD-2-Clause */
/* See start.h. */
#include "arch/x86/start.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/firmware.h"
#include "arch/x86/fixup.h"
#include "arch/x86/gdt.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/itlb_multihit.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/panic.h"
#include "arch/x86/processor.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "hv/lib/log.h"

static const u32 CPUID_EDX_ARCH_CAPS = 1u << 29; /* leaf 7 */

static void report_vmcs(void)
{
    if (vmcs_read_safe(VMCS_HOST_RIP)) {
        log_line("VMCS (fields that are 0 are left out):");
        vmcs_dump();
    }
}

/* A firmware option for very old systems makes CPUID end at leaf 3; XSAVE's sizes are in leaf 13. */
static void unlimit_cpuid(void)
{
    u64 misc_enable;

    if (rdmsr_safe(MSR_MISC_ENABLE, &misc_enable) == 0 && (misc_enable & MISC_ENABLE_LIMIT_CPUID))
        wrmsr(MSR_MISC_ENABLE, misc_enable & ~MISC_ENABLE_LIMIT_CPUID);
}

void arch_start_early(const struct boot_info *info)
{
    cpu_tables_init();
    processor_set_self(processor_at(0));
    paging_init();
    firmware_init(info);
}

int arch_start(struct mm_caps *caps, char reason[VMX_REASON_SIZE])
{
    struct paging_audit audit = paging_check_wx();

    if (audit.writable_executable) {
        panic("%llu pages are writable and executable, the first at %#llx",
              (unsigned long long)audit.writable_executable, (unsigned long long)audit.first_offender);
    }
    apic_silence();
    unlimit_cpuid();
    vcpu_switch_init();
    int error = vmx_start(reason);
    if (error)
        return error;
    guest_features_init();
    panic_add_report(report_vmcs); /* VMREAD works from here on */
    *caps = (struct mm_caps){
        .page_2m = vmx_caps.page_2m,
        .page_1g = vmx_caps.page_1g,
        .access_dirty = vmx_caps.access_dirty,
        .execute_only = vmx_caps.execute_only,
        .log_modifications = vmx_caps.pml,
        .levels = vmx_caps.ept_levels,
        .physical_bits = vmx_caps.physical_bits,
    };
    return 0;
}

bool arch_needs_nx_large(void)
{
    bool has_arch_caps = cpuid(0).eax >= 7 && (cpuid_count(7, 0).edx & CPUID_EDX_ARCH_CAPS);
    u64 arch_caps = has_arch_caps ? rdmsr(MSR_ARCH_CAPABILITIES) : 0;

    return itlb_multihit_affected_signature(cpuid(1).eax, has_arch_caps, arch_caps);
}

void arch_stop(void)
{
    vcpu_make_current(NULL);
    vmx_stop();
}
