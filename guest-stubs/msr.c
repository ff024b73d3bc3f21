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
    SYSENTER_CS = 0x174,
    SYSENTER_ESP = 0x175,
    SYSENTER_EIP = 0x176,
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

void stub_main(void)
{
    u64 before, after;

    plan(15);
    ok(refuses_read(UNKNOWN), "reading an unknown MSR raises #GP");
    ok(exception_error_code == 0, "with error code 0");
    ok(refuses_write(UNKNOWN, 0), "writing an unknown MSR raises #GP");
    ok(refuses_read(FEATURE_CONTROL) && refuses_read(VMX_BASIC), "the VMX MSRs are hidden");

    ok(try_rdmsr(TSC, &before) == NO_EXCEPTION && try_rdmsr(TSC, &after) == NO_EXCEPTION && before < after,
       "the TSC counts");
    ok(rdtsc() > after, "and is the one that RDTSC reads");
    ok(keeps(PAT, 0x0007040600070406), "PAT");
    ok(refuses_write(PAT, 2), "PAT refuses the reserved memory type 2");
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
