/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the raw VMX capabilities of this processor: only the MSRs that it says it has. SDM vol. 3, appendix A. */
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx_caps.h"
#include "arch/x86/vmx_controls.h"

static const u32 CPUID_ECX_VMX = 1u << 5;

void vmx_caps_read(struct vmx_msrs *m)
{
    struct cpuid_result vendor = cpuid(0);

    *m = (struct vmx_msrs){
        .intel = vendor.ebx == 0x756e6547 && vendor.edx == 0x49656e69 && vendor.ecx == 0x6c65746e, /* GenuineIntel */
        .vmx = cpuid(1).ecx & CPUID_ECX_VMX,
        .physical_bits = 36,
        .linear_bits = 48,
    };
    if (!m->intel || !m->vmx)
        return;
    if (cpuid(0x80000000).eax >= 0x80000008) {
        u32 widths = cpuid(0x80000008).eax;

        m->physical_bits = widths & 0xff;
        m->linear_bits = widths >> 8 & 0xff;
    }
    m->feature_control = rdmsr(MSR_FEATURE_CONTROL);
    m->basic = rdmsr(MSR_VMX_BASIC);

    bool true_controls = m->basic & VMX_BASIC_TRUE_CONTROLS;
    m->pin = rdmsr(true_controls ? MSR_VMX_TRUE_PINBASED_CTLS : MSR_VMX_PINBASED_CTLS);
    m->cpu = rdmsr(true_controls ? MSR_VMX_TRUE_PROCBASED_CTLS : MSR_VMX_PROCBASED_CTLS);
    m->exit = rdmsr(true_controls ? MSR_VMX_TRUE_EXIT_CTLS : MSR_VMX_EXIT_CTLS);
    m->entry = rdmsr(true_controls ? MSR_VMX_TRUE_ENTRY_CTLS : MSR_VMX_ENTRY_CTLS);
    m->misc = rdmsr(MSR_VMX_MISC);
    m->cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
    m->cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
    m->cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
    m->cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
    if (m->cpu >> 32 & CPU_SECONDARY) {
        m->cpu2 = rdmsr(MSR_VMX_PROCBASED_CTLS2);
        if (m->cpu2 >> 32 & (CPU2_EPT | CPU2_VPID))
            m->ept_vpid = rdmsr(MSR_VMX_EPT_VPID_CAP);
    }
}
