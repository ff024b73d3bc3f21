/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: CPUID tells the truth. What it offers works: no instruction raises #UD, no register #GP. What it does not offer, and
 * the processor lets a hypervisor hide, is not there. Passes on every processor.
 *
 *   [guest features]
 *   image = features.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum reg { EAX, EBX, ECX, EDX };

static u8 area[4096] __attribute__((aligned(64)));
static u32 vector[16] __attribute__((aligned(64)));

/* An instruction with its operands: %0 is 64 bytes of memory, EAX, ECX and EDX are free. */
#define INSTRUCTION(name, text)                                                            \
    static void name(void *unused)                                                         \
    {                                                                                      \
        __asm__ volatile(text : "+m"(vector) : "D"(area) : "eax", "ecx", "edx", "memory"); \
    }

INSTRUCTION(fpu, "fninit")
INSTRUCTION(rdtsc_, "rdtsc")
INSTRUCTION(cx8, "cmpxchg8b %0")
INSTRUCTION(cmov, "cmove %%ecx, %%eax")
INSTRUCTION(clflush, "clflush %0")
INSTRUCTION(mmx, "paddb %%mm0, %%mm1; emms")
INSTRUCTION(fxsr, "fxsave (%%edi)")
INSTRUCTION(sse, "addps %%xmm0, %%xmm0")
INSTRUCTION(sse2, "paddq %%xmm0, %%xmm0")
INSTRUCTION(sse3, "haddps %%xmm0, %%xmm0")
INSTRUCTION(pclmulqdq, "pclmulqdq $0, %%xmm0, %%xmm0")
INSTRUCTION(ssse3, "pabsb %%xmm0, %%xmm0")
INSTRUCTION(fma, "vfmadd132ps %%ymm0, %%ymm0, %%ymm0")
INSTRUCTION(sse41, "pmaxsd %%xmm0, %%xmm0")
INSTRUCTION(sse42, "pcmpgtq %%xmm0, %%xmm0")
INSTRUCTION(movbe, "movbe %0, %%eax")
INSTRUCTION(popcnt, "popcnt %%ecx, %%eax")
INSTRUCTION(aes, "aesenc %%xmm0, %%xmm0")
INSTRUCTION(xgetbv_0, "xor %%ecx, %%ecx; xgetbv")
INSTRUCTION(avx, "vaddps %%ymm0, %%ymm0, %%ymm0")
INSTRUCTION(f16c, "vcvtph2ps %%xmm0, %%ymm0")
INSTRUCTION(rdrand, "rdrand %%eax")
INSTRUCTION(bmi1, "andn %%eax, %%ecx, %%edx")
INSTRUCTION(avx2, "vpaddd %%ymm0, %%ymm0, %%ymm0")
INSTRUCTION(bmi2, "mulx %%eax, %%ecx, %%eax")
INSTRUCTION(avx512f, "vpaddd %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(avx512dq, "vpmullq %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(rdseed, "rdseed %%eax")
INSTRUCTION(adx, "adcx %%ecx, %%eax")
INSTRUCTION(avx512ifma, "vpmadd52luq %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(clflushopt, "clflushopt %0")
INSTRUCTION(clwb, "clwb %0")
INSTRUCTION(avx512cd, "vpconflictd %%zmm0, %%zmm0")
INSTRUCTION(sha, "sha1msg1 %%xmm0, %%xmm0")
INSTRUCTION(avx512bw, "vpaddb %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(avx512vl, "vpaddd %%ymm0, %%ymm0, %%ymm0%{%%k1%}")
INSTRUCTION(smap, "stac; clac")
INSTRUCTION(vbmi, "vpermb %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(vbmi2, "vpshldw $1, %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(gfni, "gf2p8mulb %%xmm0, %%xmm0")
INSTRUCTION(vaes, "vaesenc %%ymm0, %%ymm0, %%ymm0")
INSTRUCTION(vpclmulqdq, "vpclmulqdq $0, %%ymm0, %%ymm0, %%ymm0")
INSTRUCTION(vnni, "vpdpbusd %%zmm0, %%zmm0, %%zmm0")
INSTRUCTION(bitalg, "vpopcntb %%zmm0, %%zmm0")
INSTRUCTION(vpopcntdq, "vpopcntd %%zmm0, %%zmm0")
INSTRUCTION(rdpid, "rdpid %%eax")
INSTRUCTION(serialize, ".byte 0x0f, 0x01, 0xe8")
INSTRUCTION(xsaveopt, "mov $3, %%eax; xor %%edx, %%edx; xsaveopt (%%edi)")
INSTRUCTION(xsavec, "mov $3, %%eax; xor %%edx, %%edx; xsavec (%%edi)")
INSTRUCTION(xgetbv_1, "mov $1, %%ecx; xgetbv")
INSTRUCTION(rdtscp, "rdtscp")

INSTRUCTION(monitor, "lea %0, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor")
INSTRUCTION(mwait, "xor %%eax, %%eax; xor %%ecx, %%ecx; mwait")
INSTRUCTION(getsec, "xor %%eax, %%eax; .byte 0x0f, 0x37")
INSTRUCTION(rdpmc, "xor %%ecx, %%ecx; rdpmc")
INSTRUCTION(invpcid, "mov $2, %%eax; invpcid %0, %%eax")
INSTRUCTION(xsaves, "mov $3, %%eax; xor %%edx, %%edx; xsaves (%%edi)")
INSTRUCTION(xrstors, "mov $3, %%eax; xor %%edx, %%edx; xrstors (%%edi)")
INSTRUCTION(rdpkru, "xor %%ecx, %%ecx; rdpkru")
INSTRUCTION(wrpkru, "xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; wrpkru")
INSTRUCTION(tpause, "xor %%ecx, %%ecx; tpause %%ecx")
INSTRUCTION(umwait, "xor %%ecx, %%ecx; umwait %%ecx")
INSTRUCTION(umonitor, "lea %0, %%eax; umonitor %%eax")
INSTRUCTION(encls, "xor %%eax, %%eax; encls")
INSTRUCTION(pconfig, "xor %%eax, %%eax; pconfig")
INSTRUCTION(incssp, "xor %%eax, %%eax; incsspd %%eax")
INSTRUCTION(vmfunc, "xor %%eax, %%eax; vmfunc")

/* Where CPUID says whether it is there, and what uses it. */
struct feature {
    const char *name;
    u32 leaf;
    u8 subleaf, reg, bit;
    void (*use)(void *unused);
};

static const struct feature instructions[] = {
    { "x87", 1, 0, EDX, 0, fpu },
    { "TSC", 1, 0, EDX, 4, rdtsc_ },
    { "CMPXCHG8B", 1, 0, EDX, 8, cx8 },
    { "CMOV", 1, 0, EDX, 15, cmov },
    { "CLFLUSH", 1, 0, EDX, 19, clflush },
    { "MMX", 1, 0, EDX, 23, mmx },
    { "FXSAVE", 1, 0, EDX, 24, fxsr },
    { "SSE", 1, 0, EDX, 25, sse },
    { "SSE2", 1, 0, EDX, 26, sse2 },
    { "SSE3", 1, 0, ECX, 0, sse3 },
    { "PCLMULQDQ", 1, 0, ECX, 1, pclmulqdq },
    { "SSSE3", 1, 0, ECX, 9, ssse3 },
    { "FMA", 1, 0, ECX, 12, fma },
    { "SSE4.1", 1, 0, ECX, 19, sse41 },
    { "SSE4.2", 1, 0, ECX, 20, sse42 },
    { "MOVBE", 1, 0, ECX, 22, movbe },
    { "POPCNT", 1, 0, ECX, 23, popcnt },
    { "AES", 1, 0, ECX, 25, aes },
    { "XSAVE", 1, 0, ECX, 26, xgetbv_0 },
    { "AVX", 1, 0, ECX, 28, avx },
    { "F16C", 1, 0, ECX, 29, f16c },
    { "RDRAND", 1, 0, ECX, 30, rdrand },
    { "BMI1", 7, 0, EBX, 3, bmi1 },
    { "AVX2", 7, 0, EBX, 5, avx2 },
    { "BMI2", 7, 0, EBX, 8, bmi2 },
    { "AVX512F", 7, 0, EBX, 16, avx512f },
    { "AVX512DQ", 7, 0, EBX, 17, avx512dq },
    { "RDSEED", 7, 0, EBX, 18, rdseed },
    { "ADX", 7, 0, EBX, 19, adx },
    { "SMAP", 7, 0, EBX, 20, smap },
    { "AVX512_IFMA", 7, 0, EBX, 21, avx512ifma },
    { "CLFLUSHOPT", 7, 0, EBX, 23, clflushopt },
    { "CLWB", 7, 0, EBX, 24, clwb },
    { "AVX512CD", 7, 0, EBX, 28, avx512cd },
    { "SHA", 7, 0, EBX, 29, sha },
    { "AVX512BW", 7, 0, EBX, 30, avx512bw },
    { "AVX512VL", 7, 0, EBX, 31, avx512vl },
    { "AVX512_VBMI", 7, 0, ECX, 1, vbmi },
    { "AVX512_VBMI2", 7, 0, ECX, 6, vbmi2 },
    { "GFNI", 7, 0, ECX, 8, gfni },
    { "VAES", 7, 0, ECX, 9, vaes },
    { "VPCLMULQDQ", 7, 0, ECX, 10, vpclmulqdq },
    { "AVX512_VNNI", 7, 0, ECX, 11, vnni },
    { "AVX512_BITALG", 7, 0, ECX, 12, bitalg },
    { "AVX512_VPOPCNTDQ", 7, 0, ECX, 14, vpopcntdq },
    { "RDPID", 7, 0, ECX, 22, rdpid },
    { "SERIALIZE", 7, 0, EDX, 14, serialize },
    { "XSAVEOPT", 0xd, 1, EAX, 0, xsaveopt },
    { "XSAVEC", 0xd, 1, EAX, 1, xsavec },
    { "XGETBV 1", 0xd, 1, EAX, 2, xgetbv_1 },
    { "RDTSCP", 0x80000001, 0, EDX, 27, rdtscp },
};

/* These a hypervisor can take away, and slat does: CPUID says 0, and they raise #UD. */
static const struct feature removable[] = {
    { "MONITOR", 1, 0, ECX, 3, monitor },   { "MWAIT", 1, 0, ECX, 3, mwait },
    { "GETSEC", 1, 0, ECX, 6, getsec },     { "INVPCID", 7, 0, EBX, 10, invpcid },
    { "XSAVES", 0xd, 1, EAX, 3, xsaves },   { "XRSTORS", 0xd, 1, EAX, 3, xrstors },
    { "RDPKRU", 7, 0, ECX, 3, rdpkru },     { "WRPKRU", 7, 0, ECX, 3, wrpkru },
    { "TPAUSE", 7, 0, ECX, 5, tpause },     { "UMWAIT", 7, 0, ECX, 5, umwait },
    { "UMONITOR", 7, 0, ECX, 5, umonitor }, { "ENCLS", 7, 0, EBX, 2, encls },
    { "PCONFIG", 7, 0, EDX, 18, pconfig },  { "INCSSP", 7, 0, ECX, 7, incssp },
    { "VMFUNC", 1, 0, ECX, 5, vmfunc },     { "RDTSCP", 0x80000001, 0, EDX, 27, rdtscp },
    { "RDPID", 7, 0, ECX, 22, rdpid },
};

/* Bits of CR4 by number, and the feature that a guest must have to set them; the others it never may. */
static const struct feature cr4_bits[] = {
    { "VME", 1, 0, EDX, 1, NULL },    { "PVI", 1, 0, EDX, 1, NULL },      { "TSD", 1, 0, EDX, 4, NULL },
    { "DE", 1, 0, EDX, 2, NULL },     { "PSE", 1, 0, EDX, 3, NULL },      { "PAE", 1, 0, EDX, 6, NULL },
    { "MCE", 1, 0, EDX, 7, NULL },    { "PGE", 1, 0, EDX, 13, NULL },     { "PCE", 1, 0, EDX, 5, NULL },
    { "FXSR", 1, 0, EDX, 24, NULL },  { "XMM", 1, 0, EDX, 24, NULL },     { "UMIP", 7, 0, ECX, 2, NULL },
    { "LA57", 7, 0, ECX, 16, NULL },  { "VMXE", 1, 0, ECX, 5, NULL },     { "SMXE", 1, 0, ECX, 6, NULL },
    { "15", 0, 0, 0, 0, NULL },       { "FSGSBASE", 7, 0, EBX, 0, NULL }, { "PCIDE", 1, 0, ECX, 17, NULL },
    { "XSAVE", 1, 0, ECX, 26, NULL }, { "KL", 7, 0, ECX, 23, NULL },      { "SMEP", 7, 0, EBX, 7, NULL },
    { "SMAP", 7, 0, EBX, 20, NULL },  { "PKE", 7, 0, ECX, 3, NULL },      { "CET", 7, 0, ECX, 7, NULL },
    { "PKS", 7, 0, ECX, 31, NULL },   { "UINTR", 7, 0, EDX, 5, NULL },
};

/* What CPUID offers has these MSRs. */
static const struct {
    struct feature feature;
    u32 msr;
} offered_msrs[] = {
    { { "TSC", 1, 0, EDX, 4, NULL }, 0x10 },
    { { "APIC", 1, 0, EDX, 9, NULL }, 0x1b },
    { { "TSC_ADJUST", 7, 0, EBX, 1, NULL }, 0x3b },
    { { "MTRR", 1, 0, EDX, 12, NULL }, 0xfe },
    { { "MTRR", 1, 0, EDX, 12, NULL }, 0x200 },
    { { "MTRR", 1, 0, EDX, 12, NULL }, 0x20f },
    { { "MTRR", 1, 0, EDX, 12, NULL }, 0x250 },
    { { "MTRR", 1, 0, EDX, 12, NULL }, 0x26f },
    { { "MTRR", 1, 0, EDX, 12, NULL }, 0x2ff },
    { { "SYSENTER", 1, 0, EDX, 11, NULL }, 0x174 },
    { { "PAT", 1, 0, EDX, 16, NULL }, 0x277 },
    { { "TSC deadline", 1, 0, ECX, 24, NULL }, 0x6e0 },
    { { "EFER", 0x80000001, 0, EDX, 29, NULL }, 0xc0000080 },
    { { "TSC_AUX", 0x80000001, 0, EDX, 27, NULL }, 0xc0000103 },
};

/* SMX and VMX, SGX, speculation, counters, PMU, machine checks, HWP and thermal, debug store, PT, XSS, XFD, CET, AMX, UINTR … */
static const u32 hidden_msrs[] = {
    0x3a,  0x48,  0x49,  0x8c,  0x9b,  0xc1,  0xce,  0xcf,  0xe1,  0xe7,  0x10a, 0x10b, 0x122, 0x140,
    0x179, 0x186, 0x198, 0x199, 0x19c, 0x1b0, 0x1c4, 0x309, 0x345, 0x38f, 0x3f1, 0x400, 0x480, 0x491,
    0x570, 0x600, 0x6a0, 0x6a4, 0x770, 0xc81, 0xc8f, 0xd90, 0xda0, 0x981, 0x982, 0xd93, 0x985, 0x1200,
};

static bool is_offered(const struct feature *f)
{
    struct cpuid r = cpuid(f->leaf, f->subleaf);
    u32 regs[4] = { r.eax, r.ebx, r.ecx, r.edx };

    return regs[f->reg] >> f->bit & 1;
}

static void set_cr4(void *value)
{
    write_cr4((uintptr_t)value);
}

static void set_xcr0(void *value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((u32)(uintptr_t)value), "d"(0) : "memory");
}

static void enable_state(void)
{
    write_cr0((read_cr0() & ~(uintptr_t)(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(read_cr4() | CR4_SSE);
    if (cpuid(1, 0).ecx & 1 << 26) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        set_xcr0((void *)(uintptr_t)cpuid(0xd, 0).eax);
    }
}

static void check_instructions(void)
{
    unsigned offered = 0, wrong = 0;

    for (unsigned i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
        const struct feature *f = &instructions[i];
        if (!is_offered(f))
            continue;
        offered++;
        int raised = catch_exception(f->use, NULL);
        if (raised != NO_EXCEPTION) {
            print("# %s raises exception %d\n", f->name, raised);
            wrong++;
        }
    }
    ok(wrong == 0, "the %u groups of instructions that are offered work", offered);
}

static void check_removable(void)
{
    unsigned hidden = 0, wrong = 0;

    for (unsigned i = 0; i < sizeof(removable) / sizeof(removable[0]); i++) {
        const struct feature *f = &removable[i];
        if (is_offered(f))
            continue;
        hidden++;
        int raised = catch_exception(f->use, NULL);
        if (raised != EXCEPTION_UD) {
            print("# %s does not raise #UD (%d)\n", f->name, raised);
            wrong++;
        }
    }
    ok(wrong == 0 && hidden >= 15, "the %u that are hidden raise #UD", hidden);
    ok(catch_exception(rdpmc, NULL) == EXCEPTION_GP, "there are no performance counters");
}

static void check_cr4(void)
{
    const unsigned known = sizeof(cr4_bits) / sizeof(cr4_bits[0]);
    uintptr_t before = read_cr4();
    unsigned offered = 0, wrong = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        bool allowed = bit < known && cr4_bits[bit].leaf && is_offered(&cr4_bits[bit]);
        int raised = catch_exception(set_cr4, (void *)(before ^ (uintptr_t)1 << bit));
        uintptr_t after = read_cr4();
        offered += allowed;
        if (raised != (allowed ? NO_EXCEPTION : EXCEPTION_GP) ||
            after != (allowed ? before ^ (uintptr_t)1 << bit : before)) {
            print("# CR4 bit %u: exception %d, CR4 0x%x\n", bit, raised, (u32)after);
            wrong++;
        }
        write_cr4(before);
    }
    ok(wrong == 0, "CR4 has the %u bits that are offered, and no other one", offered);
}

static void check_xcr0(void)
{
    u32 offered = cpuid(0xd, 0).eax;
    unsigned wrong = 0;

    if (!(cpuid(1, 0).ecx & 1 << 26)) {
        ok(catch_exception(xgetbv_0, NULL) == EXCEPTION_UD, "there is no XCR0");
        return;
    }
    for (unsigned bit = 0; bit < 32; bit++)
        if (!(offered >> bit & 1))
            wrong += catch_exception(set_xcr0, (void *)(uintptr_t)(offered | 1u << bit)) != EXCEPTION_GP;
    ok(wrong == 0, "XCR0 takes no component that is not offered");
}

static void check_msrs(void)
{
    unsigned wrong = 0;
    u64 value;

    for (unsigned i = 0; i < sizeof(offered_msrs) / sizeof(offered_msrs[0]); i++) {
        if (is_offered(&offered_msrs[i].feature) && try_rdmsr(offered_msrs[i].msr, &value) != NO_EXCEPTION) {
            print("# %s: MSR 0x%x is not there\n", offered_msrs[i].feature.name, offered_msrs[i].msr);
            wrong++;
        }
    }
    ok(wrong == 0, "what is offered has its MSRs");
    wrong = 0;
    for (unsigned i = 0; i < sizeof(hidden_msrs) / sizeof(hidden_msrs[0]); i++) {
        if (try_rdmsr(hidden_msrs[i], &value) != EXCEPTION_GP || try_wrmsr(hidden_msrs[i], 0) != EXCEPTION_GP) {
            print("# MSR 0x%x is there\n", hidden_msrs[i]);
            wrong++;
        }
    }
    ok(wrong == 0, "what is hidden has none");
}

void stub_main(void)
{
    plan(7);
    enable_state();
    check_instructions();
    check_removable();
    check_cr4();
    check_xcr0();
    check_msrs();
}
