/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control-register accesses. Guests own the bits that do not matter to slat (guest_state.c sets the masks); an exit happens
 * when a guest changes one that does: CR0.NE, CD, NW (kept as the processor needs them, the guest sees its own), a bit of
 * CR4 that it does not have, PE and PG where there is no unrestricted guest; CR3 on processors that cannot leave it alone; CR8.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/event.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/msr.h"
#include "arch/x86/page_entry.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"
#include "mm/vm_memory.h"

enum { ACCESS_TO, ACCESS_FROM, ACCESS_CLTS, ACCESS_LMSW };

u64 exit_gpr_read(const struct vcpu *vcpu, unsigned n)
{
    u64 value = n == RSP_IN_VMCS ? vmcs_read(VMCS_GUEST_RSP) : vcpu->gpr[n];

    return guest_in_64bit_mode() ? value : (u32)value;
}

void exit_gpr_write(struct vcpu *vcpu, unsigned n, u64 value)
{
    if (n == RSP_IN_VMCS)
        vmcs_write(VMCS_GUEST_RSP, value);
    else
        vcpu->gpr[n] = value;
}

/* PAE paging takes its four PDPTEs when CR3 or the mode changes. SDM vol. 3, 5.4.1 and 27.3.1.6. -EINVAL: reserved bits. */
static int load_pdptes(struct vcpu *vcpu, u64 cr3)
{
    u64 pdptes[4];
    int error = vm_memory_read(vcpu->memory, (gpa_t){ cr3 & CR3_PAE_ADDRESS }, pdptes, sizeof(pdptes));

    if (error) {
        vcpu_end_no_access(vcpu, error, "page-directory pointers", (gpa_t){ cr3 & CR3_PAE_ADDRESS });
        return 0;
    }
    for (unsigned i = 0; i < 4; i++)
        if (!pdpte_is_valid(pdptes[i], vmx_caps.physical_bits))
            return -EINVAL;
    for (unsigned i = 0; i < 4; i++)
        vmcs_write((enum vmcs_field)(VMCS_GUEST_PDPTE0 + 2 * i), pdptes[i]);
    return 0;
}

/* IA-32e mode is entered with a 32-bit TSS: type 3 is the busy 16-bit one (SDM vol. 3, 10.8.5). */
static bool may_enter_long_mode(u64 cr4)
{
    return (cr4 & CR4_PAE) && !(vmcs_read(VMCS_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_L) &&
           (vmcs_read(VMCS_GUEST_TR_ACCESS_RIGHTS) & RIGHTS_TYPE) != 3;
}

static enum exit_action cr0_set(struct vcpu *vcpu, u64 value)
{
    const u64 defined =
        CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
    u64 old = vmcs_read(VMCS_GUEST_CR0);
    u64 changes = guest_visible_cr0() ^ value;
    u64 cr4 = vmcs_read(VMCS_GUEST_CR4);
    u64 efer = vmcs_read(VMCS_GUEST_EFER);
    bool turns_paging_on = (value & CR0_PG) && !(old & CR0_PG);

    if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return exit_general_protection(vcpu);
    if (!(value & CR0_PG) && guest_in_64bit_mode())
        return exit_general_protection(vcpu);
    value &= defined; /* the other bits stay 0, whatever is written */
    if (!vmx_caps.unrestricted && (value & (CR0_PE | CR0_PG)) != (CR0_PE | CR0_PG)) {
        vcpu_end(vcpu, GUEST_END_UNSUPPORTED, 0,
                 "it turns paging off at %#llx: this processor has no unrestricted guest mode",
                 (unsigned long long)vcpu->exit_rip);
        return EXIT_STAY;
    }
    if (turns_paging_on && (efer & EFER_LME)) {
        if (!may_enter_long_mode(cr4))
            return exit_general_protection(vcpu);
        efer |= EFER_LMA;
    } else if (!(value & CR0_PG)) {
        efer &= ~EFER_LMA;
    }
    /* SDM vol. 3, 5.4.1: PAE paging loads its PDPTEs also when CD or NW changes. */
    if ((value & CR0_PG) && (changes & (CR0_PG | CR0_CD | CR0_NW)) && (cr4 & CR4_PAE) && !(efer & EFER_LMA) &&
        load_pdptes(vcpu, vmcs_read(VMCS_GUEST_CR3)))
        return exit_general_protection(vcpu);
    guest_set_efer(efer);
    guest_set_cr0(value);
    if ((old ^ value) & (CR0_PG | CR0_WP))
        vmx_invvpid_all(); /* MOV to CR0 drops translations when these change (SDM vol. 3, 5.10.4.1) */
    return EXIT_NEXT;
}

static enum exit_action cr3_set(struct vcpu *vcpu, u64 value)
{
    u64 cr4 = vmcs_read(VMCS_GUEST_CR4);
    bool pae = (vmcs_read(VMCS_GUEST_CR0) & CR0_PG) && (cr4 & CR4_PAE) && !(vmcs_read(VMCS_GUEST_EFER) & EFER_LMA);

    if ((value & ~((1ull << vmx_caps.physical_bits) - 1)) || (pae && load_pdptes(vcpu, value)))
        return exit_general_protection(vcpu);
    vmcs_write(VMCS_GUEST_CR3, value);
    vmx_invvpid_all();
    return EXIT_NEXT;
}

static enum exit_action move_to(struct vcpu *vcpu, unsigned cr, u64 value)
{
    switch (cr) {
    case 0:
        return cr0_set(vcpu, value);
    case 3:
        return cr3_set(vcpu, value);
    case 4: /* it sets a bit that this guest does not have: the others it owns */
        return exit_general_protection(vcpu);
    default: /* 8 */
        if (value & ~0xfull)
            return exit_general_protection(vcpu);
        vcpu->ops->priority_write(vcpu, value);
        return EXIT_NEXT;
    }
}

enum exit_action exit_cr_access(struct vcpu *vcpu)
{
    u64 qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
    unsigned cr = qualification & 0xf, gpr = qualification >> 8 & 0xf;
    u64 cr0 = guest_visible_cr0();

    switch (qualification >> 4 & 3) {
    case ACCESS_TO:
        return move_to(vcpu, cr, exit_gpr_read(vcpu, gpr));
    case ACCESS_FROM:
        exit_gpr_write(vcpu, gpr, cr == 3 ? vmcs_read(VMCS_GUEST_CR3) : vcpu->ops->priority_read(vcpu));
        return EXIT_NEXT;
    case ACCESS_CLTS:
        return cr0_set(vcpu, cr0 & ~CR0_TS);
    default: { /* LMSW sets, but never clears, PE */
        u64 source = qualification >> 16 & 0xf;
        return cr0_set(vcpu, (cr0 & ~(CR0_MP | CR0_EM | CR0_TS)) | source);
    }
    }
}
