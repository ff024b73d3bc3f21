/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers by number and bit. SDM volume 4, "IA-32 Architectural MSRs"; VMX: volume 3, appendix A. */
#ifndef ARCH_X86_MSR_H
#define ARCH_X86_MSR_H

#define MSR_TSC               0x010u
#define MSR_PLATFORM_ID       0x017u
#define MSR_APIC_BASE         0x01bu
#define MSR_FEATURE_CONTROL   0x03au
#define MSR_TSC_ADJUST        0x03bu
#define MSR_SPEC_CTRL         0x048u
#define MSR_PRED_CMD          0x049u
#define MSR_BIOS_UPDT_TRIG    0x079u
#define MSR_BIOS_SIGN_ID      0x08bu
#define MSR_PMC0              0x0c1u
#define MSR_MPERF             0x0e7u
#define MSR_APERF             0x0e8u
#define MSR_MTRR_CAP          0x0feu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_FLUSH_CMD         0x10bu
#define MSR_TSX_CTRL          0x122u
#define MSR_SYSENTER_CS       0x174u
#define MSR_SYSENTER_ESP      0x175u
#define MSR_SYSENTER_EIP      0x176u
#define MSR_MCG_CAP           0x179u
#define MSR_MCG_STATUS        0x17au
#define MSR_PERFEVTSEL0       0x186u
#define MSR_MISC_ENABLE       0x1a0u
#define MSR_DEBUGCTL          0x1d9u
#define MSR_SMRR_PHYSBASE     0x1f2u
#define MSR_SMRR_PHYSMASK     0x1f3u
#define MSR_MTRR_PHYSBASE0    0x200u /* PHYSBASE(n) = 0x200 + 2n, PHYSMASK(n) = 0x201 + 2n */
#define MSR_MTRR_PHYSMASK0    0x201u
#define MSR_MTRR_FIX64K_00000 0x250u
#define MSR_MTRR_FIX16K_80000 0x258u
#define MSR_MTRR_FIX16K_A0000 0x259u
#define MSR_MTRR_FIX4K_C0000  0x268u /* to 0x26f, 32 KiB each */
#define MSR_MTRR_FIX4K_F8000  0x26fu
#define MSR_PAT               0x277u
#define MSR_MTRR_DEF_TYPE     0x2ffu
#define MSR_PERF_CAPABILITIES 0x345u
#define MSR_PERF_GLOBAL_CTRL  0x38fu
#define MSR_MC0_CTL           0x400u
#define MSR_TSC_DEADLINE      0x6e0u
#define MSR_PKRS              0x6e1u
#define MSR_U_CET             0x6a0u
#define MSR_S_CET             0x6a2u
#define MSR_PL0_SSP           0x6a4u
#define MSR_PL3_SSP           0x6a7u
#define MSR_SSP_TABLE         0x6a8u
#define MSR_X2APIC_FIRST      0x800u
#define MSR_X2APIC_LAST       0x8ffu
#define MSR_BNDCFGS           0xd90u
#define MSR_XSS               0xda0u
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
#define MSR_VMX_VMCS_ENUM           0x48au
#define MSR_VMX_PROCBASED_CTLS2     0x48bu
#define MSR_VMX_EPT_VPID_CAP        0x48cu
#define MSR_VMX_TRUE_PINBASED_CTLS  0x48du
#define MSR_VMX_TRUE_PROCBASED_CTLS 0x48eu
#define MSR_VMX_TRUE_EXIT_CTLS      0x48fu
#define MSR_VMX_TRUE_ENTRY_CTLS     0x490u
#define MSR_VMX_VMFUNC              0x491u
#define MSR_VMX_PROCBASED_CTLS3     0x492u
#define MSR_VMX_EXIT_CTLS2          0x493u

/* MSR_EFER */
#define EFER_SCE (1ull << 0)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

/* MSR_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCKED     (1ull << 0)
#define FEATURE_CONTROL_VMX_IN_SMX (1ull << 1)
#define FEATURE_CONTROL_VMX        (1ull << 2) /* outside SMX: the one that slat needs */

/* MSR_APIC_BASE */
#define APIC_BASE_BSP     (1ull << 8)
#define APIC_BASE_X2APIC  (1ull << 10)
#define APIC_BASE_ENABLE  (1ull << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

/* MSR_MISC_ENABLE */
#define MISC_ENABLE_FAST_STRINGS (1ull << 0)
#define MISC_ENABLE_BTS_ABSENT   (1ull << 11)
#define MISC_ENABLE_PEBS_ABSENT  (1ull << 12)
#define MISC_ENABLE_LIMIT_CPUID  (1ull << 22)
#define MISC_ENABLE_XD_DISABLE   (1ull << 34)

/* MSR_DEBUGCTL */
#define DEBUGCTL_LBR (1ull << 0)
#define DEBUGCTL_BTF (1ull << 1)

/* MSR_SPEC_CTRL, MSR_PRED_CMD */
#define SPEC_CTRL_IBRS  (1ull << 0)
#define SPEC_CTRL_STIBP (1ull << 1)
#define SPEC_CTRL_SSBD  (1ull << 2)
#define PRED_CMD_IBPB   (1ull << 0)
#define FLUSH_CMD_L1D   (1ull << 0)

/* MSR_ARCH_CAPABILITIES */
#define ARCH_CAP_RDCL_NO            (1ull << 0)
#define ARCH_CAP_IBRS_ALL           (1ull << 1)
#define ARCH_CAP_SKIP_L1DFL_VMENTRY (1ull << 3)
#define ARCH_CAP_MDS_NO             (1ull << 5)
#define ARCH_CAP_IF_PSCHANGE_MC_NO  (1ull << 6) /* the iTLB may see a change of page size without a machine check */
#define ARCH_CAP_TAA_NO             (1ull << 8)

/* MSR_MTRR_CAP, MSR_MTRR_DEF_TYPE, MSR_MTRR_PHYSMASKn */
#define MTRR_CAP_COUNT       0xffull
#define MTRR_CAP_FIXED       (1ull << 8)
#define MTRR_DEF_TYPE_TYPE   0xffull
#define MTRR_DEF_TYPE_FIXED  (1ull << 10)
#define MTRR_DEF_TYPE_ENABLE (1ull << 11)
#define MTRR_PHYSMASK_VALID  (1ull << 11)

/* Memory types, as in MTRRs, PAT and EPT entries. */
#define MEMORY_TYPE_UC 0ull
#define MEMORY_TYPE_WC 1ull
#define MEMORY_TYPE_WT 4ull
#define MEMORY_TYPE_WP 5ull
#define MEMORY_TYPE_WB 6ull

/* MSR_PAT after reset: WB WT UC- UC WB WT UC- UC. */
#define PAT_RESET 0x0007040600070406ull

#endif
