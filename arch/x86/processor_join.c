/* SPDX-License-Identifier: BSD-2-Clause */
/* See processor_join.h. */
#include "arch/x86/processor_join.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/fixup.h"
#include "arch/x86/host_timer.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmx.h"
#include "hv/lib/format.h"

/* The words of CPUID that say what guests may use; but for bits that follow from CR4 or the APIC's state, or say where it is. */
enum { FEATURE_WORDS = 7 };

static const u32 ECX_OSXSAVE = 1u << 27, EDX_APIC = 1u << 9;
static const u32 LEAF7_ECX_OSPKE = 1u << 4, LEAF7_EDX_HYBRID = 1u << 15;
static const u32 EBX_TSC_ADJUST = 1u << 1;

static u32 boot_features[FEATURE_WORDS];
static bool has_tsc_adjust;
static u64 tsc_adjust;

static void read_features(u32 words[FEATURE_WORDS])
{
    struct cpuid_result leaf1 = cpuid(1), leaf7 = { 0 }, extended = cpuid(0x80000001);
    struct cpuid_result xsave = { 0 };

    if (cpuid(0).eax >= 7)
        leaf7 = cpuid_count(7, 0);
    if (cpuid(0).eax >= 0xd)
        xsave = cpuid_count(0xd, 0);
    words[0] = leaf1.ecx & ~ECX_OSXSAVE;
    words[1] = leaf1.edx & ~EDX_APIC;
    words[2] = leaf7.ebx;
    words[3] = leaf7.ecx & ~LEAF7_ECX_OSPKE;
    words[4] = leaf7.edx & ~LEAF7_EDX_HYBRID;
    words[5] = extended.edx;
    words[6] = xsave.eax;
}

void processor_unlimit_cpuid(void)
{
    u64 misc_enable;

    if (rdmsr_safe(MSR_MISC_ENABLE, &misc_enable) == 0 && (misc_enable & MISC_ENABLE_LIMIT_CPUID))
        wrmsr(MSR_MISC_ENABLE, misc_enable & ~MISC_ENABLE_LIMIT_CPUID);
}

void processor_join_init(void)
{
    read_features(boot_features);
    has_tsc_adjust = cpuid(0).eax >= 7 && (cpuid_count(7, 0).ebx & EBX_TSC_ADJUST);
    if (has_tsc_adjust)
        tsc_adjust = rdmsr(MSR_TSC_ADJUST);
}

static bool has_features(char *reason)
{
    u32 words[FEATURE_WORDS];

    read_features(words);
    for (unsigned i = 0; i < FEATURE_WORDS; i++) {
        u32 missing = boot_features[i] & ~words[i];

        if (missing) {
            format_text(reason, PROCESSOR_REASON_SIZE,
                        "it lacks features that the boot processor has (word %u of CPUID's: %#x)", i, missing);
            return false;
        }
    }
    return true;
}

bool processor_join(struct processor *processor, char reason[PROCESSOR_REASON_SIZE])
{
    cpu_tables_load(&processor->tables);
    processor_set_self(processor);
    paging_join();
    processor_unlimit_cpuid();
    if (!has_features(reason))
        return false;
    /* The TSCs run at one speed; firmware that wrote to one of them has left a difference. */
    if (has_tsc_adjust && rdmsr(MSR_TSC_ADJUST) != tsc_adjust)
        wrmsr(MSR_TSC_ADJUST, tsc_adjust);
    if (!apic_join()) {
        format_text(reason, PROCESSOR_REASON_SIZE, "its local APIC cannot be put into the boot processor's mode");
        return false;
    }
    host_timer_join();
    vcpu_switch_join();
    return vmx_join(reason) == 0;
}
