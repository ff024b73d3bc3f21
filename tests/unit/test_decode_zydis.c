/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder against Zydis, systematically: every opcode, every ModRM, and what changes their meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/zydis_support.h"

static const u8 modes[] = { 16, 32, 64 };

/* What follows ModRM: its own bytes are told apart by it, and have all signs. */
static const u8 tails[][12] = {
    { 0x91, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7, 0x88, 0x99, 0xaa, 0xbb, 0xcc },
    { 0x25, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x09, 0x1a, 0x2b, 0x3c },
};

static const u8 maps[][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 } };

/* In every order of two, and some of three. The last one of one group counts, REX only next to the opcode. */
static const u8 prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                               0x65, 0x40, 0x41, 0x42, 0x44, 0x47, 0x48, 0x4d, 0x4f };

struct code {
    u8 bytes[DECODE_LENGTH_MAX];
    unsigned length;
};

static void put(struct code *code, const u8 *bytes, size_t count)
{
    for (size_t i = 0; i < count && code->length < sizeof code->bytes; i++)
        code->bytes[code->length++] = bytes[i];
}

static bool check(const struct code *code, u8 bits)
{
    bool accepted;
    const char *wrong = zydis_disagrees(code->bytes, code->length, (struct decode_mode){ bits }, &accepted);

    if (wrong)
        fail_msg("%s", wrong);
    return accepted;
}

static bool try(const u8 *before, size_t count, unsigned map, u8 opcode, u8 modrm, u8 sib, unsigned tail, u8 bits)
{
    struct code code = { .length = 0 };

    put(&code, before, count);
    put(&code, maps[map], map);
    put(&code, (u8[]){ opcode, modrm, sib }, 3);
    put(&code, tails[tail], sizeof tails[tail]);
    return check(&code, bits);
}

/* Any opcode with any ModRM. */
static void every_opcode(void **state)
{
    static const u8 some[] = { 0x66, 0xf0, 0xf2, 0xf3, 0x48 };
    unsigned accepted[3] = { 0 };

    for (unsigned mode = 0; mode < 3; mode++)
        for (unsigned map = 0; map < 3; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = 0; modrm < 256; modrm++) {
                    accepted[mode] += try(NULL, 0, map, (u8)opcode, (u8)modrm, 0x91, 0, modes[mode]);
                    /* One of each kind of ModRM suffices with prefixes. */
                    for (unsigned i = 0; i < sizeof some && (modrm & 7) == 5; i++)
                        try(&some[i], 1, map, (u8)opcode, (u8)modrm, 0x91, 0, modes[mode]);
                }
    /* That they agree is not because both refuse. */
    for (unsigned mode = 0; mode < 3; mode++)
        assert_in_range(accepted[mode], 15000, 20000);
}

/* Of every opcode that is known: each combination of prefixes, with some ModRM. */
static void every_prefix(void **state)
{
    static const u8 forms[] = { 0x04, 0x05, 0x06, 0x45, 0x84, 0xc5 };
    enum { COUNT = sizeof prefixes };

    for (unsigned mode = 0; mode < 3; mode++)
        for (unsigned map = 0; map < 3; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                bool known = false;

                for (unsigned reg = 0; reg < 8; reg++)
                    known |= try(NULL, 0, map, (u8)opcode, (u8)(reg << 3), 0, 0, modes[mode]);
                for (unsigned i = 0; known && i < COUNT * COUNT * sizeof forms * 8; i++) {
                    unsigned both = i / 8 / sizeof forms;
                    u8 modrm = forms[i / 8 % sizeof forms] | (u8)((i % 8) << 3);

                    try((u8[]){ prefixes[both / COUNT], prefixes[both % COUNT] }, 2, map, (u8)opcode, modrm, 0x25,
                        i & 1, modes[mode]);
                }
            }
}

/* Three and more prefixes, on one opcode of each kind. */
static void many_prefixes(void **state)
{
    static const u8 opcodes[] = { 0x00, 0x89, 0x8b, 0xa1, 0xa5, 0xa7, 0xc7, 0xf6, 0x0f };
    enum { COUNT = sizeof prefixes };

    for (unsigned i = 0; i < COUNT * COUNT * COUNT * sizeof opcodes * 3; i++) {
        unsigned rest = i / 3 / sizeof opcodes;
        u8 three[] = { prefixes[rest % COUNT], prefixes[rest / COUNT % COUNT], prefixes[rest / COUNT / COUNT] };

        try(three, 3, 0, opcodes[i / 3 % sizeof opcodes], 0xb3, 0x05, 0, modes[i % 3]);
    }
    for (unsigned count = 4; count < DECODE_LENGTH_MAX; count++)
        for (unsigned mode = 0; mode < 3; mode++) {
            u8 same[DECODE_LENGTH_MAX];

            for (unsigned i = 0; i < sizeof prefixes; i++) {
                memset(same, prefixes[i], sizeof same);
                try(same, count, 0, 0x8b, 0x05, 0x25, 0, modes[mode]);
                try(same, count, 0, 0xc7, 0x84, 0x25, 0, modes[mode]);
                try(same, count, 0, 0xa5, 0x84, 0x25, 0, modes[mode]);
            }
        }
}

/* All of ModRM and SIB, with all of REX and both address sizes. */
static void every_memory_operand(void **state)
{
    for (unsigned mode = 0; mode < 3; mode++)
        for (unsigned modrm = 0; modrm < 0xc0; modrm++)
            for (unsigned sib = 0; sib < 256; sib++)
                for (unsigned rex = 0; rex < (modes[mode] == 64 ? 17 : 1); rex++) {
                    u8 before[] = { 0x67, (u8)(0x3f + rex) };

                    try(before, rex ? 2 : 1, 0, 0x89, (u8)modrm, (u8)sib, sib & 1, modes[mode]);
                    try(before + 1, rex != 0, 0, 0x89, (u8)modrm, (u8)sib, sib & 1, modes[mode]);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_opcode),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(many_prefixes),
        cmocka_unit_test(every_memory_operand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
