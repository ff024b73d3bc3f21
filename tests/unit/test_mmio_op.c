/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an instruction does to the device and when: which accesses in which order, and that a failed one leaves the
 * registers alone. The results themselves are compared with the processor's in test_mmio_op_processor.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/mmio_alu.h"
#include "arch/x86/mmio_op.h"

enum { RAX, RCX, RDX, RBX, RSI = 6, RDI = 7 };

/* What happened, a letter each: r, w: the device; R, W, P: the other operand, P a probe. */
static struct machine {
    char log[32];
    u64 device, memory;      /* what is read, and what was written */
    struct mmio_place place; /* of the last access to the other operand */
    char fails;              /* this access returns -EFAULT */
    struct mmio_registers registers;
    struct mmio_instruction in;
} m;

static int access_log(char which)
{
    m.log[strlen(m.log)] = which;
    return which == m.fails ? -EFAULT : 0;
}

static int device_read(void *context, unsigned size, u64 *value)
{
    assert_int_equal(size, m.in.size);
    *value = m.device;
    return access_log('r');
}

static int device_write(void *context, unsigned size, u64 value)
{
    assert_int_equal(size, m.in.size);
    m.device = value;
    return access_log('w');
}

static int other_read(void *context, const struct mmio_place *place, unsigned size, u64 *value)
{
    m.place = *place;
    *value = m.memory;
    return access_log('R');
}

static int other_write(void *context, const struct mmio_place *place, unsigned size, u64 value)
{
    m.place = *place;
    m.memory = value;
    return access_log('W');
}

static int other_probe(void *context, const struct mmio_place *place, unsigned size)
{
    m.place = *place;
    return access_log('P');
}

static const struct mmio_access machine_access = {
    NULL, device_read, device_write, other_read, other_write, other_probe
};

static void decode(u8 bits, const char *code)
{
    u8 bytes[DECODE_LENGTH_MAX];
    unsigned length = 0;
    char *end;

    for (; *code; code = end)
        bytes[length++] = (u8)strtoul(code, &end, 16);
    assert_int_equal(decode_mmio(bytes, length, (struct decode_mode){ bits }, &m.in), 0);
}

/* The device is `source` or `memory`. */
static int run_as(u8 bits, const char *code, bool source)
{
    decode(bits, code);
    memset(m.log, 0, sizeof m.log);
    return mmio_execute(&m.in, source ? &m.in.source : &m.in.memory, &m.registers, &machine_access);
}

static int run(const char *code)
{
    return run_as(64, code, false);
}

static int setup(void **state)
{
    memset(&m, 0, sizeof m);
    for (unsigned i = 0; i < DECODE_REGISTERS; i++)
        m.registers.gpr[i] = 0x1111111111111111ull * i;
    m.registers.rip = 0x7000;
    m.registers.rflags = 0x202;
    m.device = 0xa5a5a5a5deadbeef;
    return 0;
}

static void accesses(void **state)
{
    static const struct {
        const char *code, *log;
    } cases[] = {
        { "8b 03", "r" },    { "89 03", "w" },        { "c7 03 00 00 00 00", "w" },
        { "0f b6 03", "r" }, { "09 03", "rw" },       { "0b 03", "r" },
        { "39 03", "r" },    { "3b 03", "r" },        { "85 03", "r" },
        { "f7 13", "rw" },   { "87 03", "rw" },       { "f0 0f c1 03", "rw" },
        { "0f a3 03", "r" }, { "0f ba 2b 01", "rw" }, { "aa", "w" },
        { "ac", "r" },       { "ae", "r" },           { "ff 03", "rw" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run(cases[i].code), MMIO_DONE);
        assert_string_equal(m.log, cases[i].log);
    }
}

/* In both cases there is a write; if the values differ, of what was read. */
static void compare_exchange(void **state)
{
    m.registers.gpr[RAX] = 0xffffffff00000005;
    m.device = 5;
    assert_int_equal(run("f0 0f b1 0b"), MMIO_DONE);
    assert_string_equal(m.log, "rw");
    assert_true(m.device == 0x11111111);
    assert_true(m.registers.gpr[RAX] == 0xffffffff00000005);
    assert_true(m.registers.rflags & RFLAGS_ZF);

    m.device = 6;
    assert_int_equal(run("f0 0f b1 0b"), MMIO_DONE);
    assert_string_equal(m.log, "rw");
    assert_true(m.device == 6);
    assert_true(m.registers.gpr[RAX] == 6);
    assert_false(m.registers.rflags & RFLAGS_ZF);
}

