/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers by number and bit. SDM vol. 4, "IA-32 Architectural MSRs"; VMX: volume 3, appendix A. */
#ifndef ARCH_X86_MSR_H
#define ARCH_X86_MSR_H

#include "mm/types.h"

#define MSR_TSC               0x010u
#define MSR_PLATFORM_ID       0x017u
#define MSR_APIC_BASE         0x01bu
#define MSR_TSC_ADJUST        0x03bu
#define MSR_FEATURE_CONTROL   0x03au
#define MSR_SPEC_CTRL         0x048u
#define MSR_PRED_CMD          0x049u
#define MSR_BIOS_SIGN_ID      0x08bu
#define MSR_MTRR_CAP          0x0feu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_SYSENTER_CS       0x174u
#define MSR_SYSENTER_ESP      0x175u
#define MSR_SYSENTER_EIP      0x176u
#define MSR_MISC_ENABLE       0x1a0u
#define MSR_DEBUGCTL          0x1d9u
#define MSR_PAT               0x277u
#define MSR_MTRR_DEF_TYPE     0x2ffu
#define MSR_TSC_DEADLINE      0x6e0u
#define MSR_X2APIC_FIRST      0x800u
#define MSR_X2APIC_LAST       0x8ffu
#define MSR_EFER              0xc0000080u
#define MSR_STAR              0xc0000081u
#define MSR_LSTAR             0xc0000082u
#define MSR_CSTAR             0xc0000083u
#define MSR_FMASK             0xc0000084u
#define MSR_FS_BASE           0xc0000100u
#define MSR_GS_BASE           0xc0000101u
#define MSR_KERNEL_GS_BASE    0xc0000102u
#define MSR_TSC_AUX           0xc0000103u

/* VMX capabilities. */
#define MSR_VMX_BASIC               0x480u
#define MSR_VMX_PINBASED_CTLS       0x481u
#define MSR_VMX_PROCBASED_CTLS      0x482u
#define MSR_VMX_EXIT_CTLS           0x483u
#define MSR_VMX_ENTRY_CTLS          0x484u
#define MSR_VMX_MISC                0x485u
#define MSR_VMX_CR0_FIXED0          0x486u
#define MSR_VMX_CR0_FIXED1          0x487u
#define MSR_VMX_CR4_FIXED0          0x488u
#define MSR_VMX_CR4_FIXED1          0x489u
#define MSR_VMX_PROCBASED_CTLS2     0x48bu
#define MSR_VMX_EPT_VPID_CAP        0x48cu
#define MSR_VMX_TRUE_PINBASED_CTLS  0x48du
#define MSR_VMX_TRUE_PROCBASED_CTLS 0x48eu
#define MSR_VMX_TRUE_EXIT_CTLS      0x48fu
#define MSR_VMX_TRUE_ENTRY_CTLS     0x490u

/* MSR_EFER */
#define EFER_SCE (1ull << 0)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

/* MSR_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCKED     (1ull << 0)
#define FEATURE_CONTROL_VMX_IN_SMX (1ull << 1)
#define FEATURE_CONTROL_VMX        (1ull << 2) /* outside SMX: the one that slat needs */

/* MSR_ARCH_CAPABILITIES; there where CPUID.7.0:EDX[29] is 1 */
#define ARCH_CAPS_IF_PSCHANGE_MC_NO (1ull << 6) /* no machine check when the size of a page changes that is executed */

/* MSR_APIC_BASE */
#define APIC_BASE_X2APIC  (1ull << 10)
#define APIC_BASE_ENABLE  (1ull << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

/* MSR_MISC_ENABLE */
#define MISC_ENABLE_FAST_STRINGS (1ull << 0)
#define MISC_ENABLE_BTS_ABSENT   (1ull << 11)
#define MISC_ENABLE_PEBS_ABSENT  (1ull << 12)
#define MISC_ENABLE_LIMIT_CPUID  (1ull << 22)

/* MSR_PRED_CMD */
#define PRED_CMD_IBPB (1ull << 0)

/* Memory types, as in PAT and EPT entries. */
#define MEMORY_TYPE_WC 1ull
#define MEMORY_TYPE_WB 6ull

/* MSR_PAT after reset: WB WT UC- UC WB WT UC- UC. */
#define PAT_RESET 0x0007040600070406ull

/* Whether the processor takes it for MSR_PAT: each entry is a memory type, and 2 and 3 are none (SDM vol. 3, 13.12.2). */
static inline bool pat_is_valid(u64 pat)
{
    for (unsigned i = 0; i < 8; i++) {
        u64 type = pat >> (8 * i) & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

#endif
