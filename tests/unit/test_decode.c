/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder by examples, among them what compilers and kernels have for APIC and IOAPIC. Instructions are written as
 * hex and read back as text: "lock or ds:[r0+r1*4+0x20]:4, 0x1 @8" has a memory operand of 4 bytes and addresses of 8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/decode.h"

struct example {
    u8 bits;
    const char *code, *text;
};

static unsigned parse(const char *code, u8 *bytes, unsigned room)
{
    unsigned length = 0;
    char *end;

    for (; *code; code = end) {
        assert_true(length < room);
        bytes[length++] = (u8)strtoul(code, &end, 16);
    }
    return length;
}

static const char *register_text(u8 number)
{
    static char text[4][8];
    static unsigned next;
    char *at = text[next++ % 4];

    if (number == DECODE_RIP)
        return "rip";
    (void)snprintf(at, sizeof text[0], "r%u", number);
    return at;
}

static void memory_text(const struct mmio_instruction *in, const struct mmio_memory *memory, char *out, size_t size)
{
    static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs" };
    long long displacement = (long long)memory->displacement;
    char index[16] = "";

    if (memory->index != DECODE_NONE)
        (void)snprintf(index, sizeof index, "+%s*%u", register_text(memory->index), memory->scale);
    (void)snprintf(out, size, "%s:[%s%s%c%#llx]:%u", segments[memory->segment],
                   memory->base == DECODE_NONE ? "" : register_text(memory->base), index, displacement < 0 ? '-' : '+',
                   displacement < 0 ? -displacement : displacement, in->size);
}

static void other_text(const struct mmio_instruction *in, char *out, size_t size)
{
    if (in->other == MMIO_REGISTER)
        (void)snprintf(out, size, "%s%s:%u", register_text(in->reg), in->high_byte ? "h" : "", in->register_size);
    else if (mmio_has_source(in))
        memory_text(in, &in->source, out, size);
    else
        (void)snprintf(out, size, in->other == MMIO_IMMEDIATE ? "%s%#llx" : "", (int64_t)in->immediate < 0 ? "-" : "",
                       (int64_t)in->immediate < 0 ? -(unsigned long long)in->immediate
                                                  : (unsigned long long)in->immediate);
}

static void describe(const struct mmio_instruction *in, char *out, size_t size)
{
    static const char *const names[] = { "load", "store", "add", "or",  "adc",  "sbb",  "and",  "sub",  "xor",
                                         "cmp",  "test",  "not", "neg", "inc",  "dec",  "xchg", "xadd", "cmpxchg",
                                         "bt",   "bts",   "btr", "btc", "movs", "cmps", "stos", "lods", "scas" };
    static const char *const repeats[] = { "", "repe ", "repne " };
    char memory[64], other[64];

    memory_text(in, &in->memory, memory, sizeof memory);
    other_text(in, other, sizeof other);
    (void)snprintf(out, size, "%s%s%s%s%s %s%s%s @%u", in->lock ? "lock " : "", repeats[in->repeat],
                   names[in->operation], in->sign_extend ? "-signed" : "", in->byte_swap ? "-swapped" : "",
                   in->memory_first ? memory : other, *other ? ", " : "", in->memory_first ? other : memory,
                   in->address_size);
}

static void check(const struct example *example)
{
    u8 bytes[DECODE_LENGTH_MAX + 1];
    unsigned length = parse(example->code, bytes, DECODE_LENGTH_MAX);
    struct decode_mode mode = { example->bits };
    struct mmio_instruction in;
    char text[200];

    for (unsigned i = 0; i < length; i++)
        assert_int_equal(decode_mmio(bytes, i, mode, &in), -EAGAIN);
    for (unsigned more = 0; more < 2; more++) {
        bytes[length] = 0x66;
        if (decode_mmio(bytes, length + more, mode, &in))
            fail_msg("%s is refused", example->code);
        assert_int_equal(in.length, length);
        assert_int_equal(in.mode, mode.bits);
        describe(&in, text, sizeof text);
        assert_string_equal(text, example->text);
    }
}

#define CHECK_ALL(examples)                                             \
    do {                                                                \
        for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) \
            check(&(examples)[i]);                                      \
    } while (0)

