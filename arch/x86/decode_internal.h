/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two halves of the decoder share: decode.c has prefixes and opcodes, decode_memory.c operands in memory. */
#ifndef ARCH_X86_DECODE_INTERNAL_H
#define ARCH_X86_DECODE_INTERNAL_H

#include "arch/x86/decode.h"

enum { NO_OVERRIDE = 0xff };

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

struct decoder {
    const u8 *bytes;
    unsigned length; /* there are this many, */
    unsigned at;     /* and this many are read */
    int error;       /* the first one: what is fetched after it is 0 */

    bool operand_size, address_size, lock; /* prefixes 66, 67, F0 */
    u8 repeat;                             /* enum mmio_repeat */
    u8 segment;                            /* enum segment or NO_OVERRIDE */
    u8 rex;                                /* 0: none */
};

/* The next 1, 2, 4 or 8 bytes as a number, sign-extended. */
u64 decode_fetch(struct decoder *d, unsigned size);

/* The operand in memory of ModRM, whose mod is not 3; reads SIB and displacement. `in` has mode and address size. */
void decode_modrm_memory(struct decoder *d, u8 modrm, const struct mmio_instruction *in, struct mmio_memory *out);

/* The operand whose offset follows the opcode. */
void decode_offset_memory(struct decoder *d, const struct mmio_instruction *in, struct mmio_memory *out);

/* DS:rSI unless a prefix names another segment, and ES:rDI. */
struct mmio_memory decode_string_source(const struct decoder *d);
struct mmio_memory decode_string_destination(void);

#endif
