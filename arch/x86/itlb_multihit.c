/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See itlb_multihit.h. Newer processors say that they are not affected (SDM vol. 4, IA32_ARCH_CAPABILITIES); of the older ones
 * the Atoms and Xeon Phis are not, as Linux lists them (Documentation/admin-guide/hw-vuln/multihit.rst).
 */
#include "arch/x86/itlb_multihit.h"

#include "arch/x86/msr.h"

bool itlb_multihit_affected(unsigned family, unsigned model, bool has_arch_caps, u64 arch_caps)
{
    static const u8 unaffected[] = {
        0x1c, 0x26,             /* Bonnell */
        0x27, 0x35, 0x36,       /* Saltwell */
        0x37, 0x4a, 0x4d,       /* Silvermont */
        0x4c, 0x5a, 0x75,       /* Airmont */
        0x5c, 0x5f, 0x7a, 0x86, /* Goldmont, Goldmont Plus, Tremont in servers */
        0x57, 0x85,             /* Knights Landing, Knights Mill */
    };

    if (has_arch_caps && (arch_caps & ARCH_CAPS_IF_PSCHANGE_MC_NO))
        return false;
    if (family != 6)
        return true;
    for (unsigned i = 0; i < sizeof(unaffected); i++)
        if (unaffected[i] == model)
            return false;
    return true;
}

bool itlb_multihit_affected_signature(u32 signature, bool has_arch_caps, u64 arch_caps)
{
    unsigned family = signature >> 8 & 0xf, model = signature >> 4 & 0xf;

    /* SDM vol. 2, CPUID: the extended model counts in families 6 and 15, the extended family in 15. */
    if (family == 6 || family == 15)
        model |= signature >> 12 & 0xf0;
    if (family == 15)
        family += signature >> 20 & 0xff;
    return itlb_multihit_affected(family, model, has_arch_caps, arch_caps);
}
