/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID's answers to one vCPU: the features that all guests have, and its place among its siblings. Pure. */
#ifndef ARCH_X86_GUEST_CPUID_H
#define ARCH_X86_GUEST_CPUID_H

#include "arch/x86/guest_features.h"

/* Who asks. */
struct cpuid_asker {
    unsigned number;   /* its APIC ID */
    unsigned siblings; /* vCPUs of its VM, 1…32, itself included */
    bool apic_enabled; /* IA32_APIC_BASE */
    u64 cr4;
    u64 xcr0; /* for leaf 0xd only */
};

/* Leaves from 0x40000000 on are slat's: "slatslatslat", and frequencies as other hypervisors tell them. */
struct cpuid_result guest_cpuid_answer(const struct guest_features *features, const struct cpuid_asker *asker, u32 leaf,
                                       u32 subleaf);

/* Whether the leaf says the same whatever the vCPU does: its number and its siblings are all that it is asked about. */
bool guest_cpuid_answer_is_constant(const struct guest_features *features, u32 leaf);

#endif
