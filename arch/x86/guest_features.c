/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID for guests: masks over what the processor says. SDM vol. 2, CPUID, table 3-8. See guest_features.h. */
#include "arch/x86/guest_features.h"

#include "arch/x86/msr.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_controls.h"

#define BIT(n) (1u << (n))

enum {
    LEAF_FEATURES = 1,
    LEAF_CACHES = 4,
    LEAF_EXTENDED_FEATURES = 7,
    LEAF_XSAVE = 0xd,
    LEAF_LAST = 0xd,
};
static const u32 LEAF_HYPERVISOR = 0x40000000;
static const u32 LEAF_EXTENDED = 0x80000000;
static const u32 LEAF_EXTENDED_LAST = 0x80000008;

/* Leaf 1. Absent: MONITOR, VMX, SMX, EIST, TM2, debug store, PDCM, PCID, DCA, x2APIC, TSC deadline; APIC, MCE, MCA, MTRR. */
static const u32 F1_ECX = BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ |
                          BIT(13) /* CMPXCHG16B */ | BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ |
                          BIT(23) /* POPCNT */ | BIT(25) /* AES */ | BIT(26) /* XSAVE */ | BIT(28) /* AVX */ |
                          BIT(29) /* F16C */ | BIT(30) /* RDRAND */;
static const u32 F1_ECX_XSAVE = BIT(26);
static const u32 F1_ECX_OF_XSAVE = BIT(12) | BIT(26) | BIT(28) | BIT(29); /* what is of no use without XSAVE */
static const u32 F1_ECX_OSXSAVE = BIT(27);
static const u32 F1_ECX_HYPERVISOR = BIT(31);
static const u32 F1_EDX = BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ |
                          BIT(5) /* MSR */ | BIT(6) /* PAE */ | BIT(8) /* CX8 */ | BIT(11) /* SEP */ |
                          BIT(13) /* PGE */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE-36 */ |
                          BIT(19) /* CLFLUSH */ | BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ |
                          BIT(26) /* SSE2 */;
static const u32 F1_EDX_FXSR = BIT(24);

/* Leaf 7. Absent: TSC adjust, SGX, HLE, RTM, MPX, PT; PKU, LA57, CET, KL, PKS, WAITPKG; AMX, speculation control. */
static const u32 F7_EBX = BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(7) /* SMEP */ |
                          BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(18) /* RDSEED */ | BIT(19) /* ADX */ |
                          BIT(20) /* SMAP */ | BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ | BIT(29) /* SHA */;
static const u32 F7_EBX_FSGSBASE = BIT(0), F7_EBX_SMEP = BIT(7), F7_EBX_SMAP = BIT(20);
static const u32 F7_EBX_AVX512 =
    BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31); /* F, DQ, IFMA, CD, BW, VL */
static const u32 F7_ECX = BIT(2) /* UMIP */ | BIT(8) /* GFNI */ | BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */;
static const u32 F7_ECX_AVX512 =
    BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14); /* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
static const u32 F7_ECX_UMIP = BIT(2), F7_ECX_RDPID = BIT(22);
static const u32 F7_EDX = BIT(4) /* FSRM */;

static const u32 FD1_EAX = BIT(0) /* XSAVEOPT */ | BIT(1) /* XSAVEC */ | BIT(2) /* XGETBV 1 */;

static const u32 E1_ECX = BIT(0) /* LAHF */ | BIT(5) /* LZCNT */ | BIT(8) /* PREFETCHW */;
static const u32 E1_EDX = BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1G pages */ | BIT(29) /* 64 bit */;
static const u32 E1_EDX_NX = BIT(20), E1_EDX_RDTSCP = BIT(27);
static const u32 E7_EDX = BIT(8) /* invariant TSC */;

static bool has_rdtscp;

void guest_features_init(void)
{
    has_rdtscp = (vmx_caps.cpu2 & CPU2_RDTSCP) && (cpuid(LEAF_EXTENDED + 1).edx & E1_EDX_RDTSCP);
}

bool guest_has_rdtscp(void)
{
    return has_rdtscp;
}

static struct cpuid_result features(u64 guest_cr4)
{
    struct cpuid_result r = cpuid(LEAF_FEATURES);

    r.ebx = (r.ebx & 0xff00) | BIT(16); /* CLFLUSH line size; one logical processor; APIC id 0 */
    r.ecx &= F1_ECX;
    if (!guest_xcr0_allowed())
        r.ecx &= ~F1_ECX_OF_XSAVE;
    r.ecx |= F1_ECX_HYPERVISOR | (guest_cr4 & CR4_OSXSAVE ? F1_ECX_OSXSAVE : 0);
    r.edx &= F1_EDX;
    return r;
}

static struct cpuid_result extended_features(u32 subleaf)
{
    struct cpuid_result r = cpuid_count(LEAF_EXTENDED_FEATURES, 0);
    bool avx512 = guest_xcr0_allowed() & XCR0_AVX512;

