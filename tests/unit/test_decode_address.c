/* SPDX-License-Identifier: BSD-2-Clause */
/* From a decoded instruction and registers to addresses, and back to the operand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86/decode.h"

static u64 linear(u8 bits, const char *code, const struct mmio_registers *registers)
{
    u8 bytes[DECODE_LENGTH_MAX];
    unsigned length = 0;
    struct mmio_instruction in;
    char *end;

    for (; *code; code = end)
        bytes[length++] = (u8)strtoul(code, &end, 16);
    assert_int_equal(decode_mmio(bytes, length, (struct decode_mode){ bits }, &in), 0);
    return decode_linear(&in, &in.memory, registers);
}

static void addresses(void **state)
{
    struct mmio_registers r = {
        .gpr = { [0] = 0xffff800012345678, [1] = 0x10, [3] = 0xfff0, [5] = 0xfffffff0, [6] = 0x20, [7] = 0x1ffffffff },
        .rip = 0xfffffffffffffff0,
        .segment_base = { 0x1000, 0x2000, 0x3000, 0x4000, 0xffffffff00000000, 0xfffff000 },
    };

    assert_true(linear(64, "8b 44 88 08", &r) == 0xffff8000123456c0);
    assert_true(linear(64, "67 8b 44 88 08", &r) == 0x123456c0);
    assert_true(linear(64, "8b 05 20 00 00 00", &r) == 0x16);
    assert_true(linear(64, "67 8b 05 20 00 00 00", &r) == 0x17);
    assert_true(linear(64, "64 8b 01", &r) == 0xffffffff00000010);
    assert_true(linear(64, "65 8b 01", &r) == 0xfffff010);
    assert_true(linear(64, "8b 45 00", &r) == 0xfffffff0); /* SS has no base */
    assert_true(linear(64, "67 aa", &r) == 0xffffffff);
    assert_true(linear(32, "8b 45 20", &r) == 0x3010); /* the offset wraps, */
    assert_true(linear(32, "65 8b 03", &r) == 0xeff0); /* and so does the linear address */
    assert_true(linear(32, "aa", &r) == 0xfff);
    assert_true(linear(16, "8b 00", &r) == 0x4010);  /* 16 bits of offset, */
    assert_true(linear(16, "8b 07", &r) == 0x13ff0); /* but not of the sum */
    assert_true(linear(16, "2e a1 34 92", &r) == 0xb234);
}

/* A bit number in a register is signed and chooses the word; one in the instruction does not. */
static void bit_addresses(void **state)
{
    struct mmio_registers r = { .gpr = { [1] = 0xffffffff00000045, [3] = 0x10000 } };

    assert_true(linear(64, "0f a3 0b", &r) == 0x10008);
    assert_true(linear(64, "66 0f a3 0b", &r) == 0x10008);
    assert_true(linear(64, "48 0f a3 0b", &r) == 0xffffffffe0010008);
    assert_true(linear(64, "0f ba 23 45", &r) == 0x10000);
    r.gpr[1] = 0xffff;
    assert_true(linear(64, "66 0f ab 0b", &r) == 0xfffe);
    assert_true(linear(64, "0f ab 0b", &r) == 0x10000 + 0x1ffc);
    r.gpr[1] = (u64)-64;
    assert_true(linear(64, "48 0f bb 0b", &r) == 0xfff8);
    assert_true(linear(64, "0f bb 0b", &r) == 0xfff8);
    r.gpr[1] = (u64)-65;
    assert_true(linear(64, "48 0f bb 0b", &r) == 0xfff0);
    r.gpr[1] = 0x45;
    assert_true(linear(64, "01 0b", &r) == 0x10000); /* other instructions have numbers that are no addresses */
}

static void which_operand(void **state)
{
    struct mmio_registers r = { .gpr = { [6] = 0x1000, [7] = 0x2000 } };
    struct mmio_instruction in;

    assert_int_equal(decode_mmio((u8[]){ 0xa5 }, 1, (struct decode_mode){ 64 }, &in), 0); /* MOVS */
    assert_ptr_equal(decode_find(&in, &r, 0x1000, false), &in.source);
    assert_ptr_equal(decode_find(&in, &r, 0x1003, false), &in.source);
    assert_null(decode_find(&in, &r, 0x1004, false));
    assert_null(decode_find(&in, &r, 0xfff, false));
    assert_null(decode_find(&in, &r, 0x1000, true));
    assert_ptr_equal(decode_find(&in, &r, 0x2000, true), &in.memory);
    assert_null(decode_find(&in, &r, 0x2000, false));
    assert_int_equal(decode_mmio((u8[]){ 0xa7 }, 1, (struct decode_mode){ 64 }, &in), 0); /* CMPS */
    assert_ptr_equal(decode_find(&in, &r, 0x1000, false), &in.source);
    assert_ptr_equal(decode_find(&in, &r, 0x2000, false), &in.memory);
    assert_null(decode_find(&in, &r, 0x2000, true));
    assert_int_equal(decode_mmio((u8[]){ 0x09, 0x06 }, 2, (struct decode_mode){ 64 }, &in), 0); /* OR */
    assert_ptr_equal(decode_find(&in, &r, 0x1000, true), &in.memory);
    assert_ptr_equal(decode_find(&in, &r, 0x1000, false), &in.memory);
    assert_int_equal(decode_mmio((u8[]){ 0x8b, 0x06 }, 2, (struct decode_mode){ 64 }, &in), 0); /* a load */
    assert_ptr_equal(decode_find(&in, &r, 0x1000, false), &in.memory);
    assert_null(decode_find(&in, &r, 0x1000, true));
    assert_int_equal(decode_mmio((u8[]){ 0x89, 0x06 }, 2, (struct decode_mode){ 64 }, &in), 0); /* a store */
    assert_ptr_equal(decode_find(&in, &r, 0x1000, true), &in.memory);
    assert_null(decode_find(&in, &r, 0x1000, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(bit_addresses),
        cmocka_unit_test(which_operand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
