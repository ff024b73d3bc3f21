/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RDMSR and WRMSR that exit. The MSRs that a guest simply owns never come here: msr_bitmap_init() lets them through, and
 * vcpu_switch.c or the VMCS switches them. An MSR that nobody gives a meaning to raises #GP, and is counted.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/msr.h"
#include "arch/x86/msr_bitmap.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "hv/lib/string.h"
#include "mm/port.h"

/* Layout: SDM vol. 3, 25.6.9. A set bit exits. */
enum { READ_LOW = 0, READ_HIGH = 1024, WRITE_LOW = 2048, WRITE_HIGH = 3072 };

static void set_exits(u8 *byte, u32 bit, bool exits)
{
    *byte = (u8)((*byte & ~(1u << bit)) | (exits ? 1u << bit : 0));
}

static void pass(u8 *bitmap, u32 msr, bool read, bool write)
{
    u32 bit = msr & 0x1fff;
    unsigned half = msr >= 0xc0000000 ? READ_HIGH : READ_LOW;

    set_exits(&bitmap[half + bit / 8], bit % 8, !read);
    set_exits(&bitmap[WRITE_LOW + half + bit / 8], bit % 8, !write);
}

void msr_bitmap_pass(pfn_t frame, u32 msr, bool reads, bool writes)
{
    pass(port_frame_address(frame), msr, reads, writes);
}

void msr_bitmap_init(pfn_t frame)
{
    static const u32 owned[] = { MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,    MSR_LSTAR,
                                 MSR_CSTAR,       MSR_FMASK,        MSR_FS_BASE,      MSR_GS_BASE, MSR_KERNEL_GS_BASE };
    u8 *bitmap = port_frame_address(frame);

    memset(bitmap, 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        pass(bitmap, owned[i], true, true);
    pass(bitmap, MSR_TSC, true, false); /* RDMSR adds the TSC offset as RDTSC does (SDM vol. 3, 26.3) */
    if (guest_has_rdtscp())
        pass(bitmap, MSR_TSC_AUX, true, true);
}

/* The local APIC's, which belongs to the machine around the processor. */
static bool is_apic_msr(u32 msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

int exit_msr_read(const struct vcpu *vcpu, u32 msr, u64 *value)
{
    switch (msr) {
    case MSR_EFER:
        *value = vmcs_read(VMCS_GUEST_EFER);
        return 0;
    case MSR_PAT:
        *value = vmcs_read(VMCS_GUEST_PAT);
        return 0;
    case MSR_TSC_ADJUST:
        *value = vcpu->tsc_offset + *vcpu->epoch;
        return 0;
    case MSR_MISC_ENABLE:
        *value = MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_BTS_ABSENT | MISC_ENABLE_PEBS_ABSENT;
        return 0;
    case MSR_DEBUGCTL:
    case MSR_PLATFORM_ID:
    case MSR_BIOS_SIGN_ID:
        *value = 0;
        return 0;
    default:
        return guest_mtrr_read(&vcpu->registers.mtrr, msr, value);
    }
}

/* SDM vol. 3, 5.9 and 13.12.4: which values of EFER and of PAT raise #GP. */
static int write_efer(u64 value)
{
    u64 old = vmcs_read(VMCS_GUEST_EFER);
    bool paging = vmcs_read(VMCS_GUEST_CR0) & CR0_PG;

    if ((value & ~(guest_efer_allowed() | EFER_LMA)) || (paging && ((value ^ old) & EFER_LME)))
        return -EINVAL;
    guest_set_efer((value & ~EFER_LMA) | (old & EFER_LMA));
    return 0;
}

static int write_pat(u64 value)
{
    if (!pat_is_valid(value))
        return -EINVAL;
    vmcs_write(VMCS_GUEST_PAT, value);
    return 0;
}

/* IA32_TSC_ADJUST is how far the guest has moved its TSC from the VM's age (SDM vol. 3, 18.17.3): no register of its own. */
static void set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
    vcpu->tsc_offset = offset;
    vmcs_write(VMCS_TSC_OFFSET, offset);
    vcpu->ops->tsc_offset_changed(vcpu);
}

static int write(struct vcpu *vcpu, u32 msr, u64 value)
{
    if (is_apic_msr(msr))
        return vcpu->ops->apic_msr_write(vcpu, msr, value);
    switch (msr) {
    case MSR_EFER:
        return write_efer(value);
    case MSR_PAT:
        return write_pat(value);
    case MSR_TSC:
        set_tsc_offset(vcpu, value - rdtsc());
        return 0;
    case MSR_TSC_ADJUST:
        set_tsc_offset(vcpu, value - *vcpu->epoch);
        return 0;
    case MSR_DEBUGCTL:
        return value ? -EINVAL : 0;
    case MSR_BIOS_SIGN_ID: /* written with 0 before CPUID to read the microcode revision */
    case MSR_MISC_ENABLE:
        return 0;
    default:
        return guest_mtrr_write(&vcpu->registers.mtrr, msr, value, vmx_caps.physical_bits);
    }
}

static enum exit_action refuse(struct vcpu *vcpu, u32 msr, int error)
{
    if (error == -ENOENT && vcpu->unknown_msrs++ == 0)
        vcpu->first_unknown_msr = msr;
    return exit_general_protection(vcpu);
}

enum exit_action exit_rdmsr(struct vcpu *vcpu)
{
    u32 msr = (u32)vcpu->gpr[RCX];
    u64 value = 0;
    int error = is_apic_msr(msr) ? vcpu->ops->apic_msr_read(vcpu, msr, &value) : exit_msr_read(vcpu, msr, &value);

    if (error)
        return refuse(vcpu, msr, error);
    vcpu->gpr[RAX] = (u32)value;
    vcpu->gpr[RDX] = value >> 32;
    return EXIT_NEXT;
}

enum exit_action exit_wrmsr(struct vcpu *vcpu)
{
    u32 msr = (u32)vcpu->gpr[RCX];
    int error = write(vcpu, msr, vcpu->gpr[RDX] << 32 | (u32)vcpu->gpr[RAX]);

    return error ? refuse(vcpu, msr, error) : EXIT_NEXT;
}