static void parts_of_registers(void **state)
{
    static const struct {
        const char *code;
        u64 rbx;
    } cases[] = {
        { "8a 18", 0x33333333333333ef }, { "8a 38", 0x333333333333ef33 },          { "66 8b 18", 0x333333333333beef },
        { "8b 18", 0xdeadbeef },         { "48 8b 18", 0xa5a5a5a5deadbeef },       { "48 0f b7 18", 0xbeef },
        { "0f be 18", 0xffffffef },      { "66 0f be 18", 0x333333333333ffef },    { "48 63 18", 0xffffffffdeadbeef },
        { "0f 38 f0 18", 0xefbeadde },   { "66 0f 38 f0 18", 0x333333333333efbe },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.registers.gpr[RBX] = 0x3333333333333333;
        assert_int_equal(run(cases[i].code), MMIO_DONE);
        assert_true(m.registers.gpr[RBX] == cases[i].rbx);
    }
}

/* Every access of these can fail; what has changed then is at most the device. */
static void failures(void **state)
{
    static const struct {
        const char *code, *accesses;
        bool source;
    } cases[] = {
        { "8b 03", "r", false },     { "89 03", "w", false },     { "09 03", "rw", false }, { "3b 03", "r", false },
        { "0f b1 0b", "rw", false }, { "0f c1 0b", "rw", false }, { "87 0b", "rw", false }, { "f3 a5", "PrW", true },
        { "f3 a5", "Rw", false },    { "f3 a7", "Rr", false },    { "f3 a7", "Rr", true },  { "f3 ab", "w", false },
        { "f3 ad", "r", false },     { "f3 af", "r", false },     { "f7 1b", "rw", false }, { "0f ab 0b", "rw", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run_as(64, cases[i].code, cases[i].source),
                         cases[i].code[0] == 'f' && cases[i].code[1] == '3');
        assert_string_equal(m.log, cases[i].accesses);
        for (const char *which = cases[i].accesses; *which; which++) {
            struct mmio_registers before;

            setup(NULL);
            m.registers.gpr[RCX] = 2;
            before = m.registers;
            m.fails = *which;
            assert_int_equal(run_as(64, cases[i].code, cases[i].source), -EFAULT);
            assert_memory_equal(&m.registers, &before, sizeof before);
            assert_int_equal(strlen(m.log), which - cases[i].accesses + 1); /* nothing comes after it */
        }
        setup(NULL);
        m.device = m.memory = m.registers.gpr[RAX]; /* so that comparisons go on */
        m.registers.gpr[RCX] = 2;
    }
}

static void repeated(void **state)
{
    m.registers.gpr[RCX] = 2;
    m.registers.gpr[RSI] = 0x1000;
    m.registers.gpr[RDI] = 0x2000;
    assert_int_equal(run_as(64, "f3 48 a5", true), MMIO_REPEAT);
    assert_string_equal(m.log, "PrW");
    assert_true(m.memory == 0xa5a5a5a5deadbeef && m.place.linear == 0x2000);
    assert_int_equal(m.registers.gpr[RCX], 1);
    assert_int_equal(m.registers.gpr[RSI], 0x1008);
    assert_int_equal(m.registers.gpr[RDI], 0x2008);
    m.registers.rflags |= 1 << 10;
    assert_int_equal(run_as(64, "f2 48 a5", false), MMIO_DONE); /* REPNE is the same */
    assert_string_equal(m.log, "Rw");
    assert_true(m.place.linear == 0x1008);
    assert_int_equal(m.registers.gpr[RCX], 0);
    assert_int_equal(m.registers.gpr[RSI], 0x1000);
    assert_int_equal(m.registers.gpr[RDI], 0x2000);
    assert_int_equal(run_as(64, "f3 48 a5", false), MMIO_DONE); /* nothing left to do */
    assert_string_equal(m.log, "");
    assert_int_equal(m.registers.gpr[RSI], 0x1000);
    assert_int_equal(run("aa"), MMIO_DONE); /* RCX does not count */
    assert_int_equal(m.registers.gpr[RCX], 0);
    assert_int_equal(m.registers.gpr[RDI], 0x1fff);
}

