/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic and logic as the processor does them, with RFLAGS, for instructions that are emulated. Pure. */
#ifndef ARCH_X86_MMIO_ALU_H
#define ARCH_X86_MMIO_ALU_H

#include "arch/x86/decode.h"

#define RFLAGS_CF (1ull << 0)
#define RFLAGS_PF (1ull << 2)
#define RFLAGS_AF (1ull << 4)
#define RFLAGS_ZF (1ull << 6)
#define RFLAGS_SF (1ull << 7)
#define RFLAGS_OF (1ull << 11)

/* The bits of an operand of `size` bytes: 1, 2, 4, 8. */
static inline u64 size_mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

/*
 * The result of MMIO_ADD … MMIO_BTC on operands of `size` bytes, and its flags in place of those before it; those that
 * the SDM calls undefined are cleared by AND, OR, XOR and TEST and stay as they are after BT, BTS, BTR and BTC. Bits of
 * `first` and `second` above the operand size do not count. CMP, TEST and BT have `first` for their result; that of
 * MMIO_CMPXCHG, which is not here, is CMP's.
 */
u64 alu_compute(enum mmio_operation operation, unsigned size, u64 first, u64 second, u64 *rflags);

#endif
