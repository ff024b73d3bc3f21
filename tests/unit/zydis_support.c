/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes nothing from the bytes themselves but what Zydis does not interpret: F2 and F3 before string instructions. */
#include "tests/unit/zydis_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

static const struct {
    ZydisMnemonic mnemonic;
    enum mmio_operation operation;
} operations[] = {
    { ZYDIS_MNEMONIC_MOV, MMIO_LOAD },        { ZYDIS_MNEMONIC_MOVZX, MMIO_LOAD }, { ZYDIS_MNEMONIC_MOVSX, MMIO_LOAD },
    { ZYDIS_MNEMONIC_MOVSXD, MMIO_LOAD },     { ZYDIS_MNEMONIC_MOVBE, MMIO_LOAD }, { ZYDIS_MNEMONIC_MOVNTI, MMIO_LOAD },
    { ZYDIS_MNEMONIC_ADD, MMIO_ADD },         { ZYDIS_MNEMONIC_OR, MMIO_OR },      { ZYDIS_MNEMONIC_ADC, MMIO_ADC },
    { ZYDIS_MNEMONIC_SBB, MMIO_SBB },         { ZYDIS_MNEMONIC_AND, MMIO_AND },    { ZYDIS_MNEMONIC_SUB, MMIO_SUB },
    { ZYDIS_MNEMONIC_XOR, MMIO_XOR },         { ZYDIS_MNEMONIC_CMP, MMIO_CMP },    { ZYDIS_MNEMONIC_TEST, MMIO_TEST },
    { ZYDIS_MNEMONIC_NOT, MMIO_NOT },         { ZYDIS_MNEMONIC_NEG, MMIO_NEG },    { ZYDIS_MNEMONIC_INC, MMIO_INC },
    { ZYDIS_MNEMONIC_DEC, MMIO_DEC },         { ZYDIS_MNEMONIC_XCHG, MMIO_XCHG },  { ZYDIS_MNEMONIC_XADD, MMIO_XADD },
    { ZYDIS_MNEMONIC_CMPXCHG, MMIO_CMPXCHG }, { ZYDIS_MNEMONIC_BT, MMIO_BT },      { ZYDIS_MNEMONIC_BTS, MMIO_BTS },
    { ZYDIS_MNEMONIC_BTR, MMIO_BTR },         { ZYDIS_MNEMONIC_BTC, MMIO_BTC },    { ZYDIS_MNEMONIC_MOVSB, MMIO_MOVS },
    { ZYDIS_MNEMONIC_MOVSW, MMIO_MOVS },      { ZYDIS_MNEMONIC_MOVSD, MMIO_MOVS }, { ZYDIS_MNEMONIC_MOVSQ, MMIO_MOVS },
    { ZYDIS_MNEMONIC_CMPSB, MMIO_CMPS },      { ZYDIS_MNEMONIC_CMPSW, MMIO_CMPS }, { ZYDIS_MNEMONIC_CMPSD, MMIO_CMPS },
    { ZYDIS_MNEMONIC_CMPSQ, MMIO_CMPS },      { ZYDIS_MNEMONIC_STOSB, MMIO_STOS }, { ZYDIS_MNEMONIC_STOSW, MMIO_STOS },
    { ZYDIS_MNEMONIC_STOSD, MMIO_STOS },      { ZYDIS_MNEMONIC_STOSQ, MMIO_STOS }, { ZYDIS_MNEMONIC_LODSB, MMIO_LODS },
    { ZYDIS_MNEMONIC_LODSW, MMIO_LODS },      { ZYDIS_MNEMONIC_LODSD, MMIO_LODS }, { ZYDIS_MNEMONIC_LODSQ, MMIO_LODS },
    { ZYDIS_MNEMONIC_SCASB, MMIO_SCAS },      { ZYDIS_MNEMONIC_SCASW, MMIO_SCAS }, { ZYDIS_MNEMONIC_SCASD, MMIO_SCAS },
    { ZYDIS_MNEMONIC_SCASQ, MMIO_SCAS },
};

/* Of a general register; the number of anything else is DECODE_NONE. */
static u8 register_number(ZydisRegister reg, bool *high_byte)
{
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
        return reg - ZYDIS_REGISTER_AL;
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
        *high_byte = true;
        return reg - ZYDIS_REGISTER_AH;
    }
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return reg - ZYDIS_REGISTER_SPL + 4;
    if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
        return reg - ZYDIS_REGISTER_AX;
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
        return reg - ZYDIS_REGISTER_EAX;
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
        return reg - ZYDIS_REGISTER_RAX;
    return reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP ? DECODE_RIP : DECODE_NONE;
}

static u64 size_mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

