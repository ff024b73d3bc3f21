/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that are handled within the stay in the guest: no tasks, no requests, no timer to set, and the vCPU counts as inside all
 * the time. Here is what comes most often, where nothing is unusual about it; anything else is left as it is, for handle_exit().
 * Every instruction counts in this file.
 *
 * What vcpu_run() and handle_exit() do at each exit, and why it needs not be done here:
 *   the slice        run.nasm asks for nobody after vcpu->quick_until. The preemption timer goes on where it stopped.
 *   requests         who makes one while the vCPU is inside sends an interrupt, which ends the stay at the next VM entry, since
 *                    interrupts are off here: vcpu_request(), port_kick(). What is called here makes none, and bounds no run.
 *   event_requeue()  no event is being delivered when an instruction exits (SDM vol. 3, 28.2.4): only EPT violations ask.
 *   the end of an instruction (vcpu_skip_instruction())   may_skip() leaves all but the plain case. A vCPU that is debugged
 *                    (debug.h) does not come here.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "mm/vm_memory.h"

/*
 * By exit reason; called by run.nasm, right after the exit. True: the guest goes on with the registers that it has
 * in `vcpu`. False: nothing was done.
 */
extern bool (*const exit_quickly[EXIT_REASON_COUNT])(struct vcpu *vcpu);

/* The fields that known() reads and skip_to() writes. */
static const enum vmcs_field fields[] = {
    VMCS_GUEST_RIP,          VMCS_EXIT_INSTRUCTION_LENGTH, VMCS_GUEST_RFLAGS,           VMCS_GUEST_INTERRUPTIBILITY,
    VMCS_EXIT_REASON,        VMCS_EXIT_QUALIFICATION,      VMCS_GUEST_SS_ACCESS_RIGHTS, VMCS_GUEST_PHYSICAL_ADDRESS,
    VMCS_IDT_VECTORING_INFO,
};

/*
 * Whether the processor has a field was asked once (exit_quick_init()), and right after an exit there is a current VMCS: neither
 * can fail. The field's number is not left to the compiler, which would keep it in a register to use it again, and that costs
 * more than to load it twice.
 */
static inline __attribute__((always_inline)) u64 known(enum vmcs_field field)
{
    u64 value;

    __asm__ volatile("mov %1, %k0\n\tvmread %0, %0" : "=r"(value) : "i"(field) : "cc");
    return value;
}

static inline bool skip_to(u64 rip)
{
    u64 field;

    __asm__ volatile("mov %1, %k0\n\tvmwrite %2, %0" : "=&r"(field) : "i"(VMCS_GUEST_RIP), "r"(rip) : "cc");
    return true;
}

/*
 * Whether the end of the instruction that has exited is nothing but another RIP, and which: no single step, no breakpoint that RF
 * holds back, no shadow of STI or MOV SS (nor an NMI's handler, which is rare), and RIP does not wrap in another mode than 64-bit
 * mode.
 */
static inline bool may_skip(u64 *next)
{
    u64 unusual = (known(VMCS_GUEST_RFLAGS) & (RFLAGS_TF | RFLAGS_RF)) | known(VMCS_GUEST_INTERRUPTIBILITY);
    u64 length = known(VMCS_EXIT_INSTRUCTION_LENGTH);

    *next = known(VMCS_GUEST_RIP) + length;
    return unusual == 0 && (u32)*next >= (u32)length;
}

static bool leave(struct vcpu *vcpu)
{
    return false;
}

/* ---- CPUID: the answers that never change are kept */

/* Leaves are numbered from 0, 0x40000000 and 0x80000000 on: a product has something of both in its upper bits. */
static const u32 SPREAD = 0x9e3779b1;
enum { SPREAD_SHIFT = 27 };
static_assert(VCPU_CPUID_ANSWERS == 1 << (32 - SPREAD_SHIFT), "the upper bits number them");

static inline struct cpuid_answer *answer_place(struct vcpu *vcpu)
{
    u32 leaf = (u32)vcpu->gpr[RAX], subleaf = (u32)vcpu->gpr[RCX];

    return &vcpu->cpuid[((leaf + subleaf) * SPREAD) >> SPREAD_SHIFT];
}

static inline bool answer(struct vcpu *vcpu, struct cpuid_result result, u64 next)
{
    vcpu->gpr[RAX] = result.eax;
    vcpu->gpr[RBX] = result.ebx;
    vcpu->gpr[RCX] = result.ecx;
    vcpu->gpr[RDX] = result.edx;
    return skip_to(next);
}

