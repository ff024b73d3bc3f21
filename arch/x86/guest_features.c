/* SPDX-License-Identifier: BSD-2-Clause */
/* Which features guests have: masks over what the processor says. SDM vol. 2, CPUID, table 3-8. See guest_features.h. */
#include "arch/x86/guest_features.h"

#include "arch/x86/msr.h"

#define BIT(n) (1u << (n))

/* Leaves 0x15 and 0x16 tell frequencies; 0x1f is there where the processor has one. */
enum { LEAF_FREQUENCY = 0x16, LEAF_TOPOLOGY_V2 = 0x1f };
static const u32 LEAF_EXTENDED = 0x80000000;

/* Leaf 1. Absent: MONITOR, VMX, SMX, EIST, TM2, debug store, PDCM, PCID, DCA; MCE, MCA, thermal monitor. */
static const u32 F1_ECX = BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(13) /* CMPXCHG16B */ |
                          BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ |
                          BIT(25) /* AES */ | BIT(30) /* RDRAND */;
static const u32 F1_ECX_XSAVE = BIT(26);
static const u32 F1_ECX_AVX = BIT(12) /* FMA */ | BIT(28) /* AVX */ | BIT(29) /* F16C */;
/* What slat makes itself, whatever the processor has. */
static const u32 F1_ECX_MADE = BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ | BIT(31) /* hypervisor */;
static const u32 F1_EDX = BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ |
                          BIT(5) /* MSR */ | BIT(6) /* PAE */ | BIT(8) /* CX8 */ | BIT(11) /* SEP */ |
                          BIT(13) /* PGE */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE-36 */ |
                          BIT(19) /* CLFLUSH */ | BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ |
                          BIT(26) /* SSE2 */;
static const u32 F1_EDX_FXSR = BIT(24);
static const u32 F1_EDX_MADE = BIT(9) /* APIC */ | BIT(12) /* MTRR */;
static const u32 F1_EBX = 0xff00; /* CLFLUSH line size; the rest depends on who asks */

/* Leaf 6: the local APIC's timer always counts. */
/* Leaf 7. Absent: SGX, HLE, INVPCID, RTM, RDT, MPX, PT; PKU, WAITPKG, CET, LA57, KL, ENQCMD, PKS; AMX, speculation control. */
static const u32 F7_EBX = BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(6) /* FDP only with exceptions */ |
                          BIT(7) /* SMEP */ | BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(13) /* no FCS, FDS */ |
                          BIT(18) /* RDSEED */ | BIT(19) /* ADX */ | BIT(20) /* SMAP */ | BIT(23) /* CLFLUSHOPT */ |
                          BIT(24) /* CLWB */ | BIT(29) /* SHA */;
static const u32 F7_EBX_MADE = BIT(1) /* IA32_TSC_ADJUST */;
static const u32 F7_EBX_FSGSBASE = BIT(0), F7_EBX_SMEP = BIT(7), F7_EBX_SMAP = BIT(20);
static const u32 F7_EBX_AVX = BIT(5) /* AVX2 */;
static const u32 F7_EBX_AVX512 =
    BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31); /* F, DQ, IFMA, CD, BW, VL */
static const u32 F7_ECX = BIT(2) /* UMIP */ | BIT(8) /* GFNI */;
static const u32 F7_ECX_AVX = BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */;
static const u32 F7_ECX_AVX512 =
    BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14); /* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
static const u32 F7_ECX_UMIP = BIT(2), F7_ECX_RDPID = BIT(22);
static const u32 F7_EDX = BIT(4) /* FSRM */ | BIT(10) /* MD_CLEAR */ | BIT(14) /* SERIALIZE */;

static const u32 FD1_EAX = BIT(0) /* XSAVEOPT */ | BIT(1) /* XSAVEC */ | BIT(2) /* XGETBV 1 */;

static const u32 E1_ECX = BIT(0) /* LAHF */ | BIT(5) /* LZCNT */ | BIT(8) /* PREFETCHW */;
static const u32 E1_EDX = BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1G pages */ | BIT(29) /* 64 bit */;
static const u32 E1_EDX_NX = BIT(20), E1_EDX_RDTSCP = BIT(27);
static const u32 E7_EDX = BIT(8) /* invariant TSC */;

/*
 * Linux takes the period of the local APIC's timer from CPUID's crystal clock, in whole kHz: the faster the better. Its counter
 * has 32 bits and is to last for seconds; more than 200 MHz no processor's bus had.
 */
static const u64 APIC_BUS_HZ_MAX = 200000000;

static void judge_features(const struct cpuid_leaves *processor, struct guest_features *f)
{
    struct cpuid_result *r = &f->leaves.basic[1];
    u32 with_xcr0 = (f->xcr0 ? F1_ECX_XSAVE : 0) | (f->xcr0 & XCR0_AVX ? F1_ECX_AVX : 0);

    *r = processor->basic[1];
    r->ebx &= F1_EBX;
    r->ecx = (r->ecx & (F1_ECX | with_xcr0)) | F1_ECX_MADE;
    r->edx = (r->edx & F1_EDX) | F1_EDX_MADE;
}

