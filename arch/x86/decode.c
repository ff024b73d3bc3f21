/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes and opcodes of the instructions that are emulated with operands in memory. SDM vol. 2, appendix A. */
#include "arch/x86/decode_internal.h"
#include "arch/x86/vcpu.h" /* enum gpr */
#include "arch/x86/vmcs_fields.h"

/* Where an instruction's operands are encoded. */
enum shape {
    UNKNOWN,
    MEMORY_REGISTER, /* ModRM: the first operand, the second one */
    REGISTER_MEMORY,
    MEMORY_IMMEDIATE,
    MEMORY_IMMEDIATE8, /* one byte, sign-extended to the operand size */
    MEMORY_ONLY,
    OFFSET_ACCUMULATOR, /* MOV: the offset is where an immediate would be */
    ACCUMULATOR_OFFSET,
    STRING,
};

enum {
    BYTE = 1,     /* the operand has 8 bits, otherwise the operand size */
    LOCKABLE = 2, /* LOCK may stand before it */
    MEMORY8 = 4,  /* memory has 8 or 16 bits; the operand size is the register's */
    MEMORY16 = 8,
    SIGN_EXTEND = 16,
    BYTE_SWAP = 32,
    NO_MANDATORY = 64, /* another instruction, or none, after 66, F2 or F3 */
    NO_REPEAT = 128,   /* the same after F2 or F3 alone */
};

struct form {
    u8 operation; /* enum mmio_operation; of a group the first one, or which group it is */
    u8 shape, flags;
};

/* Opcodes whose operation is in ModRM.reg, told from others by these numbers. */
enum { GROUP_ARITHMETIC = 0x80, GROUP_UNARY, GROUP_INC_DEC, GROUP_BIT, GROUP_MOVE };

#define SIZES(opcode, operation, shape, flags) \
    [opcode] = { operation, shape, (flags) | BYTE }, [(opcode) + 1] = { operation, shape, flags }

/* CMP writes nothing, so it cannot be locked. */
#define ARITHMETIC(opcode, operation)                                                  \
    SIZES(opcode, operation, MEMORY_REGISTER, (operation) == MMIO_CMP ? 0 : LOCKABLE), \
        SIZES((opcode) + 2, operation, REGISTER_MEMORY, 0)

static const struct form one_byte[256] = {
    ARITHMETIC(0x00, MMIO_ADD),
    ARITHMETIC(0x08, MMIO_OR),
    ARITHMETIC(0x10, MMIO_ADC),
    ARITHMETIC(0x18, MMIO_SBB),
    ARITHMETIC(0x20, MMIO_AND),
    ARITHMETIC(0x28, MMIO_SUB),
    ARITHMETIC(0x30, MMIO_XOR),
    ARITHMETIC(0x38, MMIO_CMP),
    [0x63] = { MMIO_LOAD, REGISTER_MEMORY, SIGN_EXTEND },
    SIZES(0x80, GROUP_ARITHMETIC, MEMORY_IMMEDIATE, 0),
    [0x82] = { GROUP_ARITHMETIC, MEMORY_IMMEDIATE, BYTE },
    [0x83] = { GROUP_ARITHMETIC, MEMORY_IMMEDIATE8, 0 },
    SIZES(0x84, MMIO_TEST, MEMORY_REGISTER, 0),
    SIZES(0x86, MMIO_XCHG, MEMORY_REGISTER, LOCKABLE),
    SIZES(0x88, MMIO_STORE, MEMORY_REGISTER, 0),
    SIZES(0x8a, MMIO_LOAD, REGISTER_MEMORY, 0),
    SIZES(0xa0, MMIO_LOAD, ACCUMULATOR_OFFSET, 0),
    SIZES(0xa2, MMIO_STORE, OFFSET_ACCUMULATOR, 0),
    SIZES(0xa4, MMIO_MOVS, STRING, 0),
    SIZES(0xa6, MMIO_CMPS, STRING, 0),
    SIZES(0xaa, MMIO_STOS, STRING, 0),
    SIZES(0xac, MMIO_LODS, STRING, 0),
    SIZES(0xae, MMIO_SCAS, STRING, 0),
    SIZES(0xc6, GROUP_MOVE, MEMORY_IMMEDIATE, 0),
    SIZES(0xf6, GROUP_UNARY, MEMORY_ONLY, 0),
    SIZES(0xfe, GROUP_INC_DEC, MEMORY_ONLY, LOCKABLE),
};

