/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads this processor's CPUID, once, and keeps what guest_features_judge() makes of it for all guests. */
#include "arch/x86/guest_cpuid.h"
#include "arch/x86/msr.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"

enum { LEAF_FEATURES = 1, LEAF_CACHES = 4, LEAF_EXTENDED_FEATURES = 7, LEAF_XSAVE = 0xd, CACHE_TYPE = 0x1f };
static const u32 LEAF_EXTENDED = 0x80000000;

static struct guest_features features; /* set once, before any guest */

static void read_subleaves(u32 leaf, struct cpuid_result *results, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        results[i] = cpuid_count(leaf, i);
}

static void read_leaves(struct cpuid_leaves *leaves)
{
    u32 last, last_extended;

    *leaves = (struct cpuid_leaves){ 0 };
    leaves->basic[0] = cpuid(0);
    last = leaves->basic[0].eax;
    leaves->basic[1] = cpuid(1);
    if (last >= 2)
        leaves->basic[2] = cpuid(2);
    if (last >= LEAF_CACHES)
        read_subleaves(LEAF_CACHES, leaves->cache, CPUID_CACHES);
    if (last >= LEAF_EXTENDED_FEATURES)
        leaves->extended_features = cpuid(LEAF_EXTENDED_FEATURES);
    if (last >= LEAF_XSAVE)
        read_subleaves(LEAF_XSAVE, leaves->xsave, CPUID_XSAVE_COMPONENTS);
    last_extended = cpuid(LEAF_EXTENDED).eax;
    for (u32 i = 0; i < CPUID_EXTENDED_LEAVES && LEAF_EXTENDED + i <= last_extended; i++)
        leaves->extended[i] = cpuid(LEAF_EXTENDED + i);
}

void guest_features_init(u64 tsc_hz)
{
    const struct guest_means means = {
        .xcr0 = guest_xcr0_allowed(),
        .rdtscp = vmx_caps.cpu2 & CPU2_RDTSCP,
        .tsc_hz = tsc_hz,
    };
    struct cpuid_leaves leaves;

    read_leaves(&leaves);
    guest_features_judge(&leaves, &means, &features);
}

struct cpuid_result guest_cpuid(const struct vcpu *vcpu, u32 leaf, u32 subleaf)
{
    struct cpuid_asker asker = { .number = vcpu->number, .siblings = vcpu->siblings };

    if (leaf == LEAF_FEATURES) {
        u64 apic_base = 0;

        asker.cr4 = vmcs_read(VMCS_GUEST_CR4);
        asker.apic_enabled = vcpu->ops->apic_msr_read((struct vcpu *)vcpu, MSR_APIC_BASE, &apic_base) == 0 &&
                             (apic_base & APIC_BASE_ENABLE);
    } else if (leaf == LEAF_XSAVE && features.xcr0) {
        asker.xcr0 = xcr0_read();
    }
    return guest_cpuid_answer(&features, &asker, leaf, subleaf);
}

bool guest_cpuid_is_constant(u32 leaf)
{
    return guest_cpuid_answer_is_constant(&features, leaf);
}

u64 guest_cr4_allowed(void)
{
    return features.cr4;
}

u64 guest_efer_allowed(void)
{
    return features.efer;
}

bool guest_has_rdtscp(void)
{
    return features.rdtscp;
}

unsigned guest_apic_bus_shift(void)
{
    return features.apic_bus_shift;
}
