/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors need large pages that are not executable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/itlb_multihit.h"
#include "arch/x86/msr.h"

enum { SKYLAKE_X = 0x55, HASWELL = 0x3c, SILVERMONT = 0x37 };

static void test_C7_most_are_affected(void **state)
{
    assert_true(itlb_multihit_affected(6, HASWELL, false, 0));
    assert_true(itlb_multihit_affected(6, SKYLAKE_X, true, ~(u64)ARCH_CAPS_IF_PSCHANGE_MC_NO));
    assert_true(itlb_multihit_affected(6, 0, false, 0));
    /* A list of family 6 says nothing about another one. */
    assert_true(itlb_multihit_affected(15, SILVERMONT, false, 0));
    assert_true(itlb_multihit_affected(18, 1, false, 0));
}

static void test_the_processor_says_that_it_is_not(void **state)
{
    assert_false(itlb_multihit_affected(6, SKYLAKE_X, true, ARCH_CAPS_IF_PSCHANGE_MC_NO));
    assert_false(itlb_multihit_affected(18, 1, true, ARCH_CAPS_IF_PSCHANGE_MC_NO));
    /* A register that is not there says nothing. */
    assert_true(itlb_multihit_affected(6, SKYLAKE_X, false, ARCH_CAPS_IF_PSCHANGE_MC_NO));
}

static void test_atoms_are_not(void **state)
{
    static const u8 models[] = { 0x1c, 0x26, 0x27, 0x35, 0x36, 0x37, 0x4a, 0x4d, 0x4c,
                                 0x5a, 0x75, 0x5c, 0x5f, 0x7a, 0x86, 0x57, 0x85 };
    unsigned unaffected = 0;

    for (unsigned i = 0; i < sizeof(models); i++)
        assert_false(itlb_multihit_affected(6, models[i], false, 0));
    for (unsigned model = 0; model < 256; model++)
        unaffected += !itlb_multihit_affected(6, model, false, 0);
    assert_int_equal(unaffected, sizeof(models));
}

/* Where the parts of family and model are in the signature. */
static void test_signature(void **state)
{
    assert_true(itlb_multihit_affected_signature(0x306c3, false, 0));  /* Haswell */
    assert_false(itlb_multihit_affected_signature(0x30678, false, 0)); /* Silvermont */
    assert_false(itlb_multihit_affected_signature(0x706a8, false, 0)); /* Goldmont Plus */
    assert_false(itlb_multihit_affected_signature(0x806f8, true, ARCH_CAPS_IF_PSCHANGE_MC_NO));
    assert_true(itlb_multihit_affected_signature(0x806f8, true, 0));
    /* Family 5 has no extended model; an extended family makes another one of 15 only. */
    assert_true(itlb_multihit_affected_signature(0x30578, false, 0));
    assert_true(itlb_multihit_affected_signature(0x30f78, false, 0));
    assert_false(itlb_multihit_affected_signature(0x930678, false, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C7_most_are_affected),
        cmocka_unit_test(test_the_processor_says_that_it_is_not),
        cmocka_unit_test(test_atoms_are_not),
        cmocka_unit_test(test_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
