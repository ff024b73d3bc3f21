/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exit that comes most often while writes are logged: write permission is missing that was only taken to see the write. It
 * is given back without leaving the stay in the guest: no tasks, no other handler, no timer to set. Anything else is left as
 * it is, for handle_exit().
 */
#include "arch/x86/cpu.h"
#include "arch/x86/exit.h"
#include "arch/x86/vmcs.h"

/* Called by run.nasm, right after the exit. True: the guest goes on with the registers that it had. */
bool exit_quickly(struct vcpu *vcpu);

bool exit_quickly(struct vcpu *vcpu)
{
    if (vmcs_read(VMCS_EXIT_REASON) != EXIT_REASON_EPT_VIOLATION || rdtsc() >= vcpu->quick_until)
        return false;
    /* An event is to be delivered again: event_requeue(). */
    if (vmcs_read(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID)
        return false;

    gpa_t gpa = { vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS) };
    u64 qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
    /* An IRET that has unblocked NMIs is executed again: interrupt_reblock_nmi(). */
    if (qualification & QUALIFICATION_NMI_UNBLOCKED)
        return false;
    return vcpu_memory_fault_inside(&vcpu->mmu, gpa, (u32)qualification);
}
