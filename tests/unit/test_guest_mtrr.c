/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's MTRRs: which there are, which values they take, and that each keeps its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/guest_mtrr.h"

enum { CAP = 0xfe, BASE0 = 0x200, MASK0 = 0x201, FIX_64K = 0x250, DEF_TYPE = 0x2ff, BITS = 40 };

static const u32 all[] = { 0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209,
                           0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f, 0x250, 0x258, 0x259, 0x268,
                           0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x2ff };
enum { COUNT = sizeof(all) / sizeof(all[0]) };

static struct guest_mtrr mtrr;

static int setup(void **state)
{
    guest_mtrr_reset(&mtrr);
    return 0;
}

static bool takes(u32 msr, u64 value)
{
    u64 before = 1, after = 2;
    int error;

    assert_int_equal(guest_mtrr_read(&mtrr, msr, &before), 0);
    error = guest_mtrr_write(&mtrr, msr, value, BITS);
    assert_true(error == 0 || error == -EINVAL);
    assert_int_equal(guest_mtrr_read(&mtrr, msr, &after), 0);
    assert_int_equal(after, error ? before : value);
    return error == 0;
}

static void test_reset(void **state)
{
    for (unsigned i = 0; i < COUNT; i++) {
        u64 value = 1;
        assert_int_equal(guest_mtrr_read(&mtrr, all[i], &value), 0);
        assert_int_equal(value, all[i] == DEF_TYPE ? 0x806 : 0);
    }
}

/* 8 ranges, the fixed ones, write combining; no SMRR. */
static void test_capabilities(void **state)
{
    u64 value = 0;

    assert_int_equal(guest_mtrr_read(&mtrr, CAP, &value), 0);
    assert_int_equal(value, 0x508);
    assert_int_equal(guest_mtrr_write(&mtrr, CAP, 0x508, BITS), -EINVAL);
}

static void test_no_others(void **state)
{
    for (u32 msr = 0; msr < 0x1000; msr++) {
        u64 value = 77;
        bool is_one = msr == CAP;
        for (unsigned i = 0; i < COUNT; i++)
            is_one |= all[i] == msr;
        if (!is_one) {
            assert_int_equal(guest_mtrr_read(&mtrr, msr, &value), -ENOENT);
            assert_int_equal(value, 77);
            assert_int_equal(guest_mtrr_write(&mtrr, msr, 0, BITS), -ENOENT);
        }
    }
}

static void test_each_keeps_its_own(void **state)
{
    for (unsigned i = 0; i < COUNT - 1; i++)
        assert_true(takes(all[i], all[i] >= FIX_64K ? 0x0606060606060600 | (i % 2 ? 5 : 4)
                                  : all[i] % 2      ? (u64)i << 12 | 0x800
                                                    : (u64)i << 12 | 6));
    for (unsigned i = 0; i < COUNT - 1; i++) {
        u64 value = 0;
        assert_int_equal(guest_mtrr_read(&mtrr, all[i], &value), 0);
        assert_int_equal(value, all[i] >= FIX_64K ? 0x0606060606060600 | (i % 2 ? 5 : 4)
                                : all[i] % 2      ? (u64)i << 12 | 0x800
                                                  : (u64)i << 12 | 6);
    }
}

static void test_types(void **state)
{
    const bool is_type[9] = { true, true, false, false, true, true, true, false, false };

    for (unsigned type = 0; type < 9; type++) {
        assert_int_equal(takes(BASE0, type), is_type[type]);
        assert_int_equal(takes(DEF_TYPE, 0xc00 | type), is_type[type]);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(takes(FIX_64K, (u64)type << 8 * i), is_type[type]);
    }
    assert_false(takes(FIX_64K, 0x80));
}

static void test_reserved_bits(void **state)
{
    for (unsigned bit = 8; bit < 64; bit++) {
        bool is_address = bit >= 12 && bit < BITS;
        assert_int_equal(takes(BASE0, 1ull << bit), is_address);
        assert_int_equal(takes(MASK0, 1ull << bit), is_address || bit == 11);
        assert_int_equal(takes(DEF_TYPE, 1ull << bit), bit == 10 || bit == 11);
    }
    for (unsigned bit = 0; bit < 8; bit++)
        assert_false(takes(MASK0, 1ull << bit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset, setup),     cmocka_unit_test_setup(test_capabilities, setup),
        cmocka_unit_test_setup(test_no_others, setup), cmocka_unit_test_setup(test_each_keeps_its_own, setup),
        cmocka_unit_test_setup(test_types, setup),     cmocka_unit_test_setup(test_reserved_bits, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
