/* SPDX-License-Identifier: BSD-2-Clause */
/* Which features guests have, on processors that have everything, something and nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/msr.h"
#include "tests/unit/cpuid_values.h"

static const u64 TSC_HZ = 20000000;

/* Of a register with feature bits: those that guests have where the processor has them, and those that they never have. */
static void assert_bits(const char *name, u32 value, u32 offered, u32 hidden)
{
    if ((offered | hidden) != 0xffffffff || (offered & hidden))
        fail_msg("%s: the test does not say of each bit once what becomes of it: %#x", name, (offered ^ hidden) ^ ~0u);
    if (value != offered)
        fail_msg("%s is %#x, not %#x", name, value, offered);
}

/* Each bit of the feature leaves is either offered or hidden, by name. */
static void test_everything(void **state)
{
    struct cpuid_leaves leaves = everything();
    struct guest_features f = judge(&leaves, XCR0_ALL, true, TSC_HZ);

    assert_bits("1 ECX", f.leaves.basic[1].ecx,
                1u << 0 | 1u << 1 | 1u << 9 | 1u << 12 | 1u << 13 | 7u << 19 /* SSE4.1, SSE4.2, x2APIC */ | 1u << 22 |
                    1u << 23 | 1u << 24 /* TSC deadline */ | 1u << 25 | 1u << 26 | 7u << 28 | 1u << 31,
                1u << 2 /* DTES64 */ | 1u << 3 /* MONITOR */ | 1u << 4 | 1u << 5 /* VMX */ | 1u << 6 /* SMX */ |
                    1u << 7 | 1u << 8 | 1u << 10 | 1u << 11 /* SDBG */ | 1u << 14 /* xTPR */ | 1u << 15 /* PDCM */ |
                    1u << 16 | 1u << 17 /* PCID */ | 1u << 18 | 1u << 27 /* OSXSAVE: who asks */);
    assert_bits("1 EDX", f.leaves.basic[1].edx,
                0x7f | 1u << 8 | 1u << 9 | 3u << 11 /* SEP, MTRR */ | 1u << 13 | 7u << 15 | 1u << 19 | 0xfu << 23,
                1u << 7 /* MCE */ | 1u << 10 | 1u << 14 /* MCA */ | 1u << 18 /* PSN */ | 1u << 20 | 1u << 21 /* DS */ |
                    1u << 22 /* ACPI */ | 0x1fu << 27 /* SS, HTT, TM, PBE */);
    assert_bits("7 EBX", f.leaves.extended_features.ebx,
                3u << 0 | 1u << 3 | 0xfu << 5 /* AVX2, FDP, SMEP, BMI2 */ | 1u << 9 | 1u << 13 | 0x1fu << 16 |
                    1u << 21 | 3u << 23 | 1u << 28 | 7u << 29,
                1u << 2 /* SGX */ | 1u << 4 /* HLE */ | 1u << 10 /* INVPCID */ | 1u << 11 /* RTM */ | 1u << 12 |
                    1u << 14 /* MPX */ | 1u << 15 | 1u << 22 | 1u << 25 /* PT */ | 3u << 26 /* AVX512PF, ER */);
    assert_bits("7 ECX", f.leaves.extended_features.ecx, 3u << 1 | 1u << 6 | 7u << 8 | 3u << 11 | 1u << 14 | 1u << 22,
                1u << 0 | 3u << 3 /* PKU, OSPKE */ | 1u << 5 /* WAITPKG */ | 1u << 7 /* CET */ | 1u << 13 |
                    0x3fu << 15 /* LA57 is 16 */ | 1u << 21 | 0x1ffu << 23 /* KL, ENQCMD, SGX_LC, PKS */);
    assert_bits("7 EDX", f.leaves.extended_features.edx, 1u << 4 | 1u << 10 | 1u << 14,
                0xfu << 0 | 0x1fu << 5 /* UINTR is 5 */ | 7u << 11 | 0x1ffffu << 15 /* AMX, CET, SPEC_CTRL … */);
    assert_bits("0xd.1 EAX", f.leaves.xsave[1].eax, 7, ~7u /* XSAVES, XFD */);
    assert_bits("0x80000001 ECX", f.leaves.extended[1].ecx, 1u << 0 | 1u << 5 | 1u << 8,
                ~(1u << 0 | 1u << 5 | 1u << 8));
    assert_bits("0x80000001 EDX", f.leaves.extended[1].edx, 1u << 11 | 1u << 20 | 3u << 26 | 1u << 29,
                ~(1u << 11 | 1u << 20 | 3u << 26 | 1u << 29));
    assert_bits("0x80000007 EDX", f.leaves.extended[7].edx, 1u << 8, ~(1u << 8));
    assert_int_equal(f.leaves.extended_features.eax, 0);
    assert_int_equal(f.leaves.xsave[1].ebx | f.leaves.xsave[1].ecx | f.leaves.xsave[1].edx, 0);
    assert_int_equal(f.leaves.extended[1].ebx, 0);
    assert_int_equal(f.leaves.extended[7].eax | f.leaves.extended[7].ebx | f.leaves.extended[7].ecx, 0);
    assert_int_equal(f.leaves.extended[8].eax, 0xff | 48 << 8);
    assert_int_equal(f.leaves.extended[8].ebx | f.leaves.extended[8].ecx | f.leaves.extended[8].edx, 0);
}