static void judge_extended_features(const struct cpuid_leaves *processor, struct guest_features *f)
{
    struct cpuid_result r = processor->extended_features;
    bool avx = f->xcr0 & XCR0_AVX, avx512 = f->xcr0 & XCR0_AVX512;

    f->leaves.extended_features = (struct cpuid_result){
        .eax = 0, /* there is one subleaf */
        .ebx = (r.ebx & (F7_EBX | (avx ? F7_EBX_AVX : 0) | (avx512 ? F7_EBX_AVX512 : 0))) | F7_EBX_MADE,
        .ecx =
            r.ecx & (F7_ECX | (avx ? F7_ECX_AVX : 0) | (avx512 ? F7_ECX_AVX512 : 0) | (f->rdtscp ? F7_ECX_RDPID : 0)),
        .edx = r.edx & F7_EDX,
    };
}

static void judge_xsave(const struct cpuid_leaves *processor, struct guest_features *f)
{
    if (!f->xcr0)
        return;
    f->leaves.xsave[0] = (struct cpuid_result){ .eax = (u32)f->xcr0, .edx = (u32)(f->xcr0 >> 32) };
    f->leaves.xsave[1] = (struct cpuid_result){ .eax = processor->xsave[1].eax & FD1_EAX };
    for (unsigned i = 2; i < CPUID_XSAVE_COMPONENTS; i++)
        if (f->xcr0 >> i & 1)
            f->leaves.xsave[i] = processor->xsave[i];
}

static void judge_extended(const struct cpuid_leaves *processor, struct guest_features *f)
{
    const struct cpuid_result *from = processor->extended;
    struct cpuid_result *to = f->leaves.extended;
    u32 last = LEAF_EXTENDED + CPUID_EXTENDED_LEAVES - 1;

    f->last_extended = from[0].eax < last ? from[0].eax : last;
    to[0].eax = f->last_extended;
    to[1] = from[1];
    to[1].ebx = 0;
    to[1].ecx &= E1_ECX;
    to[1].edx &= E1_EDX | (f->rdtscp ? E1_EDX_RDTSCP : 0);
    for (unsigned i = 2; i <= 6; i++)
        to[i] = from[i]; /* brand string, caches */
    to[7].edx = from[7].edx & E7_EDX;
    f->physical_bits = f->last_extended >= LEAF_EXTENDED + 8 ? from[8].eax & 0xff : 36;
    to[8].eax = f->physical_bits | GUEST_LINEAR_BITS << 8;
}

static u64 cr4_allowed(const struct cpuid_leaves *leaves)
{
    struct cpuid_result f1 = leaves->basic[1], f7 = leaves->extended_features;
    u64 allowed = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE;

    allowed |= f1.edx & F1_EDX_FXSR ? CR4_OSFXSR | CR4_OSXMMEXCPT : 0;
    allowed |= f1.ecx & F1_ECX_XSAVE ? CR4_OSXSAVE : 0;
    allowed |= f7.ebx & F7_EBX_FSGSBASE ? CR4_FSGSBASE : 0;
    allowed |= f7.ebx & F7_EBX_SMEP ? CR4_SMEP : 0;
    allowed |= f7.ebx & F7_EBX_SMAP ? CR4_SMAP : 0;
    allowed |= f7.ecx & F7_ECX_UMIP ? CR4_UMIP : 0;
    return allowed;
}

void guest_features_judge(const struct cpuid_leaves *processor, const struct guest_means *means,
                          struct guest_features *f)
{
    *f = (struct guest_features){
        .last = processor->basic[0].eax >= LEAF_TOPOLOGY_V2 ? LEAF_TOPOLOGY_V2 : LEAF_FREQUENCY,
        .xcr0 = processor->basic[1].ecx & F1_ECX_XSAVE ? means->xcr0 : 0,
        .rdtscp = means->rdtscp && (processor->extended[1].edx & E1_EDX_RDTSCP),
        .tsc_hz = means->tsc_hz,
    };
    while (f->tsc_hz >> f->apic_bus_shift > APIC_BUS_HZ_MAX)
        f->apic_bus_shift++;
    f->leaves.basic[0] = processor->basic[0];
    f->leaves.basic[0].eax = f->last;
    judge_features(processor, f);
    f->leaves.basic[2] = processor->basic[2];
    for (unsigned i = 0; i < CPUID_CACHES; i++)
        f->leaves.cache[i] = processor->cache[i];
    judge_extended_features(processor, f);
    judge_xsave(processor, f);
    judge_extended(processor, f);
    f->cr4 = cr4_allowed(&f->leaves);
    f->efer = EFER_SCE | EFER_LME | (f->leaves.extended[1].edx & E1_EDX_NX ? EFER_NXE : 0);
}
