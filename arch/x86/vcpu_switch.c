/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Switching between vCPUs. The hypervisor itself uses general registers only, so a guest's vector registers, debug
 * registers and system-call MSRs stay in the processor until another vCPU runs there: exits do not pay for them.
 */
#include "arch/x86/vcpu_switch.h"

#include "arch/x86/cpu.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/msr.h"
#include "arch/x86/processor.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "hv/lib/string.h"
#include "mm/port.h"

static const u32 CPUID_ECX_XSAVE = 1u << 26;
static const u32 CPUID_EDX_IBPB = 1u << 26; /* leaf 7 */

enum { FXSAVE_SIZE = 512, FCW_OFFSET = 0, FCW_INIT = 0x37f, MXCSR_OFFSET = 24, MXCSR_INIT = 0x1f80 };

static u64 xcr0_allowed;
static u32 xsave_size = FXSAVE_SIZE;
static bool has_ibpb;

void vcpu_switch_join(void)
{
    u64 cr4 = cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr0_write(cr0_read() & ~(CR0_TS | CR0_EM));
    cr4_write(xcr0_allowed ? cr4 | CR4_OSXSAVE : cr4);
    if (xcr0_allowed)
        xcr0_write(xcr0_allowed);
}

void vcpu_switch_init(void)
{
    has_ibpb = cpuid(0).eax >= 7 && (cpuid_count(7, 0).edx & CPUID_EDX_IBPB);
    if (!(cpuid(1).ecx & CPUID_ECX_XSAVE)) {
        vcpu_switch_join();
        return;
    }

    struct cpuid_result leaf = cpuid_count(0xd, 0);
    u64 supported = (u64)leaf.edx << 32 | leaf.eax;
    xcr0_allowed = supported & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
    if ((xcr0_allowed & XCR0_AVX) && (supported & XCR0_AVX512) == XCR0_AVX512)
        xcr0_allowed |= XCR0_AVX512;
    vcpu_switch_join();
    xsave_size = cpuid_count(0xd, 0).ebx; /* for the components that XCR0 has now */
}

u64 guest_xcr0_allowed(void)
{
    return xcr0_allowed;
}

u32 guest_xsave_size(void)
{
    return xsave_size;
}

void vcpu_switch_reset(struct vcpu *vcpu)
{
    u8 *area = port_frame_address(vcpu->xsave);

    memset(area, 0, xsave_size);
    /* After INIT (SDM vol. 3, table 10-1): FCW 0x40 at power-up, 0x37f after FNINIT, which every user executes first. */
    *(u16 *)(area + FCW_OFFSET) = FCW_INIT;
    *(u32 *)(area + MXCSR_OFFSET) = MXCSR_INIT;
    vcpu->registers.xcr0 = XCR0_X87;
    vcpu->registers.dr6 = DR6_RESET;
    guest_mtrr_reset(&vcpu->registers.mtrr);
}

static void extended_state_save(struct vcpu *vcpu)
{
    void *area = port_frame_address(vcpu->xsave);

    if (xcr0_allowed) {
        vcpu->registers.xcr0 = xcr0_read();
        xcr0_write(xcr0_allowed); /* all of it: also what the guest has turned off for the moment */
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    }
}

static void extended_state_load(struct vcpu *vcpu)
{
    void *area = port_frame_address(vcpu->xsave);

    if (xcr0_allowed) {
        xcr0_write(xcr0_allowed);
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
        xcr0_write(vcpu->registers.xcr0);
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
    }
}

#define DR_READ(n, to)    __asm__ volatile("mov %%db" #n ", %0" : "=r"(to))
#define DR_WRITE(n, from) __asm__ volatile("mov %0, %%db" #n : : "r"(from))

void debug_addresses_read(u64 dr[4])
{
    DR_READ(0, dr[0]);
    DR_READ(1, dr[1]);
    DR_READ(2, dr[2]);
    DR_READ(3, dr[3]);
}

void debug_addresses_write(const u64 dr[4])
{
    DR_WRITE(0, dr[0]);
    DR_WRITE(1, dr[1]);
    DR_WRITE(2, dr[2]);
    DR_WRITE(3, dr[3]);
}

static void save(struct vcpu *vcpu)
{
    extended_state_save(vcpu);
    debug_addresses_read(vcpu->registers.dr);
    vcpu->registers.dr6 = dr6_read();
    vcpu->registers.cr2 = cr2_read();
    vcpu->registers.star = rdmsr(MSR_STAR);
    vcpu->registers.lstar = rdmsr(MSR_LSTAR);
    vcpu->registers.cstar = rdmsr(MSR_CSTAR);
    vcpu->registers.fmask = rdmsr(MSR_FMASK);
    vcpu->registers.kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    if (guest_has_rdtscp())
        vcpu->registers.tsc_aux = rdmsr(MSR_TSC_AUX);
}

static void load(struct vcpu *vcpu)
{
    vmcs_load(pfn_to_hpa(vcpu->vmcs));
    extended_state_load(vcpu);
    debug_addresses_write(vcpu->registers.dr); /* DR7 is in the VMCS: none is armed while the hypervisor runs */
    dr6_write(vcpu->registers.dr6);
    cr2_write(vcpu->registers.cr2);
    wrmsr(MSR_STAR, vcpu->registers.star);
    wrmsr(MSR_LSTAR, vcpu->registers.lstar);
    wrmsr(MSR_CSTAR, vcpu->registers.cstar);
    wrmsr(MSR_FMASK, vcpu->registers.fmask);
    wrmsr(MSR_KERNEL_GS_BASE, vcpu->registers.kernel_gs_base);
    if (guest_has_rdtscp())
        wrmsr(MSR_TSC_AUX, vcpu->registers.tsc_aux);
    if (has_ibpb)
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB); /* the last guest's branch history is not for this one */
}

void vcpu_switch_init_registers(struct vcpu *vcpu)
{
    static const u64 zeros[4];

    assert(vcpu_is_current(vcpu));
    debug_addresses_write(zeros);
    dr6_write(DR6_RESET);
    cr2_write(0);
}

void vcpu_make_current(struct vcpu *vcpu)
{
    struct processor *processor = this_processor();

    if (vcpu == processor->current)
        return;
    if (processor->current)
        save(processor->current);
    if (vcpu)
        load(vcpu);
    processor->current = vcpu;
}

struct vcpu *vcpu_current(void)
{
    return this_processor()->current;
}

bool vcpu_is_current(const struct vcpu *vcpu)
{
    return vcpu == this_processor()->current;
}