/* Only what slat makes itself is there without the processor. */
static void test_nothing_is_invented(void **state)
{
    const struct cpuid_leaves nothing = { 0 };
    struct guest_features f = judge(&nothing, XCR0_ALL, true, TSC_HZ);

    assert_int_equal(f.leaves.basic[1].ecx, 1u << 21 | 1u << 24 | 1u << 31);
    assert_int_equal(f.leaves.basic[1].edx, 1u << 9 | 1u << 12);
    assert_int_equal(f.leaves.extended_features.ebx, 1u << 1);
    assert_int_equal(f.leaves.extended_features.ecx | f.leaves.extended_features.edx, 0);
    assert_int_equal(f.xcr0, 0);
    assert_int_equal(f.leaves.xsave[0].eax | f.leaves.xsave[1].eax, 0);
    assert_false(f.rdtscp);
    assert_int_equal(f.last_extended, 0);
    assert_int_equal(f.physical_bits, 36);
    assert_int_equal(f.efer, EFER_SCE | EFER_LME);
    assert_int_equal(f.cr4, CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE);
}

/* State that is not switched takes away what works on it. */
static void test_vector_state(void **state)
{
    struct cpuid_leaves leaves = everything();
    struct guest_features all = judge(&leaves, XCR0_ALL, true, TSC_HZ);
    struct guest_features avx = judge(&leaves, XCR0_WITH_AVX, true, TSC_HZ);
    struct guest_features sse = judge(&leaves, XCR0_WITHOUT_AVX, true, TSC_HZ);
    struct guest_features none = judge(&leaves, 0, true, TSC_HZ);
    const u32 avx1 = 1u << 12 | 1u << 28 | 1u << 29, xsave = 1u << 26;

    assert_int_equal(all.leaves.extended_features.ebx & ~avx.leaves.extended_features.ebx,
                     1u << 16 | 1u << 17 | 1u << 21 | 1u << 28 | 1u << 30 | 1u << 31);
    assert_int_equal(all.leaves.extended_features.ecx & ~avx.leaves.extended_features.ecx,
                     1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
    assert_int_equal(all.leaves.basic[1].ecx, avx.leaves.basic[1].ecx);
    assert_int_equal(avx.leaves.basic[1].ecx & ~sse.leaves.basic[1].ecx, avx1);
    assert_int_equal(avx.leaves.extended_features.ebx & ~sse.leaves.extended_features.ebx, 1u << 5);
    assert_int_equal(avx.leaves.extended_features.ecx & ~sse.leaves.extended_features.ecx, 3u << 9);
    assert_int_equal(sse.leaves.basic[1].ecx & ~none.leaves.basic[1].ecx, xsave);
    assert_int_equal(none.leaves.xsave[0].eax | none.leaves.xsave[1].eax | none.leaves.xsave[2].eax, 0);
    assert_true(sse.cr4 & CR4_OSXSAVE);
    assert_false(none.cr4 & CR4_OSXSAVE);
    assert_int_equal(avx.leaves.xsave[0].eax, 7);
    assert_int_equal(avx.leaves.xsave[5].eax | avx.leaves.xsave[6].eax | avx.leaves.xsave[7].eax, 0);
    /* supervisor components and those without a meaning for guests */
    assert_int_equal(all.leaves.xsave[3].eax | all.leaves.xsave[4].eax, 0);
}

static void test_rdtscp(void **state)
{
    struct cpuid_leaves leaves = everything();
    struct guest_features with = judge(&leaves, XCR0_ALL, true, TSC_HZ);
    struct guest_features without = judge(&leaves, XCR0_ALL, false, TSC_HZ);

    assert_true(with.rdtscp);
    assert_false(without.rdtscp);
    assert_int_equal(with.leaves.extended[1].edx & ~without.leaves.extended[1].edx, 1u << 27);
    assert_int_equal(with.leaves.extended_features.ecx & ~without.leaves.extended_features.ecx, 1u << 22);
    leaves.extended[1].edx &= ~(1u << 27); /* the processor lacks it, whatever the controls say */
    assert_false(judge(&leaves, XCR0_ALL, true, TSC_HZ).rdtscp);
}

/* A bit of a control register is there with the feature that it belongs to, and no other one is. */
static void test_control_registers(void **state)
{
    const struct {
        unsigned leaf; /* 1 or 7 */
        unsigned reg;  /* EBX, ECX, EDX */
        unsigned bit;
        u64 cr4;
    } pairs[] = {
        { 1, 3, 24, CR4_OSFXSR | CR4_OSXMMEXCPT },
        { 1, 2, 26, CR4_OSXSAVE },
        { 7, 1, 0, CR4_FSGSBASE },
        { 7, 1, 7, CR4_SMEP },
        { 7, 1, 20, CR4_SMAP },
        { 7, 2, 2, CR4_UMIP },
    };
    struct cpuid_leaves leaves = everything();
    const u64 most = judge(&leaves, XCR0_ALL, true, TSC_HZ).cr4;

    assert_int_equal(most, 0x350fbf); /* without MCE, LA57, VMXE, SMXE, PCIDE, PKE, CET, PKS */
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        leaves = everything();
        u32 *r = (u32 *)(pairs[i].leaf == 1 ? &leaves.basic[1] : &leaves.extended_features);
        r[pairs[i].reg] &= ~(1u << pairs[i].bit);
        assert_int_equal(most ^ judge(&leaves, XCR0_ALL, true, TSC_HZ).cr4, pairs[i].cr4);
    }
    leaves = everything();
    assert_int_equal(judge(&leaves, XCR0_ALL, true, TSC_HZ).efer, EFER_SCE | EFER_LME | EFER_NXE);
    leaves.extended[1].edx &= ~(1u << 20);
    assert_int_equal(judge(&leaves, XCR0_ALL, true, TSC_HZ).efer, EFER_SCE | EFER_LME);
}