    if (subleaf)
        return (struct cpuid_result){ 0 };
    r.eax = 0;
    r.ebx &= F7_EBX | (avx512 ? F7_EBX_AVX512 : 0);
    r.ecx &= F7_ECX | (avx512 ? F7_ECX_AVX512 : 0) | (guest_has_rdtscp() ? F7_ECX_RDPID : 0);
    r.edx &= F7_EDX;
    return r;
}

static struct cpuid_result xsave_leaf(u32 subleaf)
{
    struct cpuid_result r = cpuid_count(LEAF_XSAVE, subleaf);
    u64 allowed = guest_xcr0_allowed();

    if (!allowed || subleaf > 63)
        return (struct cpuid_result){ 0 };
    if (subleaf == 0) {
        r.eax = (u32)allowed;
        r.ecx = guest_xsave_size();
        r.edx = (u32)(allowed >> 32);
        return r; /* EBX: for the guest's XCR0, which is loaded */
    }
    if (subleaf == 1)
        return (struct cpuid_result){ .eax = r.eax & FD1_EAX, .ebx = r.ebx };
    return allowed >> subleaf & 1 ? r : (struct cpuid_result){ 0 };
}

static struct cpuid_result hypervisor_leaf(u32 leaf)
{
    if (leaf == LEAF_HYPERVISOR) /* "slatslatslat" */
        return (struct cpuid_result){ LEAF_HYPERVISOR, 0x74616c73, 0x74616c73, 0x74616c73 };
    return (struct cpuid_result){ 0 };
}

static struct cpuid_result extended_leaf(u32 leaf)
{
    struct cpuid_result r = cpuid(leaf);

    switch (leaf - LEAF_EXTENDED) {
    case 0:
        return (struct cpuid_result){ .eax = r.eax < LEAF_EXTENDED_LAST ? r.eax : LEAF_EXTENDED_LAST };
    case 1:
        r.ebx = 0;
        r.ecx &= E1_ECX;
        r.edx &= E1_EDX | (guest_has_rdtscp() ? E1_EDX_RDTSCP : 0);
        return r;
    case 7:
        return (struct cpuid_result){ .edx = r.edx & E7_EDX };
    case 8:
        return (struct cpuid_result){ .eax = (r.eax & 0xff) | GUEST_LINEAR_BITS
                                                                  << 8 }; /* physical and linear address bits */
    case 2:
    case 3:
    case 4: /* brand string */
    case 5:
    case 6: /* caches */
        return r;
    default:
        return (struct cpuid_result){ 0 };
    }
}

struct cpuid_result guest_cpuid(u32 leaf, u32 subleaf, u64 guest_cr4)
{
    u32 last = cpuid(0).eax < LEAF_LAST ? cpuid(0).eax : LEAF_LAST;
    struct cpuid_result r;

    if (leaf >= LEAF_EXTENDED && leaf <= cpuid(LEAF_EXTENDED).eax && leaf <= LEAF_EXTENDED_LAST)
        return extended_leaf(leaf);
    if (leaf >= LEAF_HYPERVISOR && leaf < LEAF_HYPERVISOR + 0x10000)
        return hypervisor_leaf(leaf);
    if (leaf > last)
        leaf = last; /* Intel processors answer a leaf beyond the last one with the last one */
    switch (leaf) {
    case 0:
        r = cpuid(0);
        r.eax = last;
        return r;
    case LEAF_FEATURES:
        return features(guest_cr4);
    case 2:
        return cpuid(2);
    case LEAF_CACHES:
        r = cpuid_count(LEAF_CACHES, subleaf);
        r.eax &= 0x3ff; /* nobody shares the caches: one logical processor, one core */
        return r;
    case LEAF_EXTENDED_FEATURES:
        return extended_features(subleaf);
    case LEAF_XSAVE:
        return xsave_leaf(subleaf);
    default:
        return (struct cpuid_result){ 0 };
    }
}

u64 guest_cr4_allowed(void)
{
    struct cpuid_result f1 = features(0), f7 = { 0 };
    u64 allowed = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE;

    if (cpuid(0).eax >= LEAF_EXTENDED_FEATURES)
        f7 = extended_features(0);
    allowed |= f1.edx & F1_EDX_FXSR ? CR4_OSFXSR | CR4_OSXMMEXCPT : 0;
    allowed |= f1.ecx & F1_ECX_XSAVE ? CR4_OSXSAVE : 0;
    allowed |= f7.ebx & F7_EBX_FSGSBASE ? CR4_FSGSBASE : 0;
    allowed |= f7.ebx & F7_EBX_SMEP ? CR4_SMEP : 0;
    allowed |= f7.ebx & F7_EBX_SMAP ? CR4_SMAP : 0;
    allowed |= f7.ecx & F7_ECX_UMIP ? CR4_UMIP : 0;
    return allowed;
}

u64 guest_efer_allowed(void)
{
    return EFER_SCE | EFER_LME | (cpuid(LEAF_EXTENDED + 1).edx & E1_EDX_NX ? EFER_NXE : 0);
}