static struct mmio_memory memory_of(const ZydisDecodedOperand *operand, unsigned address_size)
{
    bool high_byte = false;

    return (struct mmio_memory){
        .segment = operand->mem.segment - ZYDIS_REGISTER_ES,
        .base = register_number(operand->mem.base, &high_byte),
        .index = register_number(operand->mem.index, &high_byte),
        .scale = operand->mem.index == ZYDIS_REGISTER_NONE ? 0 : operand->mem.scale,
        .displacement = operand->mem.disp.has_displacement ? (u64)operand->mem.disp.value & size_mask(address_size) : 0,
    };
}

static u8 last_repeat(const ZydisDecodedInstruction *z)
{
    u8 repeat = MMIO_ONCE;

    for (unsigned i = 0; i < z->raw.prefix_count; i++) {
        if (z->raw.prefixes[i].value == 0xf3)
            repeat = MMIO_REPE;
        if (z->raw.prefixes[i].value == 0xf2)
            repeat = MMIO_REPNE;
    }
    return repeat;
}

static int operation_of(const ZydisDecodedInstruction *z, struct mmio_instruction *out)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (z->mnemonic == operations[i].mnemonic) {
            out->operation = operations[i].operation;
            /* MOVSD and CMPSD are also names of vector instructions. */
            return mmio_is_string(out) && z->meta.category != ZYDIS_CATEGORY_STRINGOP ? -EINVAL : 0;
        }
    return -EINVAL;
}

/* The immediate as it is encoded, sign-extended, which on the operand's bits must be what Zydis says. */
static u64 immediate_of(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operand, unsigned size)
{
    unsigned shift = 64 - z->raw.imm[0].size;
    u64 value = (u64)((int64_t)(z->raw.imm[0].value.u << shift) >> shift);
    u64 mask = operand->imm.is_signed ? size_mask(size) : size_mask(z->raw.imm[0].size / 8u);

    return (value ^ operand->imm.value.u) & mask ? 0xbad : value;
}

static int string_operands(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands,
                           struct mmio_instruction *out)
{
    for (unsigned i = 0; i < 2; i++) {
        struct mmio_memory memory;

        if (operands[i].type != ZYDIS_OPERAND_TYPE_MEMORY) {
            out->other = MMIO_REGISTER;
            out->reg = register_number(operands[i].reg.value, &out->high_byte);
            continue;
        }
        memory = memory_of(&operands[i], out->address_size);
        out->size = (u8)(operands[i].size / 8);
        if (mmio_has_source(out) && memory.base == 6)
            out->source = memory;
        else
            out->memory = memory;
    }
    out->memory_first = operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && out->operation != MMIO_CMPS;
    out->repeat = last_repeat(z);
    out->register_size = out->size;
    return 0;
}

/* Where the SDM and the processor say something else than this Zydis (4.0.0). */
static void correct(const ZydisDecodedInstruction *z, struct mmio_instruction *out)
{
    /* With a SIB that has no base, REX.B does not make R13 one (vol. 2, table 2-5), whatever the address size. */
    if ((z->attributes & ZYDIS_ATTRIB_HAS_SIB) && z->raw.modrm.mod == 0 && (z->raw.sib.base & 7) == 5) {
        out->memory.base = DECODE_NONE;
        out->memory.displacement = (u64)z->raw.disp.value & size_mask(out->address_size);
    }
    /* With a 16-bit register MOVSXD reads 16 bits. */
    if (z->mnemonic == ZYDIS_MNEMONIC_MOVSXD && z->operand_width == 16)
        out->size = 2;
}

static int plain_operands(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands,
                          struct mmio_instruction *out)
{
    unsigned at = operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? 0 : 1;
    const ZydisDecodedOperand *other = &operands[1 - at];

    if (operands[at].type != ZYDIS_OPERAND_TYPE_MEMORY || z->operand_count_visible <= at)
        return -EINVAL;
    out->memory_first = at == 0;
    out->memory = memory_of(&operands[at], out->address_size);
    out->size = (u8)(operands[at].size / 8);
    correct(z, out);
    out->register_size = out->size;
    if (out->operation == MMIO_LOAD && at == 0)
        out->operation = MMIO_STORE;
    if (z->operand_count_visible == 1)
        return 0;
    if (other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        out->other = MMIO_IMMEDIATE;
        out->immediate = immediate_of(z, other, out->size);
        return 0;
    }
    out->other = MMIO_REGISTER;
    out->register_size = (u8)(other->size / 8);
    out->reg = register_number(other->reg.value, &out->high_byte);
    return other->type == ZYDIS_OPERAND_TYPE_REGISTER && out->reg != DECODE_NONE ? 0 : -EINVAL;
}

