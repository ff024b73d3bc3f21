/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest is told about its processor, and what it may therefore use. A feature that is not in these lists does not
 * exist for a guest: its CPUID bit is 0, and its control register bits and MSRs raise #GP.
 */
#ifndef ARCH_X86_GUEST_FEATURES_H
#define ARCH_X86_GUEST_FEATURES_H

#include "arch/x86/cpu.h"
#include "mm/types.h"

enum { GUEST_LINEAR_BITS = 48 }; /* width of linear addresses: 5-level paging does not exist */

/* CPUID as a guest with this CR4 sees it. XCR0 of the guest is loaded. */
struct cpuid_result guest_cpuid(u32 leaf, u32 subleaf, u64 guest_cr4);

/* CR4 bits that a guest may set (without VMXE, which never is). */
u64 guest_cr4_allowed(void);

/* EFER bits that a guest may set. */
u64 guest_efer_allowed(void);

/* Once, when vmx_caps is known and before the first vCPU: what every switch of vCPUs asks. CPUID exits under nested VMX. */
void guest_features_init(void);

/* Guests have RDTSCP and, with it, IA32_TSC_AUX. */
bool guest_has_rdtscp(void);

#endif
