/* SPDX-License-Identifier: BSD-2-Clause */
/* See interrupt.h. SDM vol. 3, 27.6 "Event Injection", 27.7.5 "Interrupt-Window Exiting and Virtual-Interrupt Delivery". */
#include "arch/x86/interrupt.h"

#include "arch/x86/apicv.h"
#include "arch/x86/cpu.h"
#include "arch/x86/event.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmcs_setup.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"

/* After an instruction that shadows interrupts, NMIs wait too: some processors want it so at entry (SDM vol. 3, 27.3.1.5). */
static bool nmi_possible(const struct vcpu *vcpu, u64 blocking)
{
    return !(vcpu->requests & REQUEST_EVENT) && !(blocking & (BLOCKING_BY_STI_MOV_SS | BLOCKING_BY_NMI));
}

static bool interrupt_possible(const struct vcpu *vcpu, u64 blocking)
{
    return !(vcpu->requests & REQUEST_EVENT) && !(blocking & BLOCKING_BY_STI_MOV_SS) &&
           (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
}

/* The exits that come as soon as an NMI, or an interrupt, can be delivered. */
static void set_windows(struct vcpu *vcpu, u32 windows)
{
    if (vcpu->windows == windows)
        return;
    vcpu->windows = windows;
    vmcs_set_cpu_controls(vcpu);
}

/* An interrupt that has to be injected. Those of the local APIC are delivered by the processor where it can do so. */
static bool waits(struct vcpu *vcpu)
{
    return vmx_caps.virtual_interrupts ? vcpu->ops->extint_waits(vcpu) : vcpu->ops->interrupt_waits(vcpu);
}

void interrupt_prepare(struct vcpu *vcpu)
{
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    u32 windows = 0;

    if (vcpu->debug.holds_interrupts) { /* debug_go() asks for them */
        set_windows(vcpu, 0);
        apicv_prepare(vcpu, true);
        return;
    }
    if (vcpu->nmi_waits && nmi_possible(vcpu, blocking)) {
        vcpu->nmi_waits = false;
        event_nmi(vcpu);
    }
    if (waits(vcpu) && interrupt_possible(vcpu, blocking))
        event_interrupt(vcpu, vcpu->ops->interrupt_take(vcpu));
    /*
     * The NMI window does not have to wait for the end of STI's shadow (SDM vol. 3, 26.2): it could exit again and again before
     * the same instruction. The interrupt window does, and interrupts are on there.
     */
    if (vcpu->nmi_waits)
        windows |= blocking & BLOCKING_BY_STI ? CPU_INTERRUPT_WINDOW : CPU_NMI_WINDOW;
    if (waits(vcpu))
        windows |= CPU_INTERRUPT_WINDOW;
    set_windows(vcpu, windows);
    apicv_prepare(vcpu, false);
}

void interrupt_reblock_nmi(u64 qualification)
{
    /* During the delivery of an event the bit is undefined, and what is blocked is right already. */
    if (!(qualification & QUALIFICATION_NMI_UNBLOCKED) || (vmcs_read(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID))
        return;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
}
