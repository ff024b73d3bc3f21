/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions with which a guest may access a device's registers in memory, from bytes to what they mean: moves,
 * string instructions, arithmetic, logic and bit instructions on general registers. Pure: bytes and registers are the
 * caller's, and both are a guest's, so anything may be in them. SDM vol. 2, chapter 2 "Instruction Format" and appendix
 * A "Opcode Map".
 */
#ifndef ARCH_X86_DECODE_H
#define ARCH_X86_DECODE_H

#include "mm/types.h"

enum {
    DECODE_LENGTH_MAX = 15, /* of an instruction; longer ones are #GP */
    DECODE_SEGMENTS = 6,    /* ES, CS, SS, DS, FS, GS: enum segment */
    DECODE_REGISTERS = 16,
};

/* The default size of operands and addresses: CS.D and CS.L. Real and virtual-8086 mode are 16. */
struct decode_mode {
    u8 bits; /* 16, 32, 64 */
};

enum mmio_operation {
    MMIO_LOAD,  /* MOV, MOVZX, MOVSX, MOVSXD, MOVBE */
    MMIO_STORE, /* MOV, MOVNTI, MOVBE */

    /* Eight in the order of their numbers in opcodes. */
    MMIO_ADD,
    MMIO_OR,
    MMIO_ADC,
    MMIO_SBB,
    MMIO_AND,
    MMIO_SUB,
    MMIO_XOR,
    MMIO_CMP,

    MMIO_TEST,

    /* Of memory alone. */
    MMIO_NOT,
    MMIO_NEG,
    MMIO_INC,
    MMIO_DEC,

    MMIO_XCHG,
    MMIO_XADD,
    MMIO_CMPXCHG,

    /* In the order of their numbers in opcodes. */
    MMIO_BT,
    MMIO_BTS,
    MMIO_BTR,
    MMIO_BTC,

    /* String instructions, from here to the end. */
    MMIO_MOVS,
    MMIO_CMPS,
    MMIO_STOS,
    MMIO_LODS,
    MMIO_SCAS,
};

/* The operand that is not in memory. */
enum mmio_other { MMIO_NOTHING, MMIO_REGISTER, MMIO_IMMEDIATE };

/* Values of `repeat`. MOVS, STOS and LODS do not tell them apart. */
enum mmio_repeat { MMIO_ONCE, MMIO_REPE, MMIO_REPNE };

/* Values of `base` and `index` that are no general register. */
enum { DECODE_NONE = 0xff, DECODE_RIP = 0xfe };

/* base + index * scale + displacement, modulo the address size, in a segment. */
struct mmio_memory {
    u8 segment; /* enum segment; in 64-bit mode all but FS and GS have the base 0 */
    u8 base, index;
    u8 scale;         /* 1, 2, 4, 8; 0 without an index */
    u64 displacement; /* sign-extended */
};

struct mmio_instruction {
    u8 length;
    u8 mode;         /* struct decode_mode */
    u8 address_size; /* 2, 4, 8 bytes */
    u8 size;         /* of the operand in memory: 1, 2, 4, 8 bytes */
    u8 operation;    /* enum mmio_operation */
    u8 other;        /* enum mmio_other */
    u8 repeat;       /* enum mmio_repeat; only string instructions */
    bool lock;
    bool memory_first; /* memory is the first operand, which is the destination where there is one */

    /* MMIO_REGISTER. Numbered as in instructions. */
    u8 reg;
    bool high_byte;   /* AH, CH, DH, BH: bits 15:8 of RAX, RCX, RDX, RBX, which is `reg` */
    u8 register_size; /* as `size`, but for loads that extend */
    bool sign_extend, byte_swap;

    u64 immediate; /* MMIO_IMMEDIATE. Sign-extended */

    struct mmio_memory memory; /* ES:rDI of MOVS, CMPS, STOS and SCAS */
    struct mmio_memory source; /* MOVS, CMPS: DS:rSI, of which CMPS subtracts the other one */
};

/* What addresses depend on. */
struct mmio_registers {
    u64 gpr[DECODE_REGISTERS]; /* with RSP */
    u64 rflags;
    u64 rip; /* of the instruction */
    u64 segment_base
        [DECODE_SEGMENTS]; /* those of the instruction's operands; in 64-bit mode only FS and GS are looked at */
};

/* Where an operand is. */
struct mmio_place {
    u8 segment; /* enum segment */
    u64 offset;
    u64 linear;
};

/*
 * 0: `out` is the instruction at `bytes`. -EAGAIN: it may be one, but more than `length` bytes are needed to say.
 * -EINVAL: it is none of those above, has no operand in memory, or the processor refuses to execute it (LOCK where it
 * may not stand, more than 15 bytes); no byte more makes it one. `out` is written only with 0.
 */
int decode_mmio(const u8 *bytes, unsigned length, struct decode_mode mode, struct mmio_instruction *out);

/*
 * `memory` is one of the instruction's. A bit instruction whose bit number is in a register accesses the word that has
 * this bit, wherever it is; that word is the operand.
 */
struct mmio_place decode_place(const struct mmio_instruction *in, const struct mmio_memory *memory,
                               const struct mmio_registers *registers);
u64 decode_linear(const struct mmio_instruction *in, const struct mmio_memory *memory,
                  const struct mmio_registers *registers);

/*
 * Which of the instruction's operands the processor accessed at the linear address `linear`, to write or to read it
 * first. NULL: none; the bytes are not what the processor executed, because others have changed them meanwhile.
 */
const struct mmio_memory *decode_find(const struct mmio_instruction *in, const struct mmio_registers *registers,
                                      u64 linear, bool write);

static inline bool mmio_is_string(const struct mmio_instruction *in)
{
    return in->operation >= MMIO_MOVS;
}

static inline bool mmio_has_source(const struct mmio_instruction *in)
{
    return in->operation == MMIO_MOVS || in->operation == MMIO_CMPS;
}

/* Does the operand in memory (`memory`, not `source`) get written? */
static inline bool mmio_writes(const struct mmio_instruction *in)
{
    return in->memory_first && in->operation != MMIO_CMP && in->operation != MMIO_TEST && in->operation != MMIO_BT;
}

#endif
