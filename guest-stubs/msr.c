/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: the MSRs that a guest has work, and others raise #GP as on a processor that lacks them.
 *
 *   [guest msr]
 *   image = msr.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

#define NON_CANONICAL 0x8000000000000000ull

enum {
    TSC = 0x10,
    FEATURE_CONTROL = 0x3a,
    MTRR_CAP = 0xfe,
    MTRR_BASE0 = 0x200,
    MTRR_MASK7 = 0x20f,
    MTRR_FIX_4K_F8000 = 0x26f,
    MTRR_DEF_TYPE = 0x2ff,
    EDX_MTRR = 1 << 12,
    TSC_ADJUST = 0x3b,
    BIOS_SIGN_ID = 0x8b,
    SYSENTER_CS = 0x174,
    SYSENTER_ESP = 0x175,
    SYSENTER_EIP = 0x176,
    MISC_ENABLE = 0x1a0,
    PAT = 0x277,
    VMX_BASIC = 0x480,
    UNKNOWN = 0x12345,
    STAR = 0xc0000081,
    LSTAR = 0xc0000082,
    CSTAR = 0xc0000083,
    FMASK = 0xc0000084,
    FS_BASE = 0xc0000100,
    GS_BASE = 0xc0000101,
    KERNEL_GS_BASE = 0xc0000102,
    EFER_RESERVED = 1 << 1,
};

/* Whether the MSR takes `value` and gives it back; it is left as it was. */
static bool keeps(u32 msr, u64 value)
{
    u64 before, after;

    if (try_rdmsr(msr, &before) != NO_EXCEPTION || try_wrmsr(msr, value) != NO_EXCEPTION)
        return false;
    if (try_rdmsr(msr, &after) != NO_EXCEPTION || try_wrmsr(msr, before) != NO_EXCEPTION)
        return false;
    return after == value;
}

static bool refuses_read(u32 msr)
{
    u64 value;

    return try_rdmsr(msr, &value) == EXCEPTION_GP;
}

static bool refuses_write(u32 msr, u64 value)
{
    return try_wrmsr(msr, value) == EXCEPTION_GP;
}

/* A jump of the TSC shows in IA32_TSC_ADJUST, and the other way round. Both are left as they were. */
static bool tsc_moves(void)
{
    const u64 jump = 1ull << 40, slack = 1ull << 30;
    u64 start, adjust;

    if (try_rdmsr(TSC_ADJUST, &adjust) != NO_EXCEPTION || adjust != 0)
        return false;
    start = rdtsc();
    wrmsr(TSC_ADJUST, jump);
    if (rdmsr(TSC_ADJUST) != jump || rdtsc() - start < jump || rdtsc() - start > jump + slack)
        return false;
    wrmsr(TSC, rdtsc() + jump);
    adjust = rdmsr(TSC_ADJUST);
    if (adjust > 2 * jump || adjust < 2 * jump - slack || rdtsc() - start < 2 * jump - slack)
        return false;
    wrmsr(TSC, 0);
    if (rdtsc() > slack)
        return false;
    wrmsr(TSC_ADJUST, 0);
    return rdmsr(TSC_ADJUST) == 0 && rdtsc() - start < slack;
}

/* Memory is write-back as firmware leaves it; the registers take what the SDM allows, and nothing else. */
static bool mtrrs_work(void)
{
    if (!(cpuid(1, 0).edx & EDX_MTRR))
        return refuses_read(MTRR_CAP) && refuses_read(MTRR_DEF_TYPE);
    return rdmsr(MTRR_CAP) == 0x508 && rdmsr(MTRR_DEF_TYPE) == 0x806 && keeps(MTRR_DEF_TYPE, 0xc00) &&
           keeps(MTRR_BASE0, 0x80000006) && keeps(MTRR_MASK7, 0xf80000800) &&
           keeps(MTRR_FIX_4K_F8000, 0x0605040100060504) && refuses_write(MTRR_CAP, 0x508) &&
           refuses_write(MTRR_DEF_TYPE, 0x807) && refuses_write(MTRR_BASE0, 2) &&
           refuses_write(MTRR_BASE0, 1ull << 52) && refuses_write(MTRR_MASK7, 1) && refuses_write(MTRR_FIX_4K_F8000, 3);
}

void stub_main(void)
{
    u64 before, after;

    plan(19);
    ok(refuses_read(UNKNOWN), "reading an unknown MSR raises #GP");
    ok(exception_error_code == 0, "with error code 0");
    ok(refuses_write(UNKNOWN, 0), "writing an unknown MSR raises #GP");
    ok(refuses_read(FEATURE_CONTROL) && refuses_read(VMX_BASIC), "the VMX MSRs are hidden");

    ok(try_rdmsr(TSC, &before) == NO_EXCEPTION && try_rdmsr(TSC, &after) == NO_EXCEPTION && before < after,
       "the TSC counts");
    ok(rdtsc() > after, "and is the one that RDTSC reads");
    ok(tsc_moves(), "the TSC can be set, and IA32_TSC_ADJUST");
    ok(try_wrmsr(BIOS_SIGN_ID, 0) == NO_EXCEPTION && try_rdmsr(BIOS_SIGN_ID, &before) == NO_EXCEPTION && before == 0,
       "the microcode has no revision");
    ok(try_rdmsr(MISC_ENABLE, &before) == NO_EXCEPTION && (before & 1) && try_wrmsr(MISC_ENABLE, 0) == NO_EXCEPTION &&
           try_rdmsr(MISC_ENABLE, &after) == NO_EXCEPTION && after == before,
       "IA32_MISC_ENABLE has fast strings, and stays as it is");
    ok(keeps(PAT, 0x0007040600070406), "PAT");
    ok(refuses_write(PAT, 2), "PAT refuses the reserved memory type 2");
    ok(mtrrs_work(), "MTRRs, if CPUID offers them");
    ok(keeps(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE), "EFER.SCE");
    ok(refuses_write(MSR_EFER, rdmsr(MSR_EFER) | EFER_RESERVED), "EFER refuses reserved bits");
    ok(keeps(STAR, 0x0023001000000000) && keeps(LSTAR, 0xffffffff81000000) && keeps(CSTAR, 0xffffffff82000000) &&
           keeps(FMASK, 0x47700),
       "the MSRs of SYSCALL");
    ok(keeps(SYSENTER_CS, 0x10) && keeps(SYSENTER_ESP, 0x123000) && keeps(SYSENTER_EIP, 0x456000),
       "the MSRs of SYSENTER");
    ok(keeps(KERNEL_GS_BASE, 0xffff888000000000), "KERNEL_GS_BASE");
    ok(refuses_write(LSTAR, NON_CANONICAL), "LSTAR refuses an address that is not canonical");
    ok(refuses_write(FS_BASE, NON_CANONICAL) && refuses_write(GS_BASE, NON_CANONICAL), "and so do FS_BASE and GS_BASE");
}
