/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a vCPU stop executing instructions, and begin again: HLT, INIT, SIPI, interrupts, NMIs. SDM vol. 3, 9.4. */
#include "arch/x86/cpu.h"
#include "arch/x86/debug.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/vcpu.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "hv/lib/string.h"
#include "mm/atomic.h"

void vcpu_post_nmi(struct vcpu *vcpu)
{
    vcpu->nmi_waits = true;
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
}

void vcpu_init(struct vcpu *vcpu)
{
    vcpu_make_current(vcpu);
    debug_hide_slots(vcpu);
    u64 pat = vmcs_read(VMCS_GUEST_PAT);
    guest_state_reset();
    vmcs_write(VMCS_GUEST_PAT, pat); /* memory types survive INIT, as the MTRRs do (SDM vol. 3, table 10-1) */
    vcpu->flush_vpid = true;
    memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
    vcpu->gpr[RDX] = cpuid(1).eax; /* family, model, stepping */
    vcpu_switch_init_registers(vcpu);
    debug_show_slots(vcpu);
    atomic_and(&vcpu->requests, ~(u32)REQUEST_EVENT);
    vcpu->nmi_waits = false;
    vcpu->activity = vcpu->number == 0 ? VCPU_ACTIVE : VCPU_WAITS_FOR_SIPI;
    if (vcpu->number == 0 && !vmx_caps.unrestricted)
        vcpu_end(vcpu, GUEST_END_UNSUPPORTED, 0,
                 "it resets its first processor: that starts in real mode, and this processor has no unrestricted "
                 "guest mode");
}

void vcpu_start(struct vcpu *vcpu, u8 vector)
{
    const struct guest_start start = { .mode = START_REAL, .cs = (u16)(vector << 8) };

    if (vcpu->activity != VCPU_WAITS_FOR_SIPI)
        return;
    const char *lacks = vcpu_cannot_start(&start);
    if (lacks) {
        vcpu_end(vcpu, GUEST_END_UNSUPPORTED, 0, "it starts a processor: %s", lacks);
        return;
    }
    vcpu_make_current(vcpu);
    vmcs_write(VMCS_SEGMENT_SELECTOR(SEGMENT_CS), start.cs);
    vmcs_write(VMCS_SEGMENT_BASE(SEGMENT_CS), (u64)start.cs << 4);
    vmcs_write(VMCS_GUEST_RIP, 0);
    vcpu->activity = VCPU_ACTIVE;
}

void vcpu_wake_if_due(struct vcpu *vcpu)
{
    if (vcpu->activity == VCPU_ACTIVE || !(atomic_and(&vcpu->requests, ~(u32)REQUEST_INTERRUPT) & REQUEST_INTERRUPT))
        return;
    vcpu->ops->collect(vcpu);
    if (vcpu->activity == VCPU_HALTED && (vcpu->nmi_waits || (vcpu->interruptible && vcpu->ops->interrupt_waits(vcpu))))
        vcpu->activity = VCPU_ACTIVE;
    /* What interrupt_prepare() finds: an interrupt to deliver, or a local APIC that INIT has reset. */
    if (vcpu->activity == VCPU_ACTIVE)
        atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
}
