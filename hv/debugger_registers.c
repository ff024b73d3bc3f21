/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a vCPU that a debugger has stopped. Some are in its VMCS; the others in memory, since it is unloaded: among
 * them the extended state, in the standard format of XSAVE (SDM vol. 1, 13.4).
 */
#include "arch/x86/cpu.h"
#include "arch/x86/debug.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "hv/debugger.h"
#include "hv/lib/string.h"
#include "hv/vm_internal.h"
#include "mm/port.h"

enum {
    FXSAVE_SIZE = 512,
    FCW_RESET = 0x37f,
    MXCSR = 24, /* to 31: with its mask */
    ST = 32,
    XMM = 160,
    XMM_END = 416,
    XSTATE_BV = 512,
    LEAF_XSAVE = 0xd,
    AVX_COMPONENT = 2,
};

static const enum segment segments[GDB_SEGMENTS] = {
    [GDB_CS] = SEGMENT_CS, [GDB_SS] = SEGMENT_SS, [GDB_DS] = SEGMENT_DS,
    [GDB_ES] = SEGMENT_ES, [GDB_FS] = SEGMENT_FS, [GDB_GS] = SEGMENT_GS,
};

static bool has_avx(void)
{
    return guest_xcr0_allowed() & XCR0_AVX;
}

static u8 *ymm_high_in(u8 *area)
{
    return area + cpuid_count(LEAF_XSAVE, AVX_COMPONENT).ebx;
}

/* Of a component in its initial state XRSTOR does not read what the area has. But MXCSR it always reads (13.8.1). */
static void get_extended(const struct vcpu *vcpu, struct gdb_registers *registers)
{
    u8 *area = port_frame_address(vcpu->xsave);
    u64 present = ~0ull;
    u16 fcw = FCW_RESET;

    memcpy(registers->fxsave, area, FXSAVE_SIZE);
    if (guest_xcr0_allowed())
        memcpy(&present, area + XSTATE_BV, sizeof(present));
    if (!(present & XCR0_X87)) {
        memset(registers->fxsave, 0, MXCSR);
        memset(registers->fxsave + ST, 0, XMM - ST);
        memcpy(registers->fxsave, &fcw, sizeof(fcw));
    }
    if (!(present & XCR0_SSE))
        memset(registers->fxsave + XMM, 0, XMM_END - XMM);
    registers->has_avx = has_avx();
    if (has_avx() && (present & XCR0_AVX))
        memcpy(registers->ymm_high, ymm_high_in(area), sizeof(registers->ymm_high));
}

static void set_extended(const struct vcpu *vcpu, const struct gdb_registers *registers)
{
    u8 *area = port_frame_address(vcpu->xsave);
    u64 present, given = XCR0_X87 | XCR0_SSE | (has_avx() ? XCR0_AVX : 0);

    memcpy(area, registers->fxsave, FXSAVE_SIZE);
    if (!guest_xcr0_allowed())
        return;
    if (has_avx())
        memcpy(ymm_high_in(area), registers->ymm_high, sizeof(registers->ymm_high));
    memcpy(&present, area + XSTATE_BV, sizeof(present));
    present |= given;
    memcpy(area + XSTATE_BV, &present, sizeof(present));
}

int debugger_get_registers(void *target, unsigned vcpu_number, struct gdb_registers *registers)
{
    const struct debugger *debugger = target;
    struct vcpu *vcpu = &debugger->vm->processors[vcpu_number]->vcpu;
    struct vcpu *before = debug_borrow(vcpu);

    memset(registers, 0, sizeof(*registers));
    registers->rip = vmcs_read(VMCS_GUEST_RIP);
    registers->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    u64 rsp = vmcs_read(VMCS_GUEST_RSP);
    for (unsigned i = 0; i < GDB_SEGMENTS; i++)
        registers->selectors[i] = (u16)vmcs_read(VMCS_SEGMENT_SELECTOR(segments[i]));
    registers->cs_long = guest_in_64bit_mode();
    registers->cs_base = vmcs_read(VMCS_GUEST_CS_BASE);
    registers->fs_base = vmcs_read(VMCS_GUEST_FS_BASE);
    registers->gs_base = vmcs_read(VMCS_GUEST_GS_BASE);
    registers->cr0 = guest_visible_cr0();
    registers->cr3 = vmcs_read(VMCS_GUEST_CR3);
    u64 cr4_mask = vmcs_read(VMCS_CR4_GUEST_HOST_MASK);
    registers->cr4 = (vmcs_read(VMCS_GUEST_CR4) & ~cr4_mask) | (vmcs_read(VMCS_CR4_READ_SHADOW) & cr4_mask);
    registers->efer = vmcs_read(VMCS_GUEST_EFER);
    debug_give_back(vcpu, before);

    memcpy(registers->gpr, vcpu->gpr, sizeof(registers->gpr));
    registers->gpr[RSP_IN_VMCS] = rsp;
    registers->kernel_gs_base = vcpu->registers.kernel_gs_base;
    registers->cr2 = vcpu->registers.cr2;
    registers->cr8 = vcpu->ops->priority_read(vcpu);
    get_extended(vcpu, registers);
    return 0;
}

int debugger_set_registers(void *target, unsigned vcpu_number, const struct gdb_registers *registers)
{
    const struct debugger *debugger = target;
    struct vcpu *vcpu = &debugger->vm->processors[vcpu_number]->vcpu;
    struct vcpu *before = debug_borrow(vcpu);
    int error = 0;

    /* In virtual-8086 mode it is the selector's (SDM vol. 3, 27.3.1.2). */
    if ((registers->rflags & RFLAGS_VM) &&
        (registers->fs_base != vmcs_read(VMCS_GUEST_FS_BASE) || registers->gs_base != vmcs_read(VMCS_GUEST_GS_BASE)))
        error = -EINVAL;
    else if (registers->rip != vmcs_read(VMCS_GUEST_RIP) || registers->rflags != vmcs_read(VMCS_GUEST_RFLAGS))
        error = debug_set_rip_and_flags(vcpu, registers->rip, registers->rflags);
    if (!error) {
        vmcs_write(VMCS_GUEST_RSP, registers->gpr[RSP_IN_VMCS]);
        vmcs_write(VMCS_GUEST_FS_BASE, registers->fs_base);
        vmcs_write(VMCS_GUEST_GS_BASE, registers->gs_base);
    }
    debug_give_back(vcpu, before);
    if (error)
        return error;
    memcpy(vcpu->gpr, registers->gpr, sizeof(vcpu->gpr));
    vcpu->registers.kernel_gs_base = registers->kernel_gs_base;
    set_extended(vcpu, registers);
    return 0;
}
