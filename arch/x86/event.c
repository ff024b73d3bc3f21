/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event injection. SDM vol. 3, 25.8.3 "VM-Entry Controls for Event Injection", 28.2.4 "Information for VM Exits During
 * Event Delivery".
 */
#include "arch/x86/event.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmcs.h"
#include "mm/atomic.h"

static void queue(struct vcpu *vcpu, u32 info, u32 error, u32 length)
{
    vcpu->event_info = info;
    vcpu->event_error = error;
    vcpu->event_length = length;
    atomic_or(&vcpu->requests, REQUEST_EVENT);
}

/* SDM vol. 3, 6.15, interrupt 8: classes of exceptions for double faults. */
static bool contributory(u32 vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

/* In real mode no exception pushes an error code, and VM entry refuses to deliver one (SDM vol. 3, 27.2.1.3). */
static u32 error_code_flag(void)
{
    return vmcs_read(VMCS_GUEST_CR0) & CR0_PE ? INTERRUPTION_ERROR_CODE : 0;
}

static void exception(struct vcpu *vcpu, u32 vector, u32 info, u32 error)
{
    if (vcpu->requests & REQUEST_EVENT) {
        u32 first = vcpu->event_info & INTERRUPTION_VECTOR;
        bool first_is_exception = (vcpu->event_info & INTERRUPTION_TYPE) == INTERRUPTION_EXCEPTION;

        if (first_is_exception && first == VECTOR_DF) {
            vcpu_end(vcpu, GUEST_END_TRIPLE_FAULT, 0, "exception %u while a double fault was delivered, at %#llx",
                     vector, (unsigned long long)vcpu->exit_rip);
            return;
        }
        if (first_is_exception && ((contributory(first) && contributory(vector)) ||
                                   (first == VECTOR_PF && (contributory(vector) || vector == VECTOR_PF)))) {
            vector = VECTOR_DF;
            info = error_code_flag();
            error = 0;
        }
    }
    queue(vcpu, INTERRUPTION_VALID | INTERRUPTION_EXCEPTION | info | vector, error, 0);
}

/* The RF that a fault pushes is 1, so that an instruction breakpoint at RIP does not come again (SDM vol. 3, 19.3.1.1). */
static void set_resume_flag(void)
{
    vmcs_write(VMCS_GUEST_RFLAGS, vmcs_read(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
}

void event_exception(struct vcpu *vcpu, u32 vector)
{
    set_resume_flag();
    exception(vcpu, vector, 0, 0);
}

void event_exception_error(struct vcpu *vcpu, u32 vector, u32 error)
{
    set_resume_flag();
    exception(vcpu, vector, error_code_flag(), error);
}

void event_debug(struct vcpu *vcpu)
{
    exception(vcpu, VECTOR_DB, 0, 0);
}

void event_int1(struct vcpu *vcpu, u32 length)
{
    queue(vcpu, INTERRUPTION_VALID | INTERRUPTION_PRIVILEGED | VECTOR_DB, 0, length);
}

void event_int3(struct vcpu *vcpu, u32 length)
{
    queue(vcpu, INTERRUPTION_VALID | INTERRUPTION_SOFT_EXC | VECTOR_BP, 0, length);
}

void event_page_fault(struct vcpu *vcpu, u64 linear, u32 error)
{
    cr2_write(linear); /* the vCPU is current: CR2 is the guest's */
    event_exception_error(vcpu, VECTOR_PF, error);
}

void event_interrupt(struct vcpu *vcpu, u8 vector)
{
    queue(vcpu, INTERRUPTION_VALID | INTERRUPTION_EXTERNAL | vector, 0, 0);
}

void event_nmi(struct vcpu *vcpu)
{
    queue(vcpu, INTERRUPTION_VALID | INTERRUPTION_NMI | VECTOR_NMI, 0, 0);
}

void event_requeue(struct vcpu *vcpu)
{
    u32 info = (u32)vmcs_read(VMCS_IDT_VECTORING_INFO);

    if (!(info & INTERRUPTION_VALID))
        return;
    u32 type = info & INTERRUPTION_TYPE;
    bool software = type == INTERRUPTION_SOFT || type == INTERRUPTION_PRIVILEGED || type == INTERRUPTION_SOFT_EXC;
    u32 error = info & INTERRUPTION_ERROR_CODE ? (u32)vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE) : 0;
    u32 length = software ? (u32)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH) : 0;

    /* It is blocked since its delivery began, and entry does not deliver a blocked one (SDM vol. 3, 27.3.1.5). */
    if (type == INTERRUPTION_NMI)
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & ~BLOCKING_BY_NMI);
    /* Bit 12 is undefined here and must be 0 at entry. */
    queue(vcpu, info & (INTERRUPTION_VALID | INTERRUPTION_ERROR_CODE | INTERRUPTION_TYPE | INTERRUPTION_VECTOR), error,
          length);
}

void event_inject(struct vcpu *vcpu)
{
    vmcs_write(VMCS_VM_ENTRY_INTERRUPTION_INFO, vcpu->event_info);
    if (vcpu->event_info & INTERRUPTION_ERROR_CODE)
        vmcs_write(VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE, vcpu->event_error);
    if (vcpu->event_length)
        vmcs_write(VMCS_VM_ENTRY_INSTRUCTION_LENGTH, vcpu->event_length);
    atomic_and(&vcpu->requests, ~(u32)REQUEST_EVENT);
}
