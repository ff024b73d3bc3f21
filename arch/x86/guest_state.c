/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest state of the VMCS. SDM vol. 3, 25.4 and, for what VM entry accepts, 27.3. */
#include "arch/x86/guest_state.h"

#include "arch/x86/cpu.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"

static const u32 RIGHTS_CODE16 = 0x009b, RIGHTS_DATA16 = 0x0093;
static const u32 RIGHTS_CODE32 = 0xc09b, RIGHTS_DATA32 = 0xc093;
static const u32 RIGHTS_CODE64 = 0xa09b;
static const u32 RIGHTS_BUSY_TSS = 0x008b;

/* CR0 bits in which guest and processor always agree. PE and PG join them with unrestricted guest. */
static u64 cr0_owned_by_guest(void)
{
    u64 owned = CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_WP | CR0_AM;

    return vmx_caps.unrestricted ? owned | CR0_PE | CR0_PG : owned;
}

void guest_set_cr0(u64 value)
{
    u64 needed = vmx_caps.cr0_fixed0 & ~(vmx_caps.unrestricted ? CR0_PE | CR0_PG : 0);

    vmcs_write(VMCS_GUEST_CR0, (((value | CR0_ET) & ~(CR0_CD | CR0_NW)) | needed) & vmx_caps.cr0_fixed1);
    vmcs_write(VMCS_CR0_READ_SHADOW, value | CR0_ET);
}

bool guest_in_64bit_mode(void)
{
    return (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA) && (vmcs_read(VMCS_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_L);
}

u64 guest_visible_cr0(void)
{
    u64 mask = vmcs_read(VMCS_CR0_GUEST_HOST_MASK);

    return (vmcs_read(VMCS_GUEST_CR0) & ~mask) | (vmcs_read(VMCS_CR0_READ_SHADOW) & mask);
}

void guest_set_cr4(u64 value)
{
    /* MCE: a machine check in a guest is the machine's; without it the processor would shut down. */
    vmcs_write(VMCS_GUEST_CR4, (value | CR4_MCE | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1);
    vmcs_write(VMCS_CR4_READ_SHADOW, value);
}

void guest_set_efer(u64 value)
{
    u64 entry = vmcs_read(VMCS_VM_ENTRY_CONTROLS) & ~(u64)ENTRY_LONG_MODE;

    vmcs_write(VMCS_GUEST_EFER, value);
    vmcs_write(VMCS_VM_ENTRY_CONTROLS, entry | (value & EFER_LMA ? ENTRY_LONG_MODE : 0));
}

static void set_segment(enum segment s, u16 selector, u64 base, u32 limit, u32 rights)
{
    vmcs_write(VMCS_SEGMENT_SELECTOR(s), selector);
    vmcs_write(VMCS_SEGMENT_BASE(s), base);
    vmcs_write(VMCS_SEGMENT_LIMIT(s), limit);
    vmcs_write(VMCS_SEGMENT_RIGHTS(s), rights);
}

static void set_data_segments(u16 selector, u64 base, u32 limit, u32 rights)
{
    static const enum segment data[] = { SEGMENT_ES, SEGMENT_SS, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS };

    for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
        set_segment(data[i], selector, base, limit, rights);
}

void guest_state_reset(void)
{
    vmcs_write(VMCS_CR0_GUEST_HOST_MASK, ~cr0_owned_by_guest());
    vmcs_write(VMCS_CR4_GUEST_HOST_MASK, ~guest_cr4_allowed());
    guest_set_cr0(CR0_ET | CR0_CD | CR0_NW);
    guest_set_cr4(0);
    guest_set_efer(0);
    vmcs_write(VMCS_GUEST_CR3, 0);
    set_segment(SEGMENT_CS, 0xf000, 0xffff0000, 0xffff, RIGHTS_CODE16);
    set_data_segments(0, 0, 0xffff, RIGHTS_DATA16);
    set_segment(SEGMENT_LDTR, 0, 0, 0xffff, RIGHTS_UNUSABLE);
    set_segment(SEGMENT_TR, 0, 0, 0xffff, RIGHTS_BUSY_TSS);
    vmcs_write(VMCS_GUEST_GDTR_BASE, 0);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, 0xffff);
    vmcs_write(VMCS_GUEST_IDTR_BASE, 0);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0xffff);
    vmcs_write(VMCS_GUEST_RIP, 0xfff0);
    vmcs_write(VMCS_GUEST_RSP, 0);
    vmcs_write(VMCS_GUEST_RFLAGS, RFLAGS_RESERVED);
    vmcs_write(VMCS_GUEST_DR7, DR7_RESET);
    vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
    vmcs_write(VMCS_GUEST_PAT, PAT_RESET);
    vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_ACTIVITY, 0);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_write(VMCS_LINK_POINTER, ~0ull);
}

void guest_state_start(const struct guest_start *start)
{
    switch (start->mode) {
    case START_RESET:
        return; /* guest_state_reset() has done it */
    case START_REAL:
        guest_set_cr0(CR0_ET);
        set_segment(SEGMENT_CS, start->cs, (u64)start->cs << 4, 0xffff, RIGHTS_CODE16);
        set_data_segments(start->ds, (u64)start->ds << 4, 0xffff, RIGHTS_DATA16);
        break;
    case START_FLAT32:
        guest_set_cr0(CR0_ET | CR0_PE);
        set_segment(SEGMENT_CS, start->cs, 0, ~0u, RIGHTS_CODE32);
        set_data_segments(start->ds, 0, ~0u, RIGHTS_DATA32);
        break;
    default: /* START_LONG64 */
        guest_set_cr4(CR4_PAE);
        guest_set_efer(EFER_LME | EFER_LMA);
        guest_set_cr0(CR0_ET | CR0_PE | CR0_PG);
        vmcs_write(VMCS_GUEST_CR3, start->cr3);
        set_segment(SEGMENT_CS, start->cs, 0, ~0u, RIGHTS_CODE64);
        set_data_segments(start->ds, 0, ~0u, RIGHTS_DATA32);
        break;
    }
    if (start->mode != START_REAL) {
        vmcs_write(VMCS_GUEST_GDTR_BASE, start->gdt_base);
        vmcs_write(VMCS_GUEST_GDTR_LIMIT, start->gdt_limit);
        vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0); /* there is no IDT yet: any exception is a triple fault */
    }
    vmcs_write(VMCS_GUEST_RIP, start->rip);
    vmcs_write(VMCS_GUEST_RSP, start->rsp);
}