/* After 0F. */
static const struct form two_bytes[256] = {
    [0xa3] = { MMIO_BT, MEMORY_REGISTER, 0 },
    [0xab] = { MMIO_BTS, MEMORY_REGISTER, LOCKABLE },
    [0xb3] = { MMIO_BTR, MEMORY_REGISTER, LOCKABLE },
    [0xbb] = { MMIO_BTC, MEMORY_REGISTER, LOCKABLE },
    [0xba] = { GROUP_BIT, MEMORY_IMMEDIATE8, 0 },
    SIZES(0xb0, MMIO_CMPXCHG, MEMORY_REGISTER, LOCKABLE),
    [0xb6] = { MMIO_LOAD, REGISTER_MEMORY, MEMORY8 },
    [0xb7] = { MMIO_LOAD, REGISTER_MEMORY, MEMORY16 },
    [0xbe] = { MMIO_LOAD, REGISTER_MEMORY, MEMORY8 | SIGN_EXTEND },
    [0xbf] = { MMIO_LOAD, REGISTER_MEMORY, MEMORY16 | SIGN_EXTEND },
    SIZES(0xc0, MMIO_XADD, MEMORY_REGISTER, LOCKABLE),
    [0xc3] = { MMIO_STORE, MEMORY_REGISTER, NO_MANDATORY }, /* MOVNTI */
};

/* After 0F 38: MOVBE. */
static const struct form three_bytes[256] = {
    [0xf0] = { MMIO_LOAD, REGISTER_MEMORY, BYTE_SWAP | NO_REPEAT },
    [0xf1] = { MMIO_STORE, MEMORY_REGISTER, BYTE_SWAP | NO_REPEAT },
};

u64 decode_fetch(struct decoder *d, unsigned size)
{
    u64 value = 0;

    if (d->at + size > DECODE_LENGTH_MAX)
        d->error = d->error ? d->error : -EINVAL;
    else if (d->at + size > d->length)
        d->error = d->error ? d->error : -EAGAIN;
    if (d->error)
        return 0;
    for (unsigned i = 0; i < size; i++)
        value |= (u64)d->bytes[d->at++] << (8 * i);
    return (u64)((int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size));
}

/* In 64-bit mode the four that have no base there are not looked at: they do not take back FS or GS either. */
static void override(struct decoder *d, enum segment segment, u8 mode)
{
    if (mode != 64 || segment == SEGMENT_FS || segment == SEGMENT_GS)
        d->segment = (u8)segment;
}

static bool prefix(struct decoder *d, u8 byte, u8 mode)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        override(d, (enum segment)(SEGMENT_ES + (byte >> 3 & 3)), mode);
        return true;
    case 0x64:
    case 0x65:
        override(d, (enum segment)(SEGMENT_FS + (byte & 1)), mode);
        return true;
    case 0x66:
        return d->operand_size = true;
    case 0x67:
        return d->address_size = true;
    case 0xf0:
        return d->lock = true;
    case 0xf2:
    case 0xf3:
        d->repeat = byte == 0xf2 ? MMIO_REPNE : MMIO_REPE;
        return true;
    default:
        return false;
    }
}

/* Reads the prefixes and the opcode's first byte, which is the result. REX counts only right before that. */
static u8 decode_prefixes(struct decoder *d, u8 mode)
{
    u8 byte;

    for (;;) {
        byte = (u8)decode_fetch(d, 1);
        if (mode == 64 && (byte & 0xf0) == 0x40) {
            d->rex = byte;
            continue;
        }
        if (d->error || !prefix(d, byte, mode))
            return byte;
        d->rex = 0;
    }
}

static struct form decode_opcode(struct decoder *d, u8 mode)
{
    u8 first = decode_prefixes(d, mode);
    u8 second;

    if (first != 0x0f)
        /* 63 was ARPL, and 82 another name of 80 before there was 64-bit mode. */
        return first == (mode == 64 ? 0x82 : 0x63) ? (struct form){ 0 } : one_byte[first];
    second = (u8)decode_fetch(d, 1);
    if (second != 0x38)
        return two_bytes[second];
    return three_bytes[(u8)decode_fetch(d, 1)];
}

/* An opcode whose operation is in ModRM.reg. */
static struct form group_member(struct form form, u8 reg)
{
    static const u8 unary[8] = { MMIO_TEST, MMIO_TEST, MMIO_NOT, MMIO_NEG };

    switch (form.operation) {
    case GROUP_ARITHMETIC:
        form.operation = MMIO_ADD + reg;
        form.flags |= form.operation == MMIO_CMP ? 0 : LOCKABLE;
        break;
    case GROUP_UNARY:
        form.operation = unary[reg];
        form.flags |= reg < 2 ? 0 : LOCKABLE;
        form.shape = reg < 2 ? MEMORY_IMMEDIATE : reg < 4 ? MEMORY_ONLY : UNKNOWN;
        break;
    case GROUP_INC_DEC:
        form.operation = reg ? MMIO_DEC : MMIO_INC;
        form.shape = reg < 2 ? form.shape : UNKNOWN;
        break;
    case GROUP_BIT:
        form.operation = MMIO_BT + (reg & 3);
        form.flags |= form.operation == MMIO_BT ? 0 : LOCKABLE;
        form.shape = reg < 4 ? UNKNOWN : form.shape;
        break;
    case GROUP_MOVE:
        form.operation = MMIO_STORE;
        form.shape = reg ? UNKNOWN : form.shape;
        break;
    default:
        break;
    }
    return form;
}