/* Linux reads and writes by MOV, older kernels wrote by XCHG; test kernels in assembly language set bits in place. */
static void what_kernels_do(void **state)
{
    static const struct example examples[] = {
        { 64, "8b 80 00 b0 5f ff", "load r0:4, ds:[r0-0xa05000]:4 @8" },
        { 64, "89 b7 00 b0 5f ff", "store ds:[r7-0xa05000]:4, r6:4 @8" },
        { 64, "87 b7 00 b0 5f ff", "xchg ds:[r7-0xa05000]:4, r6:4 @8" },
        { 64, "c7 04 25 b0 b0 5f ff 00 00 00 00", "store ds:[-0xa04f50]:4, 0 @8" },
        { 64, "c7 05 10 00 00 00 01 00 00 80", "store ds:[rip+0x10]:4, -0x7fffffff @8" },
        { 32, "c7 05 b0 00 e0 fe 00 00 00 00", "store ds:[-0x11fff50]:4, 0 @4" },
        { 32, "a1 20 00 e0 fe", "load r0:4, ds:[-0x11fffe0]:4 @4" },
        { 32, "a3 b0 00 e0 fe", "store ds:[-0x11fff50]:4, r0:4 @4" },
        { 32, "81 0d f0 00 e0 fe 00 01 00 00", "or ds:[-0x11fff10]:4, 0x100 @4" },
        { 32, "83 60 50 fe", "and ds:[r0+0x50]:4, -0x2 @4" },
        { 32, "f7 83 00 03 00 00 00 10 00 00", "test ds:[r3+0x300]:4, 0x1000 @4" },
        { 32, "85 8b 00 03 00 00", "test ds:[r3+0x300]:4, r1:4 @4" },
        { 32, "39 03", "cmp ds:[r3+0]:4, r0:4 @4" },
        { 32, "3b 03", "cmp r0:4, ds:[r3+0]:4 @4" },
        { 32, "f3 a5", "repe movs es:[r7+0]:4, ds:[r6+0]:4 @4" },
        { 16, "66 67 8b 05 20 00 e0 fe", "load r0:4, ds:[-0x11fffe0]:4 @4" },
    };

    CHECK_ALL(examples);
}

static void moves(void **state)
{
    static const struct example examples[] = {
        { 64, "88 23", "store ds:[r3+0]:1, r0h:1 @8" },
        { 64, "40 88 23", "store ds:[r3+0]:1, r4:1 @8" },
        { 64, "8a 3b", "load r3h:1, ds:[r3+0]:1 @8" },
        { 64, "44 8a 3b", "load r15:1, ds:[r3+0]:1 @8" },
        { 32, "8a 2b", "load r1h:1, ds:[r3+0]:1 @4" },
        { 64, "66 89 03", "store ds:[r3+0]:2, r0:2 @8" },
        { 64, "48 89 03", "store ds:[r3+0]:8, r0:8 @8" },
        { 64, "66 48 89 03", "store ds:[r3+0]:8, r0:8 @8" },
        { 64, "48 66 89 03", "store ds:[r3+0]:2, r0:2 @8" }, /* REX is not next to the opcode */
        { 16, "89 07", "store ds:[r3+0]:2, r0:2 @2" },
        { 16, "66 89 07", "store ds:[r3+0]:4, r0:4 @2" },
        { 32, "66 89 03", "store ds:[r3+0]:2, r0:2 @4" },
        { 64, "c6 03 80", "store ds:[r3+0]:1, -0x80 @8" },
        { 64, "66 c7 03 34 92", "store ds:[r3+0]:2, -0x6dcc @8" },
        { 64, "48 c7 03 00 00 00 80", "store ds:[r3+0]:8, -0x80000000 @8" },
        { 16, "c7 07 34 12", "store ds:[r3+0]:2, 0x1234 @2" },
        { 64, "0f b6 23", "load r4:4, ds:[r3+0]:1 @8" },
        { 64, "66 0f b6 23", "load r4:2, ds:[r3+0]:1 @8" },
        { 64, "48 0f b7 23", "load r4:8, ds:[r3+0]:2 @8" },
        { 64, "48 0f be 23", "load-signed r4:8, ds:[r3+0]:1 @8" },
        { 32, "0f bf 23", "load-signed r4:4, ds:[r3+0]:2 @4" },
        { 64, "48 63 03", "load-signed r0:8, ds:[r3+0]:4 @8" },
        { 64, "63 03", "load-signed r0:4, ds:[r3+0]:4 @8" },
        { 64, "66 63 03", "load-signed r0:2, ds:[r3+0]:2 @8" },
        { 64, "0f c3 03", "store ds:[r3+0]:4, r0:4 @8" },
        { 64, "48 0f c3 03", "store ds:[r3+0]:8, r0:8 @8" },
        { 16, "0f c3 07", "store ds:[r3+0]:4, r0:4 @2" },
        { 64, "0f 38 f0 03", "load-swapped r0:4, ds:[r3+0]:4 @8" },
        { 64, "66 0f 38 f1 03", "store-swapped ds:[r3+0]:2, r0:2 @8" },
    };

    CHECK_ALL(examples);
}

