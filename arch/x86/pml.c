/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page-modification logging: see pml.h. The processor fills the page from its end: the index is that of the next entry, and
 * becomes -1 with the last one. A write that finds it so exits before it is done (exit reason 62), and is done again. An
 * event whose delivery that interrupts is delivered again, as after EPT violations; NMIs are not unblocked by the IRET of a
 * guest, because "NMI exiting" is on (SDM vol. 3, 26.3).
 */
#include "arch/x86/pml.h"

#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_controls.h"
#include "mm/dirty_log.h"
#include "mm/port.h"

enum { PML_ENTRIES = 512, PML_EMPTY = PML_ENTRIES - 1 };

void pml_switch(struct vcpu *vcpu, bool on)
{
    u64 controls = vmcs_read(VMCS_SECONDARY_PROCESSOR_CONTROLS) & ~(u64)CPU2_PML;

    vmcs_write(VMCS_SECONDARY_PROCESSOR_CONTROLS, controls | (on ? CPU2_PML : 0));
    vmcs_write(VMCS_GUEST_PML_INDEX, PML_EMPTY);
    vcpu->logs_modifications = on;
}

void pml_drain(struct vcpu *vcpu)
{
    u64 index = vmcs_read(VMCS_GUEST_PML_INDEX);

    if (index == PML_EMPTY)
        return;

    unsigned first = (u16)(index + 1);
    const u64 *entries = port_frame_address(vcpu->pml);
    vm_memory_log_writes(&vcpu->mmu, entries + first, PML_ENTRIES - first);
    vmcs_write(VMCS_GUEST_PML_INDEX, PML_EMPTY);
}
