/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest is told about its processor, and what it may therefore use. A feature that is not in these lists does not
 * exist for a guest: its CPUID bit is 0, and its control register bits and MSRs raise #GP.
 *
 * The processor's CPUID is read once (guest_features_read.c) and judged by a pure function (guest_features_judge) that the
 * host tests run on the values of many processors; what depends on who asks is guest_cpuid.h.
 */
#ifndef ARCH_X86_GUEST_FEATURES_H
#define ARCH_X86_GUEST_FEATURES_H

#include "arch/x86/cpu.h"
#include "mm/types.h"

struct vcpu;

enum { GUEST_LINEAR_BITS = 48 }; /* width of linear addresses: 5-level paging does not exist */

enum { CPUID_CACHES = 8, CPUID_XSAVE_COMPONENTS = 8, CPUID_EXTENDED_LEAVES = 9 };

/* CPUID leaves: the processor's, or what of them guests see. What it has not is 0. */
struct cpuid_leaves {
    struct cpuid_result basic[3];                        /* 0 to 2 */
    struct cpuid_result cache[CPUID_CACHES];             /* 4, by subleaf; one of type 0 ends the list */
    struct cpuid_result extended_features;               /* 7, subleaf 0 */
    struct cpuid_result xsave[CPUID_XSAVE_COMPONENTS];   /* 0xd, by subleaf */
    struct cpuid_result extended[CPUID_EXTENDED_LEAVES]; /* 0x80000000 to 0x80000008 */
};

/* What else decides about it. */
struct guest_means {
    u64 xcr0;    /* the components that are switched; 0: no XSAVE */
    bool rdtscp; /* RDTSCP, RDPID and IA32_TSC_AUX can be given to guests */
    u64 tsc_hz;
};

struct guest_features {
    struct cpuid_leaves leaves;
    u32 last;            /* the last basic leaf */
    u32 last_extended;   /* the last one from 0x80000000 on */
    u64 xcr0, cr4, efer; /* the bits that a guest may set; in CR4 without VMXE, which never is */
    unsigned physical_bits;
    bool rdtscp;
    u64 tsc_hz;
    unsigned apic_bus_shift; /* the local APIC's timer counts at tsc_hz >> apic_bus_shift */
};

void guest_features_judge(const struct cpuid_leaves *processor, const struct guest_means *means,
                          struct guest_features *features);

/* ---- on this machine ---- */

/* Once, after vmx_caps is known and before the first vCPU. CPUID is executed only here: it exits under nested VMX. */
void guest_features_init(u64 tsc_hz);

/* CPUID as the vCPU sees it, which is current. */
struct cpuid_result guest_cpuid(const struct vcpu *vcpu, u32 leaf, u32 subleaf);

/* As long as it lives, a vCPU sees the same in this leaf. */
bool guest_cpuid_is_constant(u32 leaf);

/* CR4 bits that a guest may set, and EFER bits. */
u64 guest_cr4_allowed(void);
u64 guest_efer_allowed(void);

/* Guests have RDTSCP and, with it, IA32_TSC_AUX. */
bool guest_has_rdtscp(void);

/* The frequency of the local APIC's timer, as CPUID tells it, is the TSC's shifted right by this. */
unsigned guest_apic_bus_shift(void);

#endif