/* Sizes of operands: REX.W before 66 before the mode. */
static void sizes_choose(const struct decoder *d, struct form form, struct mmio_instruction *out)
{
    u8 size = d->rex & REX_W ? 8 : (out->mode == 16) == d->operand_size ? 4 : 2;

    if ((form.flags & NO_MANDATORY) && size == 2)
        size = 4; /* MOVNTI has no 16 bits */
    out->register_size = form.flags & BYTE ? 1 : size;
    out->size = form.flags & MEMORY8 ? 1 : form.flags & MEMORY16 ? 2 : out->register_size;
    /* MOVSXD: of a quadword only the memory's size differs. */
    if ((form.flags & SIGN_EXTEND) && out->size == 8)
        out->size = 4;
}

static void register_choose(const struct decoder *d, u8 modrm, struct mmio_instruction *out)
{
    out->other = MMIO_REGISTER;
    out->reg = (modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
    out->high_byte = out->register_size == 1 && !d->rex && out->reg >= 4;
    if (out->high_byte)
        out->reg -= 4;
}

/* All but `source` of MOVS and CMPS. */
static void operands_decode(struct decoder *d, struct form form, u8 modrm, struct mmio_instruction *out)
{
    if (form.shape >= OFFSET_ACCUMULATOR)
        out->other = mmio_has_source(out) ? MMIO_NOTHING : MMIO_REGISTER;
    switch (form.shape) {
    case MEMORY_REGISTER:
    case REGISTER_MEMORY:
        register_choose(d, modrm, out);
        break;
    case OFFSET_ACCUMULATOR:
    case ACCUMULATOR_OFFSET:
        decode_offset_memory(d, out, &out->memory);
        return;
    case STRING:
        out->repeat = d->repeat;
        out->memory = out->operation == MMIO_LODS ? decode_string_source(d) : decode_string_destination();
        if (mmio_has_source(out))
            out->source = decode_string_source(d);
        return;
    default:
        break;
    }
    decode_modrm_memory(d, modrm, out, &out->memory);
    if (form.shape == MEMORY_IMMEDIATE || form.shape == MEMORY_IMMEDIATE8) {
        out->other = MMIO_IMMEDIATE;
        out->immediate = decode_fetch(d, form.shape == MEMORY_IMMEDIATE8 ? 1 : out->size > 4 ? 4 : out->size);
    }
}

/*
 * A register of a string instruction is the accumulator; memory comes first where it is written, and in CMPS as DS:rSI.
 */
static bool memory_is_first(struct form form)
{
    if (form.shape == STRING)
        return form.operation == MMIO_MOVS || form.operation == MMIO_STOS;
    return form.shape != REGISTER_MEMORY && form.shape != ACCUMULATOR_OFFSET;
}

int decode_mmio(const u8 *bytes, unsigned length, struct decode_mode mode, struct mmio_instruction *out)
{
    struct decoder d = { .bytes = bytes, .length = length, .segment = NO_OVERRIDE };
    struct form form = decode_opcode(&d, mode.bits);
    struct mmio_instruction in = { .mode = mode.bits };
    u8 modrm = 0;

    if (d.error)
        return d.error;
    if (form.shape < OFFSET_ACCUMULATOR && form.shape != UNKNOWN) {
        modrm = (u8)decode_fetch(&d, 1);
        if (d.error)
            return d.error;
        if (modrm >= 0xc0)
            return -EINVAL;
        form = group_member(form, modrm >> 3 & 7);
    }
    if (form.shape == UNKNOWN || (d.lock && !(form.flags & LOCKABLE)))
        return -EINVAL;
    if ((form.flags & (NO_MANDATORY | NO_REPEAT)) && (d.repeat || ((form.flags & NO_MANDATORY) && d.operand_size)))
        return -EINVAL;

    in.operation = form.operation;
    in.lock = d.lock;
    in.sign_extend = form.flags & SIGN_EXTEND;
    in.byte_swap = form.flags & BYTE_SWAP;
    in.memory_first = memory_is_first(form);
    in.address_size = mode.bits == 64 ? (d.address_size ? 4 : 8) : (mode.bits == 16) == d.address_size ? 4 : 2;
    sizes_choose(&d, form, &in);
    operands_decode(&d, form, modrm, &in);
    if (d.error)
        return d.error;
    in.length = (u8)d.at;
    *out = in;
    return 0;
}