static void offsets(void **state)
{
    static const struct example examples[] = {
        { 64, "a0 88 77 66 55 44 33 22 11", "load r0:1, ds:[+0x1122334455667788]:1 @8" },
        { 64, "48 a3 88 77 66 55 44 33 22 11", "store ds:[+0x1122334455667788]:8, r0:8 @8" },
        { 64, "67 a1 44 33 22 11", "load r0:4, ds:[+0x11223344]:4 @4" },
        { 64, "64 a1 20 00 00 00 00 00 00 00", "load r0:4, fs:[+0x20]:4 @8" },
        { 32, "66 a1 44 33 22 11", "load r0:2, ds:[+0x11223344]:2 @4" },
        { 32, "67 a2 22 11", "store ds:[+0x1122]:1, r0:1 @2" },
        { 16, "a3 22 11", "store ds:[+0x1122]:2, r0:2 @2" },
        { 16, "26 a1 22 11", "load r0:2, es:[+0x1122]:2 @2" },
    };

    CHECK_ALL(examples);
}

static void arithmetic(void **state)
{
    static const struct example examples[] = {
        { 64, "00 03", "add ds:[r3+0]:1, r0:1 @8" },
        { 64, "03 03", "add r0:4, ds:[r3+0]:4 @8" },
        { 64, "09 03", "or ds:[r3+0]:4, r0:4 @8" },
        { 64, "0a 23", "or r0h:1, ds:[r3+0]:1 @8" },
        { 64, "f0 11 03", "lock adc ds:[r3+0]:4, r0:4 @8" },
        { 64, "1b 03", "sbb r0:4, ds:[r3+0]:4 @8" },
        { 64, "f0 48 21 03", "lock and ds:[r3+0]:8, r0:8 @8" },
        { 64, "29 03", "sub ds:[r3+0]:4, r0:4 @8" },
        { 64, "33 03", "xor r0:4, ds:[r3+0]:4 @8" },
        { 64, "38 03", "cmp ds:[r3+0]:1, r0:1 @8" },
        { 64, "80 0b 80", "or ds:[r3+0]:1, -0x80 @8" },
        { 32, "82 0b 80", "or ds:[r3+0]:1, -0x80 @4" },
        { 64, "66 81 2b 01 80", "sub ds:[r3+0]:2, -0x7fff @8" },
        { 64, "48 83 3b ff", "cmp ds:[r3+0]:8, -0x1 @8" },
        { 64, "f6 03 01", "test ds:[r3+0]:1, 0x1 @8" },
        { 64, "f6 0b 01", "test ds:[r3+0]:1, 0x1 @8" }, /* another name of the same */
        { 64, "f0 f7 13", "lock not ds:[r3+0]:4 @8" },
        { 64, "f6 1b", "neg ds:[r3+0]:1 @8" },
        { 64, "f0 fe 03", "lock inc ds:[r3+0]:1 @8" },
        { 64, "48 ff 0b", "dec ds:[r3+0]:8 @8" },
        { 64, "f0 86 03", "lock xchg ds:[r3+0]:1, r0:1 @8" },
        { 64, "f0 0f c1 0b", "lock xadd ds:[r3+0]:4, r1:4 @8" },
        { 64, "f0 0f b1 0b", "lock cmpxchg ds:[r3+0]:4, r1:4 @8" },
        { 64, "0f b0 2b", "cmpxchg ds:[r3+0]:1, r1h:1 @8" },
        { 64, "0f a3 0b", "bt ds:[r3+0]:4, r1:4 @8" },
        { 64, "f0 48 0f ab 0b", "lock bts ds:[r3+0]:8, r1:8 @8" },
        { 64, "66 0f b3 0b", "btr ds:[r3+0]:2, r1:2 @8" },
        { 64, "0f bb 0b", "btc ds:[r3+0]:4, r1:4 @8" },
        { 64, "0f ba 23 25", "bt ds:[r3+0]:4, 0x25 @8" },
        { 64, "f0 0f ba 2b 05", "lock bts ds:[r3+0]:4, 0x5 @8" },
        { 64, "0f ba 33 05", "btr ds:[r3+0]:4, 0x5 @8" },
        { 64, "0f ba 3b 05", "btc ds:[r3+0]:4, 0x5 @8" },
    };

    CHECK_ALL(examples);
}

