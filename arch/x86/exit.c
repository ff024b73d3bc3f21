/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit table, and the handlers that are too small for a file. SDM vol. 3, chapter 28 and appendix C. */
#include "arch/x86/exit.h"

#include "arch/x86/cpu.h"
#include "arch/x86/debug.h"
#include "arch/x86/event.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/interrupt.h"
#include "arch/x86/irq.h"
#include "arch/x86/panic.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "mm/atomic.h"

/*
 * What the processor does at the end of an instruction, and of each iteration of a repeated one. RF is 1 between iterations, so
 * that an instruction breakpoint comes once, and 0 behind the instruction: an EPT violation has saved it as 1 (SDM vol. 3,
 * 28.3.3 and 18.3.1.1).
 */
static void end_instruction(struct vcpu *vcpu, bool repeats)
{
    u64 interruptibility = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY), rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    u64 after = repeats ? rflags | RFLAGS_RF : rflags & ~RFLAGS_RF;

    if (after != rflags)
        vmcs_write(VMCS_GUEST_RFLAGS, after);
    if (interruptibility & BLOCKING_BY_STI_MOV_SS)
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, interruptibility & ~BLOCKING_BY_STI_MOV_SS);
    if (rflags & RFLAGS_TF)
        vmcs_write(VMCS_GUEST_PENDING_DEBUG, vmcs_read(VMCS_GUEST_PENDING_DEBUG) | PENDING_SINGLE_STEP);
    debug_end_instruction(vcpu);
}

void vcpu_skip_instruction(struct vcpu *vcpu)
{
    vcpu_skip_bytes(vcpu, (unsigned)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

void vcpu_skip_bytes(struct vcpu *vcpu, unsigned length)
{
    u64 rip = vcpu->exit_rip + length;

    vmcs_write(VMCS_GUEST_RIP, guest_in_64bit_mode() ? rip : (u32)rip);
    end_instruction(vcpu, false);
}

static enum exit_action exit_external_interrupt(struct vcpu *vcpu)
{
    irq_handle((u32)vmcs_read(VMCS_EXIT_INTERRUPTION_INFO) & INTERRUPTION_VECTOR);
    atomic_or(&vcpu->requests, REQUEST_LEAVE); /* it may have come for another task of this processor */
    return EXIT_STAY;
}

/* What waited can be delivered now. */
static enum exit_action exit_window(struct vcpu *vcpu)
{
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
    return EXIT_STAY;
}

static enum exit_action exit_monitor_trap(struct vcpu *vcpu)
{
    debug_end_instruction(vcpu);
    return EXIT_STAY;
}

static enum exit_action exit_triple_fault(struct vcpu *vcpu)
{
    vcpu_end(vcpu, GUEST_END_TRIPLE_FAULT, 0, "triple fault at %#llx", (unsigned long long)vcpu->exit_rip);
    return EXIT_STAY;
}

static enum exit_action exit_ignored(struct vcpu *vcpu)
{
    return EXIT_STAY;
}

static enum exit_action exit_task_switch(struct vcpu *vcpu)
{
    vcpu_end(vcpu, GUEST_END_UNSUPPORTED, 0, "hardware task switch at %#llx: slat does not emulate it",
             (unsigned long long)vcpu->exit_rip);
    return EXIT_STAY;
}

static enum exit_action exit_cpuid(struct vcpu *vcpu)
{
    struct cpuid_result r = guest_cpuid(vcpu, (u32)vcpu->gpr[RAX], (u32)vcpu->gpr[RCX]);

    vcpu->gpr[RAX] = r.eax;
    vcpu->gpr[RBX] = r.ebx;
    vcpu->gpr[RCX] = r.ecx;
    vcpu->gpr[RDX] = r.edx;
    return EXIT_NEXT;
}

static enum exit_action exit_hlt(struct vcpu *vcpu)
{
    u64 rflags = vmcs_read(VMCS_GUEST_RFLAGS);

    /* A debug exception ends the halt: the single step over it, or one that the shadow of MOV SS has held back. */
    if ((rflags & RFLAGS_TF) || vmcs_read(VMCS_GUEST_PENDING_DEBUG) != 0)
        return EXIT_NEXT;
    vcpu->activity = VCPU_HALTED;
    vcpu->interruptible = rflags & RFLAGS_IF;
    vcpu->nmi_blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_BY_NMI;
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT); /* one that STI has held back wakes it at once */
    vcpu->ops->halted(vcpu);
    return EXIT_NEXT;
}

static enum exit_action exit_pause(struct vcpu *vcpu)
{
    vcpu->ops->spins(vcpu);
    return EXIT_NEXT;
}

/* Instructions of features that CPUID hides. */
static enum exit_action exit_undefined(struct vcpu *vcpu)
{
    event_exception(vcpu, VECTOR_UD);
    return EXIT_STAY;
}

enum exit_action exit_general_protection(struct vcpu *vcpu)
{
    event_exception_error(vcpu, VECTOR_GP, 0);
    return EXIT_STAY;
}

/* The exit comes at every CPL; what asks the hypervisor for something is the guest's kernel, or nobody. */
static enum exit_action exit_vmcall(struct vcpu *vcpu)
{
    bool is_kernel = RIGHTS_DPL(vmcs_read(VMCS_GUEST_SS_ACCESS_RIGHTS)) == 0; /* SS.DPL is the CPL, in every mode */
    enum hypercall_result result = is_kernel && vcpu->ops->hypercall ? vcpu->ops->hypercall(vcpu) : HYPERCALL_UNDEFINED;

    switch (result) {
    case HYPERCALL_DONE:
        return EXIT_NEXT;
    case HYPERCALL_STAY:
        return EXIT_STAY;
    default:
        return exit_undefined(vcpu);
    }
}

/* INVD, WBINVD: the guest's memory is write-back and nobody but processors reads it: nothing to do. */
static enum exit_action exit_nothing_to_do(struct vcpu *vcpu)
{
    return EXIT_NEXT;
}

static enum exit_action exit_xsetbv(struct vcpu *vcpu)
{
    u64 value = vcpu->gpr[RDX] << 32 | (u32)vcpu->gpr[RAX];

    /* SDM vol. 1, 13.3: x87 always; AVX needs SSE; the AVX-512 bits come together and need AVX. */
    if ((u32)vcpu->gpr[RCX] != 0 || (value & ~guest_xcr0_allowed()) || !(value & XCR0_X87) ||
        ((value & XCR0_AVX) && !(value & XCR0_SSE)) ||
        ((value & XCR0_AVX512) && ((value & XCR0_AVX512) != XCR0_AVX512 || !(value & XCR0_AVX))))
        return exit_general_protection(vcpu);
    xcr0_write(value);
    return EXIT_NEXT;
}

/* Every exit empties the log. */
static enum exit_action exit_pml_full(struct vcpu *vcpu)
{
    interrupt_reblock_nmi(vmcs_read(VMCS_EXIT_QUALIFICATION));
    return EXIT_STAY;
}

static enum exit_action exit_ept_misconfiguration(struct vcpu *vcpu)
{
    panic("EPT misconfiguration at guest-physical address %#llx: an entry that mm wrote is invalid",
          (unsigned long long)vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS));
}

