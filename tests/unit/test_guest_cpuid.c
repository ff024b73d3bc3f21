/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID answers to a vCPU: its place among its siblings, XSAVE sizes, frequencies, leaves that do not exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/guest_cpuid.h"
#include "tests/unit/cpuid_values.h"

static struct guest_features sapphire, old;

static int setup(void **state)
{
    sapphire = judge(&sapphire_rapids, XCR0_ALL, true, 2400000000);
    old = judge(&arrandale, 0, true, 20000000);
    return 0;
}

static struct cpuid_asker asker(unsigned number, unsigned siblings)
{
    return (struct cpuid_asker){ .number = number, .siblings = siblings, .apic_enabled = true };
}

static struct cpuid_result ask(const struct guest_features *f, u32 leaf, u32 subleaf)
{
    struct cpuid_asker one = asker(0, 1);

    return guest_cpuid_answer(f, &one, leaf, subleaf);
}

static void assert_leaf(struct cpuid_result r, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
    assert_int_equal(r.eax, eax);
    assert_int_equal(r.ebx, ebx);
    assert_int_equal(r.ecx, ecx);
    assert_int_equal(r.edx, edx);
}

static void test_one_vcpu(void **state)
{
    struct cpuid_result r = ask(&sapphire, 1, 0);

    assert_int_equal(r.eax, 0x000806f8);
    assert_int_equal(r.ebx, 0x00010800);
    assert_false(r.edx & 1u << 28); /* HTT */
    assert_leaf(ask(&sapphire, 0xb, 0), 0, 1, 0x100, 0);
    assert_leaf(ask(&sapphire, 0xb, 1), 0, 1, 0x201, 0);
    assert_leaf(ask(&sapphire, 0xb, 2), 0, 0, 2, 0);
    assert_leaf(ask(&sapphire, 4, 0), 0x121, 0x02c0003f, 0x3f, 0);
    assert_leaf(ask(&sapphire, 4, 3), 0x163, 0x0380003f, 0x15fff, 4);
}

/* All leaves agree about which APIC IDs belong to the package, and who asks is one of them. */
static void test_topology(void **state)
{
    const unsigned bits[33] = {
        [1] = 0, [2] = 1, [3] = 2, [4] = 2, [5] = 3, [8] = 3, [9] = 4, [17] = 5, [31] = 5, [32] = 5
    };

    for (unsigned siblings = 2; siblings <= 32; siblings++) {
        for (unsigned number = 0; number < siblings; number++) {
            struct cpuid_asker who = asker(number, siblings);
            struct cpuid_result features = guest_cpuid_answer(&sapphire, &who, 1, 0);
            struct cpuid_result threads = guest_cpuid_answer(&sapphire, &who, 0xb, 0);
            struct cpuid_result cores = guest_cpuid_answer(&sapphire, &who, 0xb, 1);
            u32 reserved = features.ebx >> 16 & 0xff;

            assert_int_equal(features.ebx >> 24, number);
            assert_true(features.edx & 1u << 28);
            assert_leaf(threads, 0, 1, 0x100, number);
            assert_leaf(cores, cores.eax, siblings, 0x201, number);
            assert_int_equal(1u << cores.eax, reserved);
            assert_true(reserved >= siblings && reserved < 2 * siblings);
            if (bits[siblings])
                assert_int_equal(cores.eax, bits[siblings]);
            assert_leaf(guest_cpuid_answer(&sapphire, &who, 0x1f, 1), cores.eax, siblings, 0x201, number);
            assert_leaf(guest_cpuid_answer(&sapphire, &who, 0x1f, 0x105), 0, 0, 5, number);
            /* Caches: the first two levels are a core's own. */
            for (u32 i = 0; i < 4; i++) {
                struct cpuid_result cache = guest_cpuid_answer(&sapphire, &who, 4, i);
                assert_int_equal((cache.eax >> 26) + 1, reserved);
                assert_int_equal((cache.eax >> 14 & 0xfff) + 1, i == 3 ? reserved : 1);
                assert_int_equal(cache.eax & 0x3fff, sapphire_rapids.cache[i].eax & 0x3ff);
            }
        }
    }
}

static void test_caches_end(void **state)
{
    struct cpuid_leaves leaves = everything();
    struct guest_features f = judge(&leaves, XCR0_ALL, true, 20000000);
    struct cpuid_asker who = asker(0, 4);

    assert_leaf(guest_cpuid_answer(&sapphire, &who, 4, 4), 0, 0, 0, 0);
    assert_int_equal(guest_cpuid_answer(&f, &who, 4, 0).eax & 0x3fff, 0x3ff); /* the rest is reserved */
    assert_leaf(guest_cpuid_answer(&f, &who, 4, CPUID_CACHES), 0, 0, 0, 0);
    assert_leaf(guest_cpuid_answer(&f, &who, 4, 0xffffffff), 0, 0, 0, 0);
}

