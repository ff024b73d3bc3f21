/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT violations: a guest access that EPT does not permit yet, or at all. SDM vol. 3, table 28-7. */
#include "arch/x86/exit.h"
#include "arch/x86/interrupt.h"
#include "arch/x86/vmcs.h"
#include "mm/port.h"
#include "mm/vm_memory.h"

static const char *access_name(u32 access)
{
    return access & ACCESS_EXECUTE ? "execute" : access & ACCESS_WRITE ? "write" : "read";
}

enum exit_action exit_ept_violation(struct vcpu *vcpu)
{
    u64 qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
    gpa_t gpa = { vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS) };
    u32 access = qualification & (ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);

    interrupt_reblock_nmi(qualification);
    switch (vm_memory_fault(&vcpu->mmu, gpa, access)) {
    case FAULT_INSTALLED:
    case FAULT_SPURIOUS:
        break;
    case FAULT_RETRY:
        port_yield(); /* to whoever is changing the page */
        break;
    case FAULT_NO_SLOT:
        if (!(access & ACCESS_EXECUTE) && vcpu->ops->is_device(vcpu, gpa))
            return exit_mmio(vcpu, gpa, qualification);
        vcpu_end(vcpu, GUEST_END_OUTSIDE_MEMORY, 0, "%s at %#llx, where it has no memory; RIP %#llx",
                 access_name(access), (unsigned long long)gpa.v, (unsigned long long)vcpu->exit_rip);
        break;
    case FAULT_READ_ONLY:
        vcpu_end(vcpu, GUEST_END_OUTSIDE_MEMORY, 0, "write to read-only memory at %#llx; RIP %#llx",
                 (unsigned long long)gpa.v, (unsigned long long)vcpu->exit_rip);
        break;
    case FAULT_DENIED:
        vcpu_end(vcpu, GUEST_END_OUTSIDE_MEMORY, 0, "%s at %#llx, which its view of memory denies; RIP %#llx",
                 access_name(access), (unsigned long long)gpa.v, (unsigned long long)vcpu->exit_rip);
        break;
    case FAULT_LOST:
        vcpu_end(vcpu, GUEST_END_NO_MEMORY, 0, "the frame behind its page at %#llx went bad",
                 (unsigned long long)gpa.v);
        break;
    case FAULT_NO_MEMORY:
        vcpu_end(vcpu, GUEST_END_NO_MEMORY, 0, "the machine has no frame left for its page at %#llx",
                 (unsigned long long)gpa.v);
        break;
    }
    return EXIT_STAY;
}