static const ZydisDecoder *decoder_for(unsigned bits)
{
    static ZydisDecoder decoders[3];
    static bool made;

    if (!made) {
        if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16)) ||
            !ZYAN_SUCCESS(ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32)) ||
            !ZYAN_SUCCESS(ZydisDecoderInit(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
            abort();
        made = true;
    }
    return &decoders[bits / 32];
}

int zydis_decode(const u8 *bytes, unsigned length, struct decode_mode mode, struct mmio_instruction *out)
{
    const ZydisDecoder *decoder = decoder_for(mode.bits);
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction z;
    ZydisDecoderContext context;
    struct mmio_instruction in = { .mode = mode.bits };
    ZyanStatus status = ZydisDecoderDecodeInstruction(decoder, &context, bytes, length, &z);

    if (!ZYAN_SUCCESS(status))
        return status == ZYDIS_STATUS_NO_MORE_DATA ? -EAGAIN : -EINVAL;
    if (operation_of(&z, &in))
        return -EINVAL;
    memset(operands, 0, sizeof operands);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeOperands(decoder, &context, &z, operands, z.operand_count)))
        return -EINVAL;

    in.length = z.length;
    in.address_size = z.address_width / 8;
    in.lock = z.attributes & ZYDIS_ATTRIB_HAS_LOCK;
    in.sign_extend = z.mnemonic == ZYDIS_MNEMONIC_MOVSX || z.mnemonic == ZYDIS_MNEMONIC_MOVSXD;
    in.byte_swap = z.mnemonic == ZYDIS_MNEMONIC_MOVBE;
    if (mmio_is_string(&in) ? string_operands(&z, operands, &in) : plain_operands(&z, operands, &in))
        return -EINVAL;
    *out = in;
    return 0;
}

#define DIFFERS(field)        \
    if (a->field != b->field) \
    return #field

static const char *memory_difference(const struct mmio_memory *a, const struct mmio_memory *b, unsigned address_size)
{
    DIFFERS(segment);
    DIFFERS(base);
    DIFFERS(index);
    DIFFERS(scale);
    return (a->displacement ^ b->displacement) & size_mask(address_size) ? "displacement" : NULL;
}

static const char *difference(const struct mmio_instruction *a, const struct mmio_instruction *b)
{
    const char *of_source;

    DIFFERS(length);
    DIFFERS(mode);
    DIFFERS(address_size);
    DIFFERS(size);
    DIFFERS(operation);
    DIFFERS(other);
    DIFFERS(repeat);
    DIFFERS(lock);
    DIFFERS(memory_first);
    DIFFERS(sign_extend);
    DIFFERS(byte_swap);
    DIFFERS(immediate);
    if (a->other == MMIO_REGISTER) {
        DIFFERS(reg);
        DIFFERS(high_byte);
        DIFFERS(register_size);
    }
    of_source = mmio_has_source(a) ? memory_difference(&a->source, &b->source, a->address_size) : NULL;
    return of_source ? of_source : memory_difference(&a->memory, &b->memory, a->address_size);
}

/* What is wrong, in words, and the two results. */
static const char *say(const u8 *bytes, unsigned length, struct decode_mode mode, const char *what, int ours,
                       int theirs)
{
    static char text[160];
    int at = snprintf(text, sizeof text, "%u-bit code", mode.bits);

    for (unsigned i = 0; i < length && i < DECODE_LENGTH_MAX; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, " %02x", bytes[i]);
    (void)snprintf(text + at, sizeof text - (size_t)at, ": %s (%d; %d)", what, ours, theirs);
    return text;
}

const char *zydis_disagrees(const u8 *bytes, unsigned length, struct decode_mode mode, bool *accepted)
{
    struct mmio_instruction ours = { 0 }, theirs = { 0 }, part;
    int error = decode_mmio(bytes, length, mode, &ours);
    int expected = zydis_decode(bytes, length, mode, &theirs);
    const char *field;

    if (accepted)
        *accepted = !error;
    /* Who gives up earlier is free where there is no instruction. */
    if ((error == 0) != (expected == 0))
        return say(bytes, length, mode, "only one of the two accepts it", error, expected);
    if (error == -EAGAIN && length >= DECODE_LENGTH_MAX)
        return say(bytes, length, mode, "there can be no more bytes", error, expected);
    if (error)
        return NULL;
    field = difference(&ours, &theirs);
    if (field)
        return say(bytes, length, mode, field, error, expected);
    for (unsigned i = 0; i < ours.length; i++)
        if (decode_mmio(bytes, i, mode, &part) != -EAGAIN)
            return say(bytes, i, mode, "this many are too few", error, expected);
    return NULL;
}