static __attribute__((noinline)) bool cpuid_learn(struct vcpu *vcpu, u64 next)
{
    struct cpuid_answer *place = answer_place(vcpu);
    u64 rax = vcpu->gpr[RAX], rcx = vcpu->gpr[RCX];

    if (!guest_cpuid_is_constant((u32)rax))
        return false;
    *place = (struct cpuid_answer){ rax, rcx, guest_cpuid(vcpu, (u32)rax, (u32)rcx) };
    return answer(vcpu, place->result, next);
}

static bool quick_cpuid(struct vcpu *vcpu)
{
    const struct cpuid_answer *place = answer_place(vcpu);
    u64 next;

    if (!may_skip(&next))
        return false;
    if (place->rax != vcpu->gpr[RAX] || place->rcx != vcpu->gpr[RCX])
        return cpuid_learn(vcpu, next);
    return answer(vcpu, place->result, next);
}

/* ---- the others */

static bool quick_rdmsr(struct vcpu *vcpu)
{
    u64 next, value;

    if (!may_skip(&next) || exit_msr_read(vcpu, (u32)vcpu->gpr[RCX], &value))
        return false;
    vcpu->gpr[RAX] = (u32)value;
    vcpu->gpr[RDX] = value >> 32;
    return skip_to(next);
}

static bool quick_wrmsr(struct vcpu *vcpu)
{
    u64 next, value = vcpu->gpr[RDX] << 32 | (u32)vcpu->gpr[RAX];

    if ((u32)vcpu->gpr[RCX] != MSR_TSC_DEADLINE || !may_skip(&next) || !vcpu->ops->deadline_write_quickly(vcpu, value))
        return false;
    assert(vcpu->run_until >= vcpu->quick_until);
    return skip_to(next);
}

static bool quick_vmcall(struct vcpu *vcpu)
{
    u64 next;

    /* SS.DPL is the CPL, in every mode. */
    if (RIGHTS_DPL(known(VMCS_GUEST_SS_ACCESS_RIGHTS)) != 0 || !may_skip(&next) || !vcpu->ops->hypercall_quickly(vcpu))
        return false;
    return skip_to(next);
}

/* OUT; neither IN nor strings. SDM vol. 3, table 28-5. */
static bool quick_io(struct vcpu *vcpu)
{
    u64 next, qualification = known(VMCS_EXIT_QUALIFICATION);
    unsigned size = (unsigned)(qualification & 7) + 1;

    if ((qualification & (QUALIFICATION_IO_IN | QUALIFICATION_IO_STRING)) || !may_skip(&next) ||
        !vcpu->ops->port_write_quickly(vcpu, (u16)(qualification >> 16), size, (u32)vcpu->gpr[RAX]))
        return false;
    assert(vcpu->run_until >= vcpu->quick_until);
    return skip_to(next);
}

static bool quick_ept_violation(struct vcpu *vcpu)
{
    gpa_t gpa = { known(VMCS_GUEST_PHYSICAL_ADDRESS) };
    u64 qualification = known(VMCS_EXIT_QUALIFICATION);

    /* An event is to be delivered again: event_requeue(). An IRET that has unblocked NMIs too: interrupt_reblock_nmi(). */
    if ((known(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID) || (qualification & QUALIFICATION_NMI_UNBLOCKED))
        return false;
    return vcpu_memory_fault_inside(&vcpu->mmu, gpa, qualification & (ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE));
}

bool (*const exit_quickly[EXIT_REASON_COUNT])(struct vcpu *vcpu) = {
    [0 ... EXIT_REASON_CPUID - 1] = leave,
    [EXIT_REASON_CPUID] = quick_cpuid,
    [EXIT_REASON_CPUID + 1 ... EXIT_REASON_VMCALL - 1] = leave,
    [EXIT_REASON_VMCALL] = quick_vmcall,
    [EXIT_REASON_VMCALL + 1 ... EXIT_REASON_IO_INSTRUCTION - 1] = leave,
    [EXIT_REASON_IO_INSTRUCTION] = quick_io,
    [EXIT_REASON_RDMSR] = quick_rdmsr,
    [EXIT_REASON_WRMSR] = quick_wrmsr,
    [EXIT_REASON_WRMSR + 1 ... EXIT_REASON_EPT_VIOLATION - 1] = leave,
    [EXIT_REASON_EPT_VIOLATION] = quick_ept_violation,
    [EXIT_REASON_EPT_VIOLATION + 1 ... EXIT_REASON_COUNT - 1] = leave,
};

void exit_quick_init(struct vcpu *vcpu)
{
    struct cpuid_answer first = { 0, 0, guest_cpuid(vcpu, 0, 0) };

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        (void)vmcs_read(fields[i]);
    assert(guest_cpuid_is_constant(0));
    for (unsigned i = 0; i < VCPU_CPUID_ANSWERS; i++)
        vcpu->cpuid[i] = first;
}
