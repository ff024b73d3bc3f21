/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every instruction that the decoder accepts in 64-bit mode, with random operands: registers, flags and memory are
 * afterwards as the host's processor leaves them.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/mmio_alu.h"
#include "arch/x86/mmio_op.h"
#include "tests/unit/execute_support.h"

enum { RAX, RCX, RSI = 6, RDI = 7, TRIALS = 20 };

static const u64 status_flags = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;
static const u64 direction_flag = 1 << 10;

static u64 seed = 1;

static u64 next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Half of the numbers are where carries and signs change. */
static u64 number(void)
{
    static const u64 corners[] = { 0, 1, 2, 0xf, 0x10, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff };
    u64 corner = corners[next() % (sizeof corners / sizeof *corners)];

    switch (next() % 6) {
    case 0:
        return corner;
    case 1:
        return -corner;
    case 2:
        return corner << 16 | (next() & 1 ? 0xffff : 0) | (next() & 1 ? 0xffffffff00000000 : 0);
    default:
        return next();
    }
}

/* One instruction's run: the memory that the emulation sees is `shadow`, at the same addresses as the real one. */
struct run {
    const struct mmio_instruction *in;
    struct mmio_registers *registers;
    const struct mmio_memory *device;
    u8 shadow[EXECUTE_DATA];
};

static u8 *shadow_at(struct run *run, u64 linear, unsigned size)
{
    u64 offset = linear - (u64)execute_data();

    assert_true(offset <= EXECUTE_DATA - size);
    return run->shadow + offset;
}

static int other_read(void *context, const struct mmio_place *place, unsigned size, u64 *value)
{
    *value = 0xdeadbeefdeadbeef; /* what is above `size` does not count */
    memcpy(value, shadow_at(context, place->linear, size), size);
    return 0;
}

static int other_write(void *context, const struct mmio_place *place, unsigned size, u64 value)
{
    assert_true(size == 8 || value >> (8 * size) == 0);
    memcpy(shadow_at(context, place->linear, size), &value, size);
    return 0;
}

static int other_probe(void *context, const struct mmio_place *place, unsigned size)
{
    return 0;
}

static int device_read(void *context, unsigned size, u64 *value)
{
    struct run *run = context;
    struct mmio_place place = decode_place(run->in, run->device, run->registers);

    return other_read(context, &place, size, value);
}

static int device_write(void *context, unsigned size, u64 value)
{
    struct run *run = context;
    struct mmio_place place = decode_place(run->in, run->device, run->registers);

    return other_write(context, &place, size, value);
}

/* Flags that the SDM does not define after the instruction. */
static u64 undefined_flags(const struct mmio_instruction *in)
{
    switch (in->operation) {
    case MMIO_AND:
    case MMIO_OR:
    case MMIO_XOR:
    case MMIO_TEST:
        return RFLAGS_AF;
    case MMIO_BT:
    case MMIO_BTS:
    case MMIO_BTR:
    case MMIO_BTC:
        return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
    default:
        return 0;
    }
}

static u64 merge(u64 value, u64 low, unsigned size)
{
    return (value & ~size_mask(size)) | (low & size_mask(size));
}

/* Random registers with which all accesses are inside the data. */
static void registers_choose(const struct mmio_instruction *in, struct mmio_registers *r)
{
    u64 middle = (u64)execute_data() + EXECUTE_DATA / 2;

    *r = (struct mmio_registers){ .rip = execute_rip() };
    for (unsigned i = 0; i < DECODE_REGISTERS; i++)
        r->gpr[i] = number();
    r->rflags = next() & (status_flags | direction_flag);
    if (mmio_is_string(in)) {
        r->gpr[RSI] = merge(r->gpr[RSI], middle + next() % 256, in->address_size);
        r->gpr[RDI] = merge(r->gpr[RDI], middle + next() % 256, in->address_size);
        if (in->repeat) /* 0 with 32-bit addresses is no access, and processors differ in the upper half */
            r->gpr[RCX] = merge(r->gpr[RCX], next() % 6 + (in->address_size == 4), in->address_size);
    }
    if (in->operation >= MMIO_BT && in->operation <= MMIO_BTC && in->other == MMIO_REGISTER)
        r->gpr[in->reg] = merge(r->gpr[in->reg], next() % 0x8000 - 0x4000, in->size);
}

static void data_choose(const struct mmio_instruction *in, const struct mmio_registers *r, u8 *data)
{
    u64 value = number();

    for (unsigned i = 0; i < EXECUTE_DATA; i += 8) {
        /* Runs of the same, so that comparisons of strings go on. */
        if (next() % 8 == 0)
            value = next() % 4 ? number() : r->gpr[RAX];
        memcpy(data + i, &value, 8);
    }
    if (in->operation == MMIO_CMPXCHG && next() % 2)
        memcpy(data + EXECUTE_DATA / 2, &r->gpr[RAX], 8);
}

static void failed(const char *what, const u8 *bytes, const struct mmio_instruction *in,
                   const struct mmio_registers *ours, const struct mmio_registers *real)
{
    print_error("%s after", what);
    for (unsigned i = 0; i < in->length; i++)
        print_error(" %02x", bytes[i]);
    print_error("\nflags %#lx, the processor's %#lx\n", (unsigned long)ours->rflags, (unsigned long)real->rflags);
    for (unsigned i = 0; i < DECODE_REGISTERS; i++)
        if (ours->gpr[i] != real->gpr[i])
            print_error("r%u %#lx, the processor's %#lx\n", i, (unsigned long)ours->gpr[i],
                        (unsigned long)real->gpr[i]);
    fail();
}

