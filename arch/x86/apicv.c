/* SPDX-License-Identifier: BSD-2-Clause */
/* See apicv.h. */
#include "arch/x86/apicv.h"

#include "arch/x86/apicv_rules.h"
#include "arch/x86/exit.h"
#include "arch/x86/msr.h"
#include "arch/x86/msr_bitmap.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"
#include "mm/atomic.h"

static void set_eoi_exits(const u64 bitmap[4])
{
    for (unsigned i = 0; i < 4; i++)
        vmcs_write((enum vmcs_field)(VMCS_EOI_EXIT_BITMAP0 + 2 * i), bitmap[i]);
}

void apicv_set_controls(const struct vcpu *vcpu)
{
    static const u64 none[4];

    if (!vmx_caps.tpr_shadow)
        return;
    vmcs_write(VMCS_VIRTUAL_APIC_ADDRESS, pfn_to_hpa(vcpu->apic_page).v);
    vmcs_write(VMCS_TPR_THRESHOLD, 0);
    if (!vmx_caps.virtual_interrupts)
        return;
    set_eoi_exits(none);
    vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, 0);
}

/* The MSRs that pass, and the control that makes them the page's: without it the guest had the machine's local APIC. */
static void set_msrs(struct vcpu *vcpu, const struct vcpu_apic *apic)
{
    enum apicv_msrs msrs = !apic->is_enabled || !apic->is_x2apic ? APICV_MSRS_EXIT
                           : apic->accepts                       ? APICV_MSRS_PASS
                                                                 : APICV_MSRS_PASS_DEAF;

    if (!vmx_caps.virtual_x2apic || vcpu->apicv_msrs == msrs)
        return;
    vcpu->apicv_msrs = msrs;
    for (u32 n = 0; n <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST; n++) {
        struct apicv_msr passes = apicv_msr(apic, &vmx_caps, (u8)n);
        msr_bitmap_pass(vcpu->msr_bitmap, MSR_X2APIC_FIRST + n, passes.reads, passes.writes);
    }
    u64 controls = vmcs_read(VMCS_SECONDARY_PROCESSOR_CONTROLS) & ~(u64)CPU2_VIRTUAL_X2APIC;
    vmcs_write(VMCS_SECONDARY_PROCESSOR_CONTROLS, controls | (msrs == APICV_MSRS_EXIT ? 0 : CPU2_VIRTUAL_X2APIC));
}

static void prepare_interrupts(struct vcpu *vcpu, const struct vcpu_apic *apic, bool holds)
{
    u64 bitmap[4];

    vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, apicv_interrupt_status(apic, holds));
    if (!vcpu->eoi_exits_changed)
        return;
    vcpu->eoi_exits_changed = false;
    vcpu->ops->apic_eoi_exits(vcpu, bitmap);
    set_eoi_exits(bitmap);
}

void apicv_prepare(struct vcpu *vcpu, bool holds)
{
    struct vcpu_apic apic;

    if (!vmx_caps.tpr_shadow)
        return;
    vcpu->ops->apic_look(vcpu, &apic);
    set_msrs(vcpu, &apic);
    if (vmx_caps.virtual_interrupts)
        prepare_interrupts(vcpu, &apic, holds);
    else
        vmcs_write(VMCS_TPR_THRESHOLD, holds ? 0 : apicv_tpr_threshold(&apic));
}

/* The exits below come when the instruction is done. */

enum exit_action exit_tpr_below_threshold(struct vcpu *vcpu)
{
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
    return EXIT_STAY;
}

enum exit_action exit_virtualized_eoi(struct vcpu *vcpu)
{
    vcpu->ops->apic_ended(vcpu, (u8)vmcs_read(VMCS_EXIT_QUALIFICATION));
    return EXIT_STAY;
}

enum exit_action exit_apic_write(struct vcpu *vcpu)
{
    vcpu->ops->apic_wrote(vcpu, (u32)vmcs_read(VMCS_EXIT_QUALIFICATION) & 0xff0);
    return EXIT_STAY;
}
