/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions and NMIs that exit: the vectors of the exception bitmap, and the machine's own NMIs.
 *   #DB, #AC  would otherwise be delivered for ever, with no way for the preemption timer to end it, by a guest whose IDT
 *             provokes them again (CVE-2015-5307, CVE-2015-8104). They go on to the guest.
 *   #MC       is the machine's.
 *   #BP       only while a debugger is there, which may have put the instruction there.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/debug.h"
#include "arch/x86/event.h"
#include "arch/x86/exit.h"
#include "arch/x86/interrupt.h"
#include "arch/x86/vmcs.h"

static void clear_general_detect(struct vcpu *vcpu)
{
    vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~DR7_GD);
    vcpu->debug.guest_dr7 &= ~DR7_GD; /* what it has while a debugger uses the registers */
}

/* INT1 exits as an instruction, with RIP at it; the processor delivers its #DB behind it, and leaves DR6 alone. */
static void int1(struct vcpu *vcpu)
{
    u64 interruptibility = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, interruptibility & ~BLOCKING_BY_STI_MOV_SS);
    clear_general_detect(vcpu);
    event_int1(vcpu, (u32)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static void debug_exception(struct vcpu *vcpu)
{
    u64 all_causes = vmcs_read(VMCS_EXIT_QUALIFICATION) & DR6_CAUSES;
    u64 causes = debug_filter_causes(vcpu, all_causes);
    u64 interruptibility = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    if (causes != all_causes && causes == 0)
        return;
    /* What the processor does before it delivers #DB, and leaves to us when it exits instead (SDM vol. 3, 28.1). */
    dr6_write((dr6_read() & ~DR6_BREAKPOINTS) | causes);
    clear_general_detect(vcpu);
    if ((interruptibility & BLOCKING_BY_STI_MOV_SS) && (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_TF))
        vmcs_write(VMCS_GUEST_PENDING_DEBUG, PENDING_SINGLE_STEP); /* entry demands it in this state (27.3.1.5) */
    event_debug(vcpu);
}

static void breakpoint(struct vcpu *vcpu)
{
    if (!debug_breakpoint(vcpu))
        event_int3(vcpu, (u32)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

enum exit_action exit_exception_or_nmi(struct vcpu *vcpu)
{
    u32 info = (u32)vmcs_read(VMCS_EXIT_INTERRUPTION_INFO);

    interrupt_reblock_nmi(info);
    if ((info & INTERRUPTION_TYPE) == INTERRUPTION_NMI) {
        __asm__ volatile("int $2"); /* the host's handler; the exit has blocked further NMIs until its IRET */
        return EXIT_STAY;
    }
    switch (info & INTERRUPTION_VECTOR) {
    case VECTOR_DB:
        if ((info & INTERRUPTION_TYPE) == INTERRUPTION_PRIVILEGED)
            int1(vcpu);
        else
            debug_exception(vcpu);
        break;
    case VECTOR_BP:
        breakpoint(vcpu);
        break;
    case VECTOR_AC:
        event_exception_error(vcpu, VECTOR_AC, (u32)vmcs_read(VMCS_EXIT_INTERRUPTION_ERROR_CODE));
        break;
    default: /* VECTOR_MC */
        __asm__ volatile("int $18");
        break;
    }
    return EXIT_STAY;
}