static void compare(const u8 *bytes, const struct mmio_instruction *in)
{
    static struct run run;
    struct mmio_registers ours, real;
    struct mmio_access access = { &run, device_read, device_write, other_read, other_write, other_probe };
    u64 flags = (status_flags | direction_flag) & ~undefined_flags(in);
    int result;

    registers_choose(in, &ours);
    data_choose(in, &ours, execute_data());
    memcpy(run.shadow, execute_data(), EXECUTE_DATA);
    run.in = in;
    run.registers = &ours;
    run.device = mmio_has_source(in) && next() % 2 ? &in->source : &in->memory;
    real = ours;
    execute(bytes, in->length, &real);
    do
        result = mmio_execute(in, run.device, &ours, &access);
    while (result == MMIO_REPEAT);

    if (result != MMIO_DONE)
        failed("an error", bytes, in, &ours, &real);
    if (memcmp(ours.gpr, real.gpr, sizeof ours.gpr))
        failed("wrong registers", bytes, in, &ours, &real);
    if ((ours.rflags ^ real.rflags) & flags)
        failed("wrong flags", bytes, in, &ours, &real);
    if (memcmp(run.shadow, execute_data(), EXECUTE_DATA))
        failed("wrong memory", bytes, in, &ours, &real);
}

static bool has_movbe(void)
{
    unsigned eax, ebx, ecx = 0, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_MOVBE;
}

/* Builds prefixes, opcode and an operand at the middle of the data; false if the decoder does not know it. */
static bool build(const u8 *prefixes, unsigned map, u8 opcode, u8 reg, u8 *bytes, struct mmio_instruction *in)
{
    static const u8 maps[][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 } };
    u64 target = (u64)execute_data() + EXECUTE_DATA / 2, immediate = number();
    unsigned length = 0;
    u32 displacement;

    for (; prefixes[length]; length++)
        bytes[length] = prefixes[length];
    memcpy(bytes + length, maps[map], map);
    length += map;
    bytes[length++] = opcode;
    bytes[length] = (u8)(reg << 3 | 5);
    memset(bytes + length + 1, 0, 4);
    memcpy(bytes + length + 5, &immediate, 4);
    if (decode_mmio(bytes, DECODE_LENGTH_MAX, (struct decode_mode){ 64 }, in))
        return false;
    if (in->memory.base == DECODE_NONE) {
        memcpy(bytes + length, &target, 8);
    } else if (in->memory.base == DECODE_RIP) {
        displacement = (u32)(target - execute_rip() - in->length);
        memcpy(bytes + length + 1, &displacement, 4);
    }
    return !decode_mmio(bytes, DECODE_LENGTH_MAX, (struct decode_mode){ 64 }, in) && (!in->byte_swap || has_movbe());
}

static void every_instruction(void **state)
{
    static const u8 prefixes[][4] = { "",     "\x66",     "\x48",     "\x40",         "\x44",    "\x4c",     "\x66\x44",
                                      "\xf0", "\xf0\x48", "\xf0\x66", "\xf2",         "\xf3",    "\xf3\x48", "\x66\xf3",
                                      "\x67", "\x67\xf3", "\x67\xf2", "\x67\xf3\x48", "\x67\x66" };
    unsigned instructions = 0, operations = 0;
    u8 bytes[DECODE_LENGTH_MAX + 8];
    struct mmio_instruction in;

    for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes * 3 * 256 * 8; i++) {
        unsigned set = i / 8 / 256 / 3;

        if (!build(prefixes[set], i / 8 / 256 % 3, (u8)(i / 8), i % 8, bytes, &in))
            continue;
        instructions++;
        operations |= 1u << in.operation;
        for (unsigned trial = 0; trial < TRIALS; trial++) {
            build(prefixes[set], i / 8 / 256 % 3, (u8)(i / 8), i % 8, bytes, &in); /* another immediate */
            compare(bytes, &in);
        }
    }
    assert_in_range(instructions, 5000, 20000);
    assert_int_equal(operations, (2u << MMIO_SCAS) - 1);
}

/* The offset of every ModRM and SIB is what LEA says. */
static void every_offset(void **state)
{
    static const u8 prefixes[] = { 0, 0x41, 0x42, 0x48 };

    for (unsigned i = 0; i < 192 * 256 * sizeof prefixes * 2; i++) {
        u64 displacement = number();
        u8 rex = prefixes[i / 2 % sizeof prefixes];
        u8 bytes[DECODE_LENGTH_MAX + 4];
        unsigned length = 0, opcode;
        struct mmio_registers registers;
        struct mmio_instruction in;
        u64 offset;

        if (i & 1)
            bytes[length++] = 0x67;
        if (rex)
            bytes[length++] = rex;
        opcode = length++;
        bytes[opcode] = 0x8b;
        bytes[length++] = (u8)(i / 2 / sizeof prefixes / 256);
        bytes[length++] = (u8)(i / 2 / sizeof prefixes);
        memcpy(bytes + length, &displacement, 8);
        assert_int_equal(decode_mmio(bytes, DECODE_LENGTH_MAX, (struct decode_mode){ 64 }, &in), 0);
        registers_choose(&in, &registers);
        registers.rflags = 0;
        offset = decode_place(&in, &in.memory, &registers).offset;
        bytes[opcode] = 0x8d;
        execute(bytes, in.length, &registers);
        if (registers.gpr[in.reg] != (in.size == 8 ? offset : (u32)offset))
            fail_msg("%02x %02x %02x %02x %02x: %#lx, LEA says %#lx", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                     (unsigned long)offset, (unsigned long)registers.gpr[in.reg]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction),
        cmocka_unit_test(every_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
