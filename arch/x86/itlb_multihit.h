/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iTLB multihit (CVE-2018-12207): on most Intel processors a guest that executes code from a page whose size changes can stop
 * the whole machine with a machine check. Where that is so, large EPT entries are not executable (C7).
 */
#ifndef ARCH_X86_ITLB_MULTIHIT_H
#define ARCH_X86_ITLB_MULTIHIT_H

#include "mm/types.h"

/* `family` and `model` with their extended parts; `arch_caps` is IA32_ARCH_CAPABILITIES where the processor has it. Pure. */
bool itlb_multihit_affected(unsigned family, unsigned model, bool has_arch_caps, u64 arch_caps);

/* The same for the signature in EAX of CPUID leaf 1. */
bool itlb_multihit_affected_signature(u32 signature, bool has_arch_caps, u64 arch_caps);

#endif