static void strings(void **state)
{
    static const struct example examples[] = {
        { 64, "a4", "movs es:[r7+0]:1, ds:[r6+0]:1 @8" },
        { 64, "f3 48 a5", "repe movs es:[r7+0]:8, ds:[r6+0]:8 @8" },
        { 64, "65 67 a5", "movs es:[r7+0]:4, gs:[r6+0]:4 @4" },
        { 64, "f3 f2 a6", "repne cmps ds:[r6+0]:1, es:[r7+0]:1 @8" },
        { 32, "2e f3 a7", "repe cmps cs:[r6+0]:4, es:[r7+0]:4 @4" },
        { 32, "26 aa", "stos es:[r7+0]:1, r0:1 @4" },
        { 16, "f3 64 ab", "repe stos es:[r7+0]:2, r0:2 @2" },
        { 16, "36 ac", "lods r0:1, ss:[r6+0]:1 @2" },
        { 64, "66 ad", "lods r0:2, ds:[r6+0]:2 @8" },
        { 64, "f2 ae", "repne scas r0:1, es:[r7+0]:1 @8" },
    };

    CHECK_ALL(examples);
}

static void memory_operands(void **state)
{
    static const struct example examples[] = {
        { 64, "8b 04 88", "load r0:4, ds:[r0+r1*4+0]:4 @8" },
        { 64, "8b 04 20", "load r0:4, ds:[r0+0]:4 @8" },          /* RSP is no index, */
        { 64, "42 8b 04 20", "load r0:4, ds:[r0+r12*1+0]:4 @8" }, /* but R12 is one */
        { 64, "8b 04 24", "load r0:4, ss:[r4+0]:4 @8" },
        { 64, "41 8b 04 24", "load r0:4, ds:[r12+0]:4 @8" },
        { 64, "8b 45 80", "load r0:4, ss:[r5-0x80]:4 @8" },
        { 64, "41 8b 45 00", "load r0:4, ds:[r13+0]:4 @8" },
        { 64, "8b 04 cd 78 56 34 12", "load r0:4, ds:[+r1*8+0x12345678]:4 @8" },
        { 64, "41 8b 04 cd 78 56 34 12", "load r0:4, ds:[+r1*8+0x12345678]:4 @8" }, /* no base whatever REX.B says */
        { 64, "43 8b 44 4d 10", "load r0:4, ds:[r13+r9*2+0x10]:4 @8" },
        { 64, "47 8b b4 c7 00 00 00 80", "load r14:4, ds:[r15+r8*8-0x80000000]:4 @8" },
        { 64, "67 8b 05 00 00 00 80", "load r0:4, ds:[rip-0x80000000]:4 @4" },
        { 64, "64 8b 00", "load r0:4, fs:[r0+0]:4 @8" },
        { 64, "64 3e 8b 00", "load r0:4, fs:[r0+0]:4 @8" }, /* DS does not take FS back */
        { 64, "26 8b 00", "load r0:4, ds:[r0+0]:4 @8" },
        { 32, "64 3e 8b 00", "load r0:4, ds:[r0+0]:4 @4" },
        { 32, "3e 8b 45 04", "load r0:4, ds:[r5+0x4]:4 @4" },
        { 32, "67 8b 00", "load r0:4, ds:[r3+r6*1+0]:4 @2" },
        { 16, "8b 01", "load r0:2, ds:[r3+r7*1+0]:2 @2" },
        { 16, "8b 02", "load r0:2, ss:[r5+r6*1+0]:2 @2" },
        { 16, "8b 43 7f", "load r0:2, ss:[r5+r7*1+0x7f]:2 @2" },
        { 16, "8b 04", "load r0:2, ds:[r6+0]:2 @2" },
        { 16, "8b 85 00 80", "load r0:2, ds:[r7-0x8000]:2 @2" },
        { 16, "8b 06 00 80", "load r0:2, ds:[-0x8000]:2 @2" },
        { 16, "8b 46 fe", "load r0:2, ss:[r5-0x2]:2 @2" },
        { 16, "8b 07", "load r0:2, ds:[r3+0]:2 @2" },
        { 16, "67 8b 04 98", "load r0:2, ds:[r0+r3*4+0]:2 @4" },
    };

    CHECK_ALL(examples);
}

