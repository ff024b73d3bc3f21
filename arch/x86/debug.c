/* SPDX-License-Identifier: BSD-2-Clause */
/* See debug.h. */
#include "arch/x86/debug.h"

#include "arch/x86/cpu.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/guest_walk.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmcs_setup.h"
#include "arch/x86/vmx_controls.h"
#include "hv/lib/string.h"
#include "mm/atomic.h"

struct vcpu *debug_borrow(struct vcpu *vcpu)
{
    struct vcpu *before = vcpu_current();

    vcpu_make_current(vcpu);
    return before;
}

void debug_give_back(struct vcpu *vcpu, struct vcpu *before)
{
    vcpu_unload(vcpu); /* it may run on another processor */
    vcpu_make_current(before == vcpu ? NULL : before);
}

static void set_controls(struct vcpu *vcpu, u32 controls)
{
    if (vcpu->debug.controls == controls)
        return;
    vcpu->debug.controls = controls;
    vmcs_set_cpu_controls(vcpu);
}

void debug_attach(struct vcpu *vcpu, bool attached)
{
    u64 bitmap = vmcs_read(VMCS_EXCEPTION_BITMAP) & ~(1ull << VECTOR_BP);

    vmcs_write(VMCS_EXCEPTION_BITMAP, bitmap | (attached ? 1ull << VECTOR_BP : 0));
}

/*
 * A step is one instruction of the code that the person looks at: interrupts wait until it is over, unless it is for one that
 * the vCPU is halted.
 */
void debug_go(struct vcpu *vcpu, bool step)
{
    set_controls(vcpu, (vcpu->debug.controls & ~CPU_MONITOR_TRAP) | (step ? CPU_MONITOR_TRAP : 0));
    vcpu->debug.holds_interrupts = step && vcpu->activity == VCPU_ACTIVE;
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT); /* what has waited meanwhile */
}

/* Nothing is delivered any more: the registers stay what they are at this instruction. */
static void stop(struct vcpu *vcpu, enum debug_stop why, u8 slots)
{
    set_controls(vcpu, vcpu->debug.controls & ~CPU_MONITOR_TRAP);
    vcpu->debug.holds_interrupts = true;
    vcpu->ops->stopped(vcpu, why, slots);
}

/* ---- the guest's debug registers, and the debugger's in their place */

/* Hits of the slots that wait for the next instruction boundary are nothing for the guest. */
static void forget_pending_hits(void)
{
    u64 pending = vmcs_read(VMCS_GUEST_PENDING_DEBUG);

    if (!(pending & DR6_BREAKPOINTS))
        return;
    pending &= ~DR6_BREAKPOINTS;
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, pending & PENDING_SINGLE_STEP ? pending : pending & ~PENDING_ENABLED);
}

void debug_hide_slots(struct vcpu *vcpu)
{
    struct vcpu_debug *debug = &vcpu->debug;

    if (!debug->used)
        return;
    debug_addresses_write(debug->guest_dr);
    vmcs_write(VMCS_GUEST_DR7, debug->guest_dr7);
    forget_pending_hits();
}

void debug_show_slots(struct vcpu *vcpu)
{
    struct vcpu_debug *debug = &vcpu->debug;

    if (!debug->used)
        return;
    debug_addresses_read(debug->guest_dr);
    debug->guest_dr7 = vmcs_read(VMCS_GUEST_DR7);
    debug_addresses_write(debug->dr);
    vmcs_write(VMCS_GUEST_DR7, debug->dr7);
}

void debug_set_slots(struct vcpu *vcpu, const struct debug_slots *slots)
{
    struct vcpu_debug *debug = &vcpu->debug;

    debug_hide_slots(vcpu);
    memcpy(debug->dr, slots->address, sizeof(debug->dr));
    debug->dr7 = slots->dr7;
    debug->used = slots->used;
    debug_show_slots(vcpu);
    set_controls(vcpu, (debug->controls & ~CPU_MOV_DR) | (slots->used ? CPU_MOV_DR : 0));
}

/* ---- registers */

/* An exception, or INT n, belongs to the instruction that raised it; interrupts and NMIs come wherever the vCPU is. */
static bool is_of_instruction(u32 info)
{
    u32 type = info & INTERRUPTION_TYPE;

    return type != INTERRUPTION_EXTERNAL && type != INTERRUPTION_NMI;
}

int debug_set_rip_and_flags(struct vcpu *vcpu, u64 rip, u64 rflags)
{
    bool moves = rip != vmcs_read(VMCS_GUEST_RIP);
    u64 interruptibility = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    if ((vcpu->requests & REQUEST_EVENT) && (vcpu->event_info & INTERRUPTION_TYPE) == INTERRUPTION_EXTERNAL &&
        !(rflags & RFLAGS_IF))
        return -EBUSY; /* SDM vol. 3, 27.3.1.4 */
    vmcs_write(VMCS_GUEST_RIP, rip);
    vmcs_write(VMCS_GUEST_RFLAGS, rflags);
    /* Both end with the instruction that they are for. With TF they would demand a pending debug exception, too. */
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, interruptibility & ~BLOCKING_BY_STI_MOV_SS);
    vcpu->interruptible = rflags & RFLAGS_IF;
    if (!moves)
        return 0;
    if ((vcpu->requests & REQUEST_EVENT) && is_of_instruction(vcpu->event_info))
        atomic_and(&vcpu->requests, ~(u32)REQUEST_EVENT);
    if (vcpu->activity == VCPU_HALTED)
        vcpu->activity = VCPU_ACTIVE;
    return 0;
}

/* ---- what a vCPU comes upon */

bool debug_breakpoint(struct vcpu *vcpu)
{
    u64 linear = guest_in_64bit_mode() ? vcpu->exit_rip : (u32)(vcpu->exit_rip + vmcs_read(VMCS_GUEST_CS_BASE));
    gpa_t gpa;

    if (guest_linear_look(vcpu, linear, &gpa) || !vcpu->ops->is_breakpoint(vcpu, gpa))
        return false;
    stop(vcpu, DEBUG_STOP_BREAKPOINT, 0);
    return true;
}

u64 debug_filter_causes(struct vcpu *vcpu, u64 causes)
{
    u8 hit = (u8)(causes & vcpu->debug.used);

    if (!vcpu->debug.used)
        return causes;
    if (hit)
        stop(vcpu, DEBUG_STOP_SLOTS, hit);
    return causes & ~DR6_BREAKPOINTS;
}

/* An access may have hit a slot in the same instruction. */
void debug_end_step(struct vcpu *vcpu)
{
    if (!(vcpu->debug.controls & CPU_MONITOR_TRAP))
        return;
    u8 hit = (u8)(vmcs_read(VMCS_GUEST_PENDING_DEBUG) & vcpu->debug.used);
    if (hit)
        forget_pending_hits();
    stop(vcpu, hit ? DEBUG_STOP_SLOTS : DEBUG_STOP_STEP, hit);
}
