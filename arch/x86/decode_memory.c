/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands in memory: from ModRM, SIB and displacement to their addresses. SDM vol. 2, 2.1.5 and 2.2.1. */
#include "arch/x86/decode_internal.h"
#include "arch/x86/vcpu.h" /* enum gpr */
#include "arch/x86/vmcs_fields.h"

static u64 address_mask(const struct mmio_instruction *in)
{
    return in->address_size == 8 ? ~0ull : (1ull << (8 * in->address_size)) - 1;
}

/* The segment where no prefix says another one: SS for what is addressed from the stack or the frame pointer. */
static u8 segment_choose(const struct decoder *d, u8 base)
{
    if (d->segment != NO_OVERRIDE)
        return d->segment;
    return base == RSP_IN_VMCS || base == RBP ? SEGMENT_SS : SEGMENT_DS;
}

static void modrm16(struct decoder *d, u8 mod, u8 rm, struct mmio_memory *out)
{
    static const struct {
        u8 base, index;
    } forms[8] = { { RBX, RSI },         { RBX, RDI },         { RBP, RSI },         { RBP, RDI },
                   { RSI, DECODE_NONE }, { RDI, DECODE_NONE }, { RBP, DECODE_NONE }, { RBX, DECODE_NONE } };

    if (mod == 0 && rm == 6) {
        out->displacement = decode_fetch(d, 2);
    } else {
        out->base = forms[rm].base;
        out->index = forms[rm].index;
        out->scale = out->index != DECODE_NONE;
        out->displacement = mod == 1 ? decode_fetch(d, 1) : mod == 2 ? decode_fetch(d, 2) : 0;
    }
}

static void sib(struct decoder *d, u8 mod, struct mmio_memory *out)
{
    u8 byte = (u8)decode_fetch(d, 1);
    u8 base = byte & 7, index = (byte >> 3 & 7) | (d->rex & REX_X ? 8 : 0);

    /* No index, but R12 can be one; no base whatever REX.B says. */
    if (index != 4) {
        out->index = index;
        out->scale = (u8)(1u << (byte >> 6));
    }
    if (base != 5 || mod != 0)
        out->base = base | (d->rex & REX_B ? 8 : 0);
    else
        out->displacement = decode_fetch(d, 4);
}

static void modrm32(struct decoder *d, u8 mod, u8 rm, u8 mode, struct mmio_memory *out)
{
    if (rm == 4) {
        sib(d, mod, out);
    } else if (rm == 5 && mod == 0) {
        out->base = mode == 64 ? DECODE_RIP : DECODE_NONE;
        out->displacement = decode_fetch(d, 4);
    } else {
        out->base = rm | (d->rex & REX_B ? 8 : 0);
    }
    if (mod == 1)
        out->displacement = decode_fetch(d, 1);
    if (mod == 2)
        out->displacement = decode_fetch(d, 4);
}

void decode_modrm_memory(struct decoder *d, u8 modrm, const struct mmio_instruction *in, struct mmio_memory *out)
{
    *out = (struct mmio_memory){ .base = DECODE_NONE, .index = DECODE_NONE };
    if (in->address_size == 2)
        modrm16(d, modrm >> 6, modrm & 7, out);
    else
        modrm32(d, modrm >> 6, modrm & 7, in->mode, out);
    out->segment = segment_choose(d, out->base);
}

void decode_offset_memory(struct decoder *d, const struct mmio_instruction *in, struct mmio_memory *out)
{
    *out = (struct mmio_memory){ .base = DECODE_NONE, .index = DECODE_NONE };
    out->displacement = decode_fetch(d, in->address_size);
    out->segment = segment_choose(d, DECODE_NONE);
}

struct mmio_memory decode_string_source(const struct decoder *d)
{
    return (struct mmio_memory){ .base = RSI, .index = DECODE_NONE, .segment = segment_choose(d, RSI) };
}

struct mmio_memory decode_string_destination(void)
{
    return (struct mmio_memory){ .base = RDI, .index = DECODE_NONE, .segment = SEGMENT_ES };
}

static u64 register_value(const struct mmio_instruction *in, u8 number, const struct mmio_registers *registers)
{
    if (number == DECODE_NONE)
        return 0;
    return number == DECODE_RIP ? registers->rip + in->length : registers->gpr[number];
}

/* From the bytes that the instruction names to the word with the bit that its register names, which is signed. */
static u64 bit_displacement(const struct mmio_instruction *in, const struct mmio_registers *registers)
{
    unsigned bits = 8 * in->size;
    int64_t number;

    if (in->operation < MMIO_BT || in->operation > MMIO_BTC || in->other != MMIO_REGISTER)
        return 0;
    number = (int64_t)(registers->gpr[in->reg] << (64 - bits)) >> (64 - bits);
    return (u64)((number & -(int64_t)bits) / 8);
}

struct mmio_place decode_place(const struct mmio_instruction *in, const struct mmio_memory *memory,
                               const struct mmio_registers *registers)
{
    struct mmio_place place = { .segment = memory->segment };
    u64 segment_base = registers->segment_base[memory->segment];

    place.offset = register_value(in, memory->base, registers) + memory->displacement + bit_displacement(in, registers);
    place.offset += register_value(in, memory->index, registers) * memory->scale;
    place.offset &= address_mask(in);
    if (in->mode != 64)
        place.linear = (u32)(segment_base + place.offset);
    else if (memory->segment == SEGMENT_FS || memory->segment == SEGMENT_GS)
        place.linear = segment_base + place.offset;
    else
        place.linear = place.offset;
    return place;
}

u64 decode_linear(const struct mmio_instruction *in, const struct mmio_memory *memory,
                  const struct mmio_registers *registers)
{
    return decode_place(in, memory, registers).linear;
}

const struct mmio_memory *decode_find(const struct mmio_instruction *in, const struct mmio_registers *registers,
                                      u64 linear, bool write)
{
    if (mmio_has_source(in) && !write && linear - decode_linear(in, &in->source, registers) < in->size)
        return &in->source;
    /*
     * A read of the destination alone is none: MOVS would have written it. But what modifies memory may read it first.
     */
    if (write ? !mmio_writes(in)
              : in->operation == MMIO_STORE || in->operation == MMIO_STOS || in->operation == MMIO_MOVS)
        return NULL;
    return linear - decode_linear(in, &in->memory, registers) < in->size ? &in->memory : NULL;
}