static void test_bits_that_follow_registers(void **state)
{
    struct cpuid_asker who = asker(0, 1);

    assert_false(guest_cpuid_answer(&sapphire, &who, 1, 0).ecx & 1u << 27);
    assert_true(guest_cpuid_answer(&sapphire, &who, 1, 0).edx & 1u << 9);
    who.cr4 = CR4_OSXSAVE;
    assert_true(guest_cpuid_answer(&sapphire, &who, 1, 0).ecx & 1u << 27);
    who.cr4 = ~CR4_OSXSAVE;
    assert_false(guest_cpuid_answer(&sapphire, &who, 1, 0).ecx & 1u << 27);
    who.apic_enabled = false;
    assert_false(guest_cpuid_answer(&sapphire, &who, 1, 0).edx & 1u << 9);
}

static void assert_sizes(const struct guest_features *f, u64 xcr0, u32 standard, u32 compact)
{
    struct cpuid_asker who = asker(0, 1);

    who.xcr0 = xcr0;
    assert_leaf(guest_cpuid_answer(f, &who, 0xd, 0), (u32)f->xcr0, standard, guest_cpuid_answer(f, &who, 0xd, 0).ecx,
                0);
    assert_int_equal(guest_cpuid_answer(f, &who, 0xd, 1).ebx, compact);
}

static void test_xsave(void **state)
{
    struct guest_features sandy = judge(&sandy_bridge, XCR0_WITH_AVX, true, 20000000);

    assert_sizes(&sapphire, 1, 576, 576);
    assert_sizes(&sapphire, 3, 576, 576);
    assert_sizes(&sapphire, 7, 0x340, 0x340);
    assert_sizes(&sapphire, 0xe7, 0xa80, 0x980);
    assert_int_equal(ask(&sapphire, 0xd, 0).ecx, 0xa80); /* AMX's component is not counted */
    assert_int_equal(ask(&sapphire, 0xd, 1).eax, 7);
    assert_leaf(ask(&sapphire, 0xd, 2), 0x100, 0x240, 0, 0);
    assert_leaf(ask(&sapphire, 0xd, 7), 0x400, 0x680, 0, 0);
    assert_leaf(ask(&sapphire, 0xd, 9), 0, 0, 0, 0);
    assert_leaf(ask(&sapphire, 0xd, 17), 0, 0, 0, 0);
    assert_leaf(ask(&sapphire, 0xd, 0xffffffff), 0, 0, 0, 0);
    /* Without XSAVEC there is no compact size. */
    assert_sizes(&sandy, 7, 0x340, 0);
    assert_sizes(&sandy, 3, 576, 0);
    assert_int_equal(ask(&sandy, 0xd, 1).eax, 1);
    for (u32 i = 0; i < 4; i++)
        assert_leaf(ask(&old, 0xd, i), 0, 0, 0, 0);
}

/* Compact format: some components begin at a multiple of 64. */
static void test_xsave_alignment(void **state)
{
    struct cpuid_leaves leaves = sapphire_rapids;

    leaves.xsave[5].eax = 8;
    leaves.xsave[6].ecx = 2;
    struct guest_features f = judge(&leaves, XCR0_ALL, true, 20000000);
    assert_sizes(&f, 0xe7, 0xa80, 0x340 + 0x40 + 0x200 + 0x400);
    leaves.xsave[6].ecx = 0;
    f = judge(&leaves, XCR0_ALL, true, 20000000);
    assert_sizes(&f, 0xe7, 0xa80, 0x340 + 8 + 0x200 + 0x400);
}

static void test_frequencies(void **state)
{
    const u64 clocks[] = { 1000000, 20000000, 199999999, 1000000007, 2400000000, 2893202117, 3999999999, 5200000001 };

    for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        struct guest_features f = judge(&sapphire_rapids, XCR0_ALL, true, clocks[i]);
        struct cpuid_result tsc = ask(&f, 0x15, 0), mhz = ask(&f, 0x16, 0), timing = ask(&f, 0x40000010, 0);
        u64 told = (u64)tsc.ecx * tsc.ebx / tsc.eax;

        assert_true(told <= clocks[i] && clocks[i] - told < tsc.ebx);
        assert_int_equal(tsc.ecx, clocks[i] >> f.apic_bus_shift);
        assert_true(tsc.ecx <= 200000000);
        assert_true((u64)tsc.ecx / 1000 * tsc.ebx < 0x100000000); /* Linux computes so, in 32 bits */
        assert_int_equal(tsc.edx, 0);
        assert_int_equal(mhz.eax, (clocks[i] + 500000) / 1000000);
        assert_int_equal(mhz.ebx, mhz.eax);
        assert_int_equal(mhz.ecx, ((clocks[i] >> f.apic_bus_shift) + 500000) / 1000000);
        assert_leaf(timing, (u32)((clocks[i] + 500) / 1000), (u32)(((clocks[i] >> f.apic_bus_shift) + 500) / 1000), 0,
                    0);
    }
    assert_leaf(ask(&old, 0x15, 0), 1, 1, 20000000, 0);
    assert_leaf(ask(&old, 0x16, 0), 20, 20, 20, 0);
}