static enum exit_action (*const handlers[EXIT_REASON_COUNT])(struct vcpu *vcpu) = {
    [EXIT_REASON_EXCEPTION_OR_NMI] = exit_exception_or_nmi,
    [EXIT_REASON_EXTERNAL_INTERRUPT] = exit_external_interrupt,
    [EXIT_REASON_TRIPLE_FAULT] = exit_triple_fault,
    [EXIT_REASON_INIT] = exit_ignored,
    [EXIT_REASON_SIPI] = exit_ignored,
    [EXIT_REASON_INTERRUPT_WINDOW] = exit_window,
    [EXIT_REASON_NMI_WINDOW] = exit_window,
    [EXIT_REASON_TASK_SWITCH] = exit_task_switch,
    [EXIT_REASON_CPUID] = exit_cpuid,
    [EXIT_REASON_GETSEC] = exit_undefined,
    [EXIT_REASON_HLT] = exit_hlt,
    [EXIT_REASON_INVD] = exit_nothing_to_do,
    [EXIT_REASON_RDPMC] = exit_general_protection, /* no counters */
    [EXIT_REASON_RSM] = exit_undefined,
    [EXIT_REASON_VMCALL] = exit_vmcall,
    [EXIT_REASON_VMCLEAR] = exit_undefined,
    [EXIT_REASON_VMLAUNCH] = exit_undefined,
    [EXIT_REASON_VMPTRLD] = exit_undefined,
    [EXIT_REASON_VMPTRST] = exit_undefined,
    [EXIT_REASON_VMREAD] = exit_undefined,
    [EXIT_REASON_VMRESUME] = exit_undefined,
    [EXIT_REASON_VMWRITE] = exit_undefined,
    [EXIT_REASON_VMXOFF] = exit_undefined,
    [EXIT_REASON_VMXON] = exit_undefined,
    [EXIT_REASON_CR_ACCESS] = exit_cr_access,
    [EXIT_REASON_MOV_DR] = exit_mov_dr,
    [EXIT_REASON_IO_INSTRUCTION] = exit_io,
    [EXIT_REASON_RDMSR] = exit_rdmsr,
    [EXIT_REASON_WRMSR] = exit_wrmsr,
    [EXIT_REASON_MWAIT] = exit_undefined,
    [EXIT_REASON_MONITOR_TRAP_FLAG] = exit_monitor_trap,
    [EXIT_REASON_MONITOR] = exit_undefined,
    [EXIT_REASON_PAUSE] = exit_pause,
    [EXIT_REASON_TPR_BELOW_THRESHOLD] = exit_tpr_below_threshold,
    [EXIT_REASON_VIRTUALIZED_EOI] = exit_virtualized_eoi,
    [EXIT_REASON_EPT_VIOLATION] = exit_ept_violation,
    [EXIT_REASON_EPT_MISCONFIGURATION] = exit_ept_misconfiguration,
    [EXIT_REASON_INVEPT] = exit_undefined,
    [EXIT_REASON_PREEMPTION_TIMER] = exit_ignored, /* vcpu_run() looks at the clock */
    [EXIT_REASON_INVVPID] = exit_undefined,
    [EXIT_REASON_WBINVD] = exit_nothing_to_do,
    [EXIT_REASON_XSETBV] = exit_xsetbv,
    [EXIT_REASON_APIC_WRITE] = exit_apic_write,
    [EXIT_REASON_VMFUNC] = exit_undefined,
    [EXIT_REASON_ENCLS] = exit_undefined,
    [EXIT_REASON_PML_FULL] = exit_pml_full,
};

void exit_dispatch(struct vcpu *vcpu, u32 reason)
{
    u32 basic = reason & EXIT_REASON_BASIC;

    if (basic >= EXIT_REASON_COUNT || !handlers[basic]) {
        vcpu_end(vcpu, GUEST_END_UNSUPPORTED, 0, "exit %u (%s) at %#llx: slat does not emulate it", basic,
                 exit_reason_name(basic), (unsigned long long)vcpu->exit_rip);
        return;
    }
    switch (handlers[basic](vcpu)) {
    case EXIT_STAY:
        break;
    case EXIT_NEXT:
        vcpu_skip_instruction(vcpu);
        break;
    case EXIT_AGAIN:
        end_instruction(vcpu, true);
        break;
    }
}
