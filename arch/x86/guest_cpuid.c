/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID for a guest, see guest_cpuid.h. A VM is one package in which each vCPU is a core with one thread, and its number is
 * its APIC ID. SDM vol. 2, CPUID; vol. 3, 9.9 "Programming Considerations for Hardware Multi-Threading Capable Processors".
 */
#include "arch/x86/guest_cpuid.h"

enum {
    LEAF_FEATURES = 1,
    LEAF_CACHE_DESCRIPTORS = 2,
    LEAF_CACHES = 4,
    LEAF_POWER = 6,
    LEAF_EXTENDED_FEATURES = 7,
    LEAF_TOPOLOGY = 0xb,
    LEAF_XSAVE = 0xd,
    LEAF_TSC = 0x15,
    LEAF_FREQUENCY = 0x16,
    LEAF_TOPOLOGY_V2 = 0x1f,
};
static const u32 LEAF_HYPERVISOR = 0x40000000, LEAF_TIMING = 0x40000010, LEAF_HYPERVISOR_END = 0x40010000;
static const u32 LEAF_EXTENDED = 0x80000000;

static const u32 F1_ECX_OSXSAVE = 1u << 27, F1_EDX_APIC = 1u << 9, F1_EDX_HTT = 1u << 28;
static const u32 POWER_EAX_ARAT = 1u << 2; /* the local APIC's timer always counts */
static const u32 FD1_EAX_XSAVEC = 1u << 1, XSAVE_ALIGNED = 1u << 1;
enum { CACHE_LEVEL_SHIFT = 5, CACHE_LEVEL = 7, LEVEL_OWN = 2 };
enum { TOPOLOGY_SMT = 1, TOPOLOGY_CORE = 2 };
enum { XSAVE_HEADER_END = 576 };
static const u64 MHZ = 1000000;

/* How many bits number the siblings. */
static unsigned sibling_bits(unsigned siblings)
{
    unsigned bits = 0;

    while (1u << bits < siblings)
        bits++;
    return bits;
}

static struct cpuid_result features_of(const struct guest_features *f, const struct cpuid_asker *asker)
{
    struct cpuid_result r = f->leaves.basic[LEAF_FEATURES];

    r.ebx |= asker->number << 24 | 1u << sibling_bits(asker->siblings) << 16;
    if (asker->cr4 & CR4_OSXSAVE)
        r.ecx |= F1_ECX_OSXSAVE;
    if (!asker->apic_enabled)
        r.edx &= ~F1_EDX_APIC;
    if (asker->siblings > 1)
        r.edx |= F1_EDX_HTT;
    return r;
}

/* Each core has the first two levels for itself; what lies behind them is the package's. */
static struct cpuid_result cache(const struct guest_features *f, const struct cpuid_asker *asker, u32 subleaf)
{
    struct cpuid_result r = subleaf < CPUID_CACHES ? f->leaves.cache[subleaf] : (struct cpuid_result){ 0 };
    u32 others = (1u << sibling_bits(asker->siblings)) - 1;

    if ((r.eax & 0x1f) == 0)
        return (struct cpuid_result){ 0 };
    r.eax = (r.eax & 0x3ff) | others << 26;
    if ((r.eax >> CACHE_LEVEL_SHIFT & CACHE_LEVEL) > LEVEL_OWN)
        r.eax |= others << 14;
    return r;
}

static struct cpuid_result topology(const struct cpuid_asker *asker, u32 subleaf)
{
    struct cpuid_result r = { .ecx = subleaf & 0xff, .edx = asker->number };

    if (subleaf == 0) { /* no bits of the APIC ID number threads in a core */
        r.ebx = 1;
        r.ecx |= TOPOLOGY_SMT << 8;
    } else if (subleaf == 1) {
        r.eax = sibling_bits(asker->siblings);
        r.ebx = asker->siblings;
        r.ecx |= TOPOLOGY_CORE << 8;
    }
    return r;
}

/* Sizes of an XSAVE area with these components. SDM vol. 1, 13.4.2 and 13.4.3. */
static u32 standard_size(const struct guest_features *f, u64 xcr0)
{
    u32 end = XSAVE_HEADER_END;

    for (unsigned i = 2; i < CPUID_XSAVE_COMPONENTS; i++) {
        const struct cpuid_result *component = &f->leaves.xsave[i];
        if (xcr0 >> i & 1 && component->ebx + component->eax > end)
            end = component->ebx + component->eax;
    }
    return end;
}