static void test_hypervisor_leaves(void **state)
{
    assert_leaf(ask(&sapphire, 0x40000000, 0), 0x40000010, 0x74616c73, 0x74616c73, 0x74616c73);
    for (u32 leaf = 0x40000001; leaf < 0x40000100; leaf++)
        if (leaf != 0x40000010)
            assert_leaf(ask(&sapphire, leaf, 0), 0, 0, 0, 0);
    assert_leaf(ask(&sapphire, 0x4000ffff, 0), 0, 0, 0, 0);
}

/* Hidden: MONITOR, thermal and power management but for the timer, performance counters, PT, SGX, key locker, AMX. */
static void test_empty_leaves(void **state)
{
    const u32 empty[] = { 3,    5,    8,    9,    0xa,  0xc,  0xe,  0xf,  0x10, 0x11,
                          0x12, 0x13, 0x14, 0x17, 0x18, 0x19, 0x1a, 0x1d, 0x1e };

    for (unsigned i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        for (u32 subleaf = 0; subleaf < 3; subleaf++)
            assert_leaf(ask(&sapphire, empty[i], subleaf), 0, 0, 0, 0);
    assert_leaf(ask(&sapphire, 6, 0), 4, 0, 0, 0);
    assert_leaf(ask(&sapphire, 7, 1), 0, 0, 0, 0);
    assert_int_equal(ask(&sapphire, 2, 0).eax, 0x00feff01);
}

static void assert_same(const struct guest_features *f, u32 leaf, u32 subleaf)
{
    struct cpuid_result last = ask(f, f->last, subleaf);

    assert_leaf(ask(f, leaf, subleaf), last.eax, last.ebx, last.ecx, last.edx);
}

static void test_beyond_the_last_leaf(void **state)
{
    const u32 beyond[] = { 0x20, 0x3fffffff, 0x40010000, 0x7fffffff, 0x80000009, 0x8fffffff, 0xffffffff };
    struct cpuid_leaves leaves = arrandale;

    assert_int_equal(ask(&sapphire, 0, 0).eax, 0x1f);
    assert_int_equal(ask(&old, 0, 0).eax, 0x16);
    for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        assert_same(&sapphire, beyond[i], 1);
        assert_same(&old, beyond[i], 0);
    }
    assert_same(&old, 0x17, 0);
    assert_same(&old, 0x1f, 0);
    /* A processor with fewer extended leaves, and one with more. */
    leaves.extended[0].eax = 0x80000004;
    struct guest_features f = judge(&leaves, 0, true, 20000000);
    assert_int_equal(ask(&f, 0x80000000, 0).eax, 0x80000004);
    assert_same(&f, 0x80000005, 0);
    assert_same(&f, 0x80000008, 0);
    assert_int_equal(f.physical_bits, 36);
    leaves.extended[0].eax = 0x80000021;
    f = judge(&leaves, 0, true, 20000000);
    assert_int_equal(ask(&f, 0x80000000, 0).eax, 0x80000008);
    assert_int_equal(ask(&f, 0x80000008, 0).eax, 0x3028);
}

/* What guests change about themselves: in no leaf that is called constant it shows, and in few others. */
static void test_constant_leaves(void **state)
{
    const u32 firsts[] = { 0, 0x3ffffff0, 0x40000000, 0x40010000, 0x7ffffff0, 0x80000000, 0xffffffe0 };
    unsigned constant = 0, asked = 0;

    for (unsigned i = 0; i < 32 * sizeof(firsts) / sizeof(firsts[0]); i++) {
        u32 leaf = firsts[i / 32] + i % 32;

        asked++;
        if (!guest_cpuid_answer_is_constant(&sapphire, leaf))
            continue;
        constant++;
        for (u32 subleaf = 0; subleaf < 4; subleaf++) {
            struct cpuid_asker asker = { .number = 1, .siblings = 2 };
            struct cpuid_result first = guest_cpuid_answer(&sapphire, &asker, leaf, subleaf), then;

            asker.apic_enabled = true;
            asker.cr4 = ~0ull;
            asker.xcr0 = sapphire.xcr0;
            then = guest_cpuid_answer(&sapphire, &asker, leaf, subleaf);
            assert_leaf(then, first.eax, first.ebx, first.ecx, first.edx);
        }
    }
    assert_int_equal(asked - constant, 2);
    assert_false(guest_cpuid_answer_is_constant(&sapphire, 1));
    assert_false(guest_cpuid_answer_is_constant(&sapphire, 0xd));
    /* Where the last one is not constant, none beyond it is. */
    struct guest_features f = sapphire;
    f.last = 0xd;
    assert_false(guest_cpuid_answer_is_constant(&f, 0x20));
    assert_true(guest_cpuid_answer_is_constant(&f, 0x80000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_vcpu),        cmocka_unit_test(test_topology),
        cmocka_unit_test(test_caches_end),      cmocka_unit_test(test_bits_that_follow_registers),
        cmocka_unit_test(test_xsave),           cmocka_unit_test(test_xsave_alignment),
        cmocka_unit_test(test_frequencies),     cmocka_unit_test(test_hypervisor_leaves),
        cmocka_unit_test(test_empty_leaves),    cmocka_unit_test(test_beyond_the_last_leaf),
        cmocka_unit_test(test_constant_leaves),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