static void what_is_refused(void **state)
{
    static const struct {
        u8 bits;
        const char *code;
    } cases[] = {
        { 64, "89 c0" },    /* registers only */
        { 64, "f0 89 03" }, /* LOCK: not before MOV, */
        { 64, "f0 03 03" }, /* not where a register is the destination, */
        { 64, "f0 39 03" }, /* nor where nothing is written */
        { 64, "f0 83 3b 00" },
        { 64, "f0 f6 03 00" },
        { 64, "f0 85 03" },
        { 64, "f0 0f a3 03" },
        { 64, "f0 0f ba 23 00" },
        { 64, "f0 a4" },
        { 64, "f0 a1 00 00 00 00 00 00 00 00" },
        { 64, "82 03 00" }, /* not in 64-bit mode */
        { 32, "63 03" },    /* ARPL */
        { 16, "63 07" },
        { 32, "40" },          /* INC, not REX */
        { 64, "66 0f c3 03" }, /* not MOVNTI */
        { 64, "f3 0f c3 03" },
        { 64, "f2 0f 38 f0 03" }, /* CRC32 */
        { 64, "66 f2 0f 38 f1 03" },
        { 64, "c7 0b 00 00 00 00" },
        { 64, "0f ba 03 00" },
        { 64, "f7 23" }, /* MUL */
        { 64, "ff 13" }, /* CALL */
        { 64, "ff 33" }, /* PUSH */
        { 64, "fe 13" },
        { 64, "8c 03" },    /* from a segment register */
        { 64, "8d 03" },    /* LEA */
        { 64, "0f 11 03" }, /* MOVUPS */
        { 64, "c5 f8 11 03" },
        { 64, "0f c7 0b" }, /* CMPXCHG8B */
        { 64, "d5 00 89 03" },
        { 64, "90" },
        { 64, "0f 0b" },
    };
    u8 bytes[DECODE_LENGTH_MAX];
    struct mmio_instruction in = { .length = 99 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned length = parse(cases[i].code, bytes, sizeof bytes);

        if (decode_mmio(bytes, length, (struct decode_mode){ cases[i].bits }, &in) != -EINVAL)
            fail_msg("%s is not refused", cases[i].code);
    }
    assert_int_equal(in.length, 99); /* written only on success */
}

/* The longest instruction has 15 bytes, however many are there. */
static void length_limit(void **state)
{
    u8 bytes[32];
    struct mmio_instruction in;

    memset(bytes, 0x3e, sizeof bytes);
    memcpy(bytes + 13, (u8[]){ 0x8b, 0x03, 0x8b, 0x03 }, 4);
    assert_int_equal(decode_mmio(bytes, sizeof bytes, (struct decode_mode){ 64 }, &in), 0);
    assert_int_equal(in.length, 15);
    assert_int_equal(decode_mmio(bytes, 14, (struct decode_mode){ 64 }, &in), -EAGAIN);
    bytes[13] = 0x3e;
    bytes[14] = 0x8b;
    assert_int_equal(decode_mmio(bytes, sizeof bytes, (struct decode_mode){ 64 }, &in), -EINVAL);
    assert_int_equal(decode_mmio(bytes, 15, (struct decode_mode){ 64 }, &in), -EINVAL);
    memset(bytes, 0x66, sizeof bytes);
    assert_int_equal(decode_mmio(bytes, 14, (struct decode_mode){ 64 }, &in), -EAGAIN);
    assert_int_equal(decode_mmio(bytes, 15, (struct decode_mode){ 64 }, &in), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_kernels_do), cmocka_unit_test(moves),        cmocka_unit_test(offsets),
        cmocka_unit_test(arithmetic),      cmocka_unit_test(strings),      cmocka_unit_test(memory_operands),
        cmocka_unit_test(what_is_refused), cmocka_unit_test(length_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
