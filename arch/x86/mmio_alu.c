/* SPDX-License-Identifier: BSD-2-Clause */
/* SDM vol. 1, 3.4.3.1 "Status Flags", and the instructions' own pages in vol. 2. */
#include "arch/x86/mmio_alu.h"

/* PF, ZF and SF, which follow from the result alone, in place of those in `rflags`, and `flags` of CF, AF and OF. */
static void set_flags(u64 *rflags, unsigned size, u64 result, u64 flags)
{
    if (!__builtin_parity((unsigned)(result & 0xff)))
        flags |= RFLAGS_PF;
    if (!(result & size_mask(size)))
        flags |= RFLAGS_ZF;
    if (result >> (8 * size - 1) & 1)
        flags |= RFLAGS_SF;
    *rflags = (*rflags & ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)) | flags;
}

/* Of carries out of each bit, and of the carry out of the last but one, which differs from the last one on overflow. */
static u64 carry_flags(unsigned size, u64 carries)
{
    unsigned last = 8 * size - 1;
    u64 flags = 0;

    if (carries >> last & 1)
        flags |= RFLAGS_CF;
    if (carries >> 3 & 1)
        flags |= RFLAGS_AF;
    if ((carries >> last ^ carries >> (last - 1)) & 1)
        flags |= RFLAGS_OF;
    return flags;
}

static u64 add(unsigned size, u64 a, u64 b, u64 carry, u64 *rflags)
{
    u64 sum = a + b + carry;

    set_flags(rflags, size, sum, carry_flags(size, (a & b) | ((a | b) & ~sum)));
    return sum;
}

static u64 subtract(unsigned size, u64 a, u64 b, u64 borrow, u64 *rflags)
{
    u64 difference = a - b - borrow;

    set_flags(rflags, size, difference, carry_flags(size, (~a & b) | ((~a | b) & difference)));
    return difference;
}

static u64 logic(unsigned size, u64 result, u64 *rflags)
{
    set_flags(rflags, size, result, 0);
    return result;
}

static u64 bit(enum mmio_operation operation, unsigned size, u64 word, u64 number, u64 *rflags)
{
    unsigned shift = (unsigned)(number & (8 * size - 1));

    *rflags = (*rflags & ~RFLAGS_CF) | (word >> shift & 1 ? RFLAGS_CF : 0);
    switch (operation) {
    case MMIO_BTS:
        return word | 1ull << shift;
    case MMIO_BTR:
        return word & ~(1ull << shift);
    case MMIO_BTC:
        return word ^ 1ull << shift;
    default:
        return word;
    }
}

/* INC and DEC leave CF alone. */
static u64 step(unsigned size, u64 value, bool down, u64 *rflags)
{
    u64 carry = *rflags & RFLAGS_CF;
    u64 result = down ? subtract(size, value, 1, 0, rflags) : add(size, value, 1, 0, rflags);

    *rflags = (*rflags & ~RFLAGS_CF) | carry;
    return result;
}

static u64 compute(enum mmio_operation operation, unsigned size, u64 first, u64 second, u64 *rflags)
{
    u64 carry = *rflags & RFLAGS_CF ? 1 : 0;

    switch (operation) {
    case MMIO_ADD:
    case MMIO_XADD:
        return add(size, first, second, 0, rflags);
    case MMIO_ADC:
        return add(size, first, second, carry, rflags);
    case MMIO_SUB:
        return subtract(size, first, second, 0, rflags);
    case MMIO_SBB:
        return subtract(size, first, second, carry, rflags);
    case MMIO_CMP:
        (void)subtract(size, first, second, 0, rflags);
        return first;
    case MMIO_OR:
        return logic(size, first | second, rflags);
    case MMIO_AND:
        return logic(size, first & second, rflags);
    case MMIO_XOR:
        return logic(size, first ^ second, rflags);
    case MMIO_TEST:
        (void)logic(size, first & second, rflags);
        return first;
    case MMIO_NOT:
        return ~first;
    case MMIO_NEG:
        return subtract(size, 0, first, 0, rflags);
    case MMIO_INC:
    case MMIO_DEC:
        return step(size, first, operation == MMIO_DEC, rflags);
    case MMIO_BT:
    case MMIO_BTS:
    case MMIO_BTR:
    case MMIO_BTC:
        return bit(operation, size, first, second, rflags);
    default:
        assert(!"an operation that computes");
        return 0;
    }
}

u64 alu_compute(enum mmio_operation operation, unsigned size, u64 first, u64 second, u64 *rflags)
{
    return compute(operation, size, first, second, rflags) & size_mask(size);
}
