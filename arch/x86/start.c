/* SPDX-License-Identifier: BSD-2-Clause */
/* See start.h. */
#include "arch/x86/start.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/delay.h"
#include "arch/x86/firmware.h"
#include "arch/x86/gdt.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/host_timer.h"
#include "arch/x86/irq.h"
#include "arch/x86/itlb_multihit.h"
#include "arch/x86/machine.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/panic.h"
#include "arch/x86/processor.h"
#include "arch/x86/processor_join.h"
#include "arch/x86/processor_start.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "mm/frame.h"

static const u32 CPUID_EDX_ARCH_CAPS = 1u << 29; /* leaf 7 */

static u64 rsdp, tsc_hz;

static void report_vmcs(void)
{
    if (vmcs_read_safe(VMCS_HOST_RIP)) {
        log_line("VMCS (fields that are 0 are left out):");
        vmcs_dump();
    }
}

void arch_start_early(const struct boot_info *info)
{
    struct processor *processor = processor_at(0);

    cpu_tables_make_first(&processor->tables);
    cpu_tables_load(&processor->tables);
    processor_set_self(processor);
    paging_init();
    firmware_init(info);
    delay_init(info->tsc_hz);
    rsdp = info->rsdp;
    tsc_hz = info->tsc_hz;
}

static u32 highest_apic_id(void)
{
    const struct madt *madt = machine_madt();
    u32 highest = 0;

    for (unsigned i = 0; i < madt->processor_count; i++)
        highest = madt->apic_ids[i] > highest ? madt->apic_ids[i] : highest;
    return highest;
}

int arch_start(struct mm_caps *caps, char reason[VMX_REASON_SIZE])
{
    struct paging_audit audit = paging_check_wx();

    if (audit.writable_executable) {
        panic("%llu pages are writable and executable, the first at %#llx",
              (unsigned long long)audit.writable_executable, (unsigned long long)audit.first_offender);
    }
    processor_unlimit_cpuid();
    processor_at(0)->apic_id = apic_id();
    machine_read(rsdp);
    apic_start(highest_apic_id());
    irq_start();
    host_timer_start();
    vcpu_switch_init();
    int error = frame_alloc(0, FRAME_CONTROL, &processor_at(0)->vmxon_region);
    if (error) {
        format_text(reason, VMX_REASON_SIZE, "no memory for the VMXON region");
        return error;
    }
    error = vmx_start(reason);
    if (error)
        return error;
    processor_join_init();
    guest_features_init(tsc_hz);
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
    processors_stop();
    vcpu_make_current(NULL);
    vmx_stop();
}
