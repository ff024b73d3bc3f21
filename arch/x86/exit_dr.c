/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MOV to and from debug registers, while a debugger has them (debug.h): the guest reads and writes its own, which the processor
 * does not have meanwhile; but for DR6. The exit comes before all checks (SDM vol. 3, 26.1.2), which are made here.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/event.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/vmcs.h"

enum { FROM_DR = 1u << 4 };

/* SDM vol. 3, 19.2.3 and 19.2.4: what is always 1, and what can be changed; the rest is always 0. */
static const u64 DR6_ONES = 0xffff0ff0, DR6_CHANGEABLE = 0xe00f;
static const u64 DR7_ONES = 0x400, DR7_CHANGEABLE = 0xffff23ff;

/* A debug exception as the access itself causes it: RIP stays, and the access is made when GD is off. */
static enum exit_action detected(struct vcpu *vcpu)
{
    dr6_write(dr6_read() | DR6_ACCESS);
    vcpu->debug.guest_dr7 &= ~DR7_GD;
    event_debug(vcpu);
    return EXIT_STAY;
}

static enum exit_action write(struct vcpu *vcpu, unsigned dr, u64 value)
{
    if (dr >= 4 && value >> 32)
        return exit_general_protection(vcpu);
    if (dr < 4)
        vcpu->debug.guest_dr[dr] = value;
    else if (dr == 6)
        dr6_write((value & DR6_CHANGEABLE) | DR6_ONES);
    else
        vcpu->debug.guest_dr7 = (value & DR7_CHANGEABLE) | DR7_ONES;
    return EXIT_NEXT;
}

enum exit_action exit_mov_dr(struct vcpu *vcpu)
{
    u64 qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
    unsigned dr = qualification & 7, gpr = qualification >> 8 & 0xf;

    if (!vcpu->debug.used) /* they have gone meanwhile */
        return EXIT_STAY;
    if ((dr == 4 || dr == 5) && (vmcs_read(VMCS_GUEST_CR4) & CR4_DE)) {
        event_exception(vcpu, VECTOR_UD);
        return EXIT_STAY;
    }
    if (RIGHTS_DPL(vmcs_read(VMCS_GUEST_SS_ACCESS_RIGHTS)) != 0)
        return exit_general_protection(vcpu);
    if (vcpu->debug.guest_dr7 & DR7_GD)
        return detected(vcpu);
    dr |= dr == 4 || dr == 5 ? 2 : 0;
    if (!(qualification & FROM_DR))
        return write(vcpu, dr, exit_gpr_read(vcpu, gpr));
    u64 value = dr < 4 ? vcpu->debug.guest_dr[dr] : dr == 6 ? dr6_read() : vcpu->debug.guest_dr7;
    exit_gpr_write(vcpu, gpr, guest_in_64bit_mode() ? value : (u32)value);
    return EXIT_NEXT;
}
