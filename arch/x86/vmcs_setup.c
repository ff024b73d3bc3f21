/* SPDX-License-Identifier: BSD-2-Clause */
/* Controls and host state of a VMCS. SDM vol. 3, 25.5 to 25.8. */
#include "arch/x86/vmcs_setup.h"

#include "arch/x86/apicv.h"
#include "arch/x86/cpu.h"
#include "arch/x86/gdt.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/idt.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"
#include "mm/vm_memory.h"

extern const char vmx_exit[]; /* run.nasm */

/*
 * A guest's processor that waits for another one, at CPL 0, executes PAUSE again and again; it exits when it has done so for this
 * many ticks of the TSC, with never more than the gap between two. Much longer than a lock is held by a processor that runs.
 */
enum { PAUSE_LOOP_GAP = 128, PAUSE_LOOP_WINDOW = 4096 };

static u32 secondary_controls(const struct vcpu *vcpu)
{
    u32 controls = vmx_caps.cpu2;

    if (!guest_has_rdtscp())
        controls &= ~CPU2_RDTSCP;
    if (!vcpu->vpid)
        controls &= ~CPU2_VPID;
    return controls; /* INVPCID and XSAVES are not among them: hidden from guests, they raise #UD */
}

void vmcs_set_cpu_controls(const struct vcpu *vcpu)
{
    vmcs_write(VMCS_PROCESSOR_BASED_CONTROLS, vmx_caps.cpu | vcpu->windows | vcpu->debug.controls);
}

void vmcs_set_controls(const struct vcpu *vcpu)
{
    u32 secondary = secondary_controls(vcpu);

    vmcs_write(VMCS_PIN_BASED_CONTROLS, vmx_caps.pin);
    vmcs_set_cpu_controls(vcpu);
    vmcs_write(VMCS_SECONDARY_PROCESSOR_CONTROLS, secondary);
    vmcs_write(VMCS_VM_EXIT_CONTROLS, vmx_caps.exit);
    vmcs_write(VMCS_VM_ENTRY_CONTROLS, vmx_caps.entry);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC);
    vmcs_write(VMCS_PAGE_FAULT_ERROR_CODE_MASK, 0);
    vmcs_write(VMCS_PAGE_FAULT_ERROR_CODE_MATCH, 0);
    vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
    vmcs_write(VMCS_VM_EXIT_MSR_STORE_COUNT, 0);
    vmcs_write(VMCS_VM_EXIT_MSR_LOAD_COUNT, 0);
    vmcs_write(VMCS_VM_ENTRY_MSR_LOAD_COUNT, 0);
    vmcs_write(VMCS_VM_ENTRY_INTERRUPTION_INFO, 0);
    vmcs_write(VMCS_MSR_BITMAPS, pfn_to_hpa(vcpu->msr_bitmap).v);
    vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
    vmcs_write(VMCS_EPT_POINTER, vmx_eptp(vm_memory_root(vcpu->memory), vmx_caps.ept_levels));
    if (secondary & CPU2_VPID)
        vmcs_write(VMCS_VPID, vcpu->vpid);
    if (vmx_caps.pml)
        vmcs_write(VMCS_PML_ADDRESS, pfn_to_hpa(vcpu->pml).v);
    if (secondary & CPU2_PAUSE_LOOP) {
        vmcs_write(VMCS_PLE_GAP, PAUSE_LOOP_GAP);
        vmcs_write(VMCS_PLE_WINDOW, PAUSE_LOOP_WINDOW);
    }
    if (secondary & CPU2_ENCLS)
        vmcs_write(VMCS_ENCLS_EXITING_BITMAP, ~0ull);
    apicv_set_controls(vcpu);
}

void vmcs_set_host_state(void)
{
    vmcs_write(VMCS_HOST_CR0, cr0_read());
    vmcs_write(VMCS_HOST_CR3, paging_root().v);
    vmcs_write(VMCS_HOST_CR4, cr4_read());
    vmcs_write(VMCS_HOST_CS, SELECTOR_CODE);
    vmcs_write(VMCS_HOST_SS, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_DS, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_ES, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_FS, 0);
    vmcs_write(VMCS_HOST_GS, 0);
    vmcs_write(VMCS_HOST_TR, SELECTOR_TSS);
    vmcs_write(VMCS_HOST_FS_BASE, rdmsr(MSR_FS_BASE));
    vmcs_write(VMCS_HOST_GS_BASE, rdmsr(MSR_GS_BASE));
    vmcs_write(VMCS_HOST_TR_BASE, tss_base());
    vmcs_write(VMCS_HOST_GDTR_BASE, gdt_base());
    vmcs_write(VMCS_HOST_IDTR_BASE, idt_base());
    vmcs_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmcs_write(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
    vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
    vmcs_write(VMCS_HOST_RIP, (u64)vmx_exit);
}