static void until_found(void **state)
{
    static const struct {
        const char *code;
        u64 accumulator, count;
        int result;
    } cases[] = {
        { "f3 ae", 0xef, 3, MMIO_REPEAT }, { "f3 ae", 0xee, 3, MMIO_DONE }, { "f2 ae", 0xef, 3, MMIO_DONE },
        { "f2 ae", 0xee, 3, MMIO_REPEAT }, { "f3 ae", 0xef, 1, MMIO_DONE }, { "f2 ae", 0xee, 1, MMIO_DONE },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.registers.gpr[RAX] = cases[i].accumulator;
        m.registers.gpr[RCX] = cases[i].count;
        assert_int_equal(run(cases[i].code), cases[i].result);
        assert_int_equal(m.registers.gpr[RCX], cases[i].count - 1);
    }
}

/* CMPS subtracts ES:rDI from DS:rSI, whichever of them is the device. */
static void compare_order(void **state)
{
    m.device = 1;
    m.memory = 2;
    assert_int_equal(run_as(64, "a6", true), MMIO_DONE);
    assert_true(m.registers.rflags & RFLAGS_CF);
    assert_int_equal(run_as(64, "a6", false), MMIO_DONE);
    assert_false(m.registers.rflags & RFLAGS_CF);
    assert_true(m.place.linear == 0x6666666666666667);
}

/* 16 bits of address wrap and leave the rest of the register. */
static void short_addresses(void **state)
{
    m.registers.segment_base[0] = 0xe0000; /* ES */
    m.registers.segment_base[4] = 0x30000; /* FS */
    m.registers.gpr[RCX] = 0xabc10001;
    m.registers.gpr[RSI] = 0xabc2fffe;
    m.registers.gpr[RDI] = 0xabc30001;
    assert_int_equal(run_as(16, "f3 64 a5", false), MMIO_DONE);
    assert_true(m.place.linear == 0x3fffe && m.place.offset == 0xfffe && m.place.segment == 4);
    assert_true(m.registers.gpr[RCX] == 0xabc10000);
    assert_true(m.registers.gpr[RSI] == 0xabc20000);
    assert_true(m.registers.gpr[RDI] == 0xabc30003);
    m.registers.rflags |= 1 << 10;
    m.registers.gpr[RDI] = 0xabc30001;
    assert_int_equal(run_as(16, "66 ab", false), MMIO_DONE);
    assert_true(m.registers.gpr[RDI] == 0xabc3fffd);
}

static void bits_of_words(void **state)
{
    m.device = 0;
    m.registers.gpr[RCX] = (u64)-1; /* the highest bit of the word before */
    assert_int_equal(run("0f ab 0b"), MMIO_DONE);
    assert_true(m.device == 0x80000000);
    assert_int_equal(run("0f ba 33 3f"), MMIO_DONE); /* bit 63 of 32 is 31 */
    assert_true(m.device == 0);
    assert_true(m.registers.rflags & RFLAGS_CF);
}

static void foreign_operand(void **state)
{
    struct mmio_memory elsewhere = { 0 };

    decode(64, "8b 03");
    assert_int_equal(mmio_execute(&m.in, &elsewhere, &m.registers, &machine_access), -EINVAL);
    assert_int_equal(mmio_execute(&m.in, NULL, &m.registers, &machine_access), -EINVAL);
    assert_int_equal(mmio_execute(&m.in, &m.in.source, &m.registers, &machine_access), -EINVAL);
    assert_string_equal(m.log, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accesses, setup),           cmocka_unit_test_setup(compare_exchange, setup),
        cmocka_unit_test_setup(parts_of_registers, setup), cmocka_unit_test_setup(failures, setup),
        cmocka_unit_test_setup(repeated, setup),           cmocka_unit_test_setup(until_found, setup),
        cmocka_unit_test_setup(compare_order, setup),      cmocka_unit_test_setup(short_addresses, setup),
        cmocka_unit_test_setup(bits_of_words, setup),      cmocka_unit_test_setup(foreign_operand, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