static void test_models(void **state)
{
    struct guest_features f = judge(&arrandale, 0, true, TSC_HZ);

    assert_int_equal(f.last, 0x16);
    assert_int_equal(f.leaves.basic[0].eax, 0x16);
    assert_int_equal(f.leaves.basic[0].ebx, 0x756e6547);
    assert_int_equal(f.leaves.basic[1].eax, 0x00020652);
    assert_int_equal(f.leaves.basic[1].ecx, 0x83b82203);
    assert_int_equal(f.leaves.basic[1].edx, 0x078bbb7f);
    assert_int_equal(f.leaves.extended[1].edx, 0x28100800);
    assert_int_equal(f.physical_bits, 40);
    assert_int_equal(f.xcr0, 0);

    f = judge(&sandy_bridge, XCR0_WITH_AVX, true, TSC_HZ);
    assert_int_equal(f.last, 0x16);
    assert_int_equal(f.leaves.basic[1].ecx, 0x97b82203);
    assert_int_equal(f.leaves.extended_features.ebx, 2);
    assert_int_equal(f.leaves.xsave[1].eax, 1);
    assert_int_equal(f.leaves.extended[7].edx, 0);

    f = judge(&sapphire_rapids, XCR0_ALL, true, TSC_HZ);
    assert_int_equal(f.last, 0x1f);
    assert_int_equal(f.leaves.basic[1].ecx, 0xf7f83203);
    assert_int_equal(f.leaves.extended_features.ebx, 0xf1bf23eb);
    assert_int_equal(f.leaves.extended_features.ecx, 0x00405f46);
    assert_int_equal(f.leaves.extended_features.edx, 0x00004410);
    assert_int_equal(f.leaves.xsave[0].eax, 0xe7);
    assert_int_equal(f.leaves.extended[8].eax, 0x3028);
}

/* The timer's clock is as fast as it may be, and tells the TSC's frequency by a whole factor. */
static void test_bus_clock(void **state)
{
    const struct {
        u64 tsc_hz;
        unsigned shift;
    } clocks[] = { { 1000000, 0 },    { 20000000, 0 },   { 200000000, 0 },  { 200000001, 1 }, { 400000003, 2 },
                   { 2400000000, 4 }, { 3200000000, 4 }, { 3200000016, 5 }, { 6000000000, 5 } };

    for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
        assert_int_equal(judge(&sapphire_rapids, XCR0_ALL, true, clocks[i].tsc_hz).apic_bus_shift, clocks[i].shift);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),        cmocka_unit_test(test_nothing_is_invented),
        cmocka_unit_test(test_vector_state),      cmocka_unit_test(test_rdtscp),
        cmocka_unit_test(test_control_registers), cmocka_unit_test(test_models),
        cmocka_unit_test(test_bus_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