static u32 compact_size(const struct guest_features *f, u64 xcr0)
{
    u32 end = XSAVE_HEADER_END;

    for (unsigned i = 2; i < CPUID_XSAVE_COMPONENTS; i++) {
        const struct cpuid_result *component = &f->leaves.xsave[i];
        if (!(xcr0 >> i & 1))
            continue;
        if (component->ecx & XSAVE_ALIGNED)
            end = (end + 63) & ~63u;
        end += component->eax;
    }
    return end;
}

static struct cpuid_result xsave(const struct guest_features *f, const struct cpuid_asker *asker, u32 subleaf)
{
    struct cpuid_result r = subleaf < CPUID_XSAVE_COMPONENTS ? f->leaves.xsave[subleaf] : (struct cpuid_result){ 0 };

    if (subleaf == 0 && f->xcr0) {
        r.ebx = standard_size(f, asker->xcr0);
        r.ecx = standard_size(f, f->xcr0);
    } else if (subleaf == 1 && (r.eax & FD1_EAX_XSAVEC)) {
        r.ebx = compact_size(f, asker->xcr0);
    }
    return r;
}

static u32 in_units(u64 hz, u64 unit)
{
    return (u32)((hz + unit / 2) / unit);
}

/* TSC = crystal * EBX / EAX: what the shift loses are fewer Hz than its factor. */
static struct cpuid_result tsc_leaf(const struct guest_features *f)
{
    return (
        struct cpuid_result){ .eax = 1, .ebx = 1u << f->apic_bus_shift, .ecx = (u32)(f->tsc_hz >> f->apic_bus_shift) };
}

static struct cpuid_result frequency_leaf(const struct guest_features *f)
{
    u32 base = in_units(f->tsc_hz, MHZ);

    return (struct cpuid_result){ .eax = base, .ebx = base, .ecx = in_units(f->tsc_hz >> f->apic_bus_shift, MHZ) };
}

static struct cpuid_result hypervisor_leaf(const struct guest_features *f, u32 leaf)
{
    if (leaf == LEAF_HYPERVISOR) /* "slatslatslat" */
        return (struct cpuid_result){ LEAF_TIMING, 0x74616c73, 0x74616c73, 0x74616c73 };
    if (leaf == LEAF_TIMING) /* kHz of the TSC and of the local APIC's timer */
        return (struct cpuid_result){ .eax = in_units(f->tsc_hz, 1000),
                                      .ebx = in_units(f->tsc_hz >> f->apic_bus_shift, 1000) };
    return (struct cpuid_result){ 0 };
}

static bool is_hypervisor_leaf(u32 leaf)
{
    return leaf >= LEAF_HYPERVISOR && leaf < LEAF_HYPERVISOR_END;
}

/* The basic leaf that answers for it. Intel processors answer a leaf beyond the last one with the last one. */
static u32 basic_leaf(const struct guest_features *f, u32 leaf)
{
    return leaf < f->last ? leaf : f->last;
}

bool guest_cpuid_answer_is_constant(const struct guest_features *f, u32 leaf)
{
    u32 basic = basic_leaf(f, leaf);

    return is_hypervisor_leaf(leaf) || (leaf >= LEAF_EXTENDED && leaf <= f->last_extended) ||
           (basic != LEAF_FEATURES && basic != LEAF_XSAVE);
}

struct cpuid_result guest_cpuid_answer(const struct guest_features *f, const struct cpuid_asker *asker, u32 leaf,
                                       u32 subleaf)
{
    if (leaf >= LEAF_EXTENDED && leaf <= f->last_extended)
        return f->leaves.extended[leaf - LEAF_EXTENDED];
    if (is_hypervisor_leaf(leaf))
        return hypervisor_leaf(f, leaf);
    switch (basic_leaf(f, leaf)) {
    case 0:
        return f->leaves.basic[0];
    case LEAF_CACHE_DESCRIPTORS:
        return f->leaves.basic[LEAF_CACHE_DESCRIPTORS];
    case LEAF_FEATURES:
        return features_of(f, asker);
    case LEAF_CACHES:
        return cache(f, asker, subleaf);
    case LEAF_POWER:
        return (struct cpuid_result){ .eax = POWER_EAX_ARAT };
    case LEAF_EXTENDED_FEATURES:
        return subleaf == 0 ? f->leaves.extended_features : (struct cpuid_result){ 0 };
    case LEAF_TOPOLOGY:
    case LEAF_TOPOLOGY_V2:
        return topology(asker, subleaf);
    case LEAF_XSAVE:
        return xsave(f, asker, subleaf);
    case LEAF_TSC:
        return tsc_leaf(f);
    case LEAF_FREQUENCY:
        return frequency_leaf(f);
    default:
        return (struct cpuid_result){ 0 };
    }
}
