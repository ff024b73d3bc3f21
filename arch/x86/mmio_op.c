/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in each function: all that can fail, and then the registers. */
#include "arch/x86/mmio_op.h"

#include "arch/x86/mmio_alu.h"
#include "arch/x86/vcpu.h" /* enum gpr */

/* RFLAGS.DF: string instructions go down. */
static const u64 direction_down = 1ull << 10;

/*
 * As an instruction of this operand or address size does: 32 bits clear the upper half, 8 and 16 bits leave the rest.
 */
static u64 merge(u64 old, u64 value, unsigned size)
{
    return size == 4 ? (u32)value : (old & ~size_mask(size)) | (value & size_mask(size));
}

static u64 register_get(const struct mmio_instruction *in, const struct mmio_registers *registers)
{
    return registers->gpr[in->reg] >> (in->high_byte ? 8 : 0) & size_mask(in->register_size);
}

static void register_set(const struct mmio_instruction *in, struct mmio_registers *registers, u64 value)
{
    u64 *gpr = &registers->gpr[in->reg];

    if (in->high_byte)
        *gpr = (*gpr & ~0xff00ull) | (value & 0xff) << 8;
    else
        *gpr = merge(*gpr, value, in->register_size);
}

static u64 swap_bytes(u64 value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

static u64 sign_extend(u64 value, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    return (u64)((int64_t)(value << shift) >> shift);
}

static int device_read(const struct mmio_access *access, unsigned size, u64 *value)
{
    u64 got = 0;
    int error = access->read(access->context, size, &got);

    if (!error)
        *value = got & size_mask(size);
    return error;
}

/* The write comes whatever the comparison says: with the old value, if they differ. SDM vol. 2, "CMPXCHG". */
static int compare_exchange(const struct mmio_instruction *in, struct mmio_registers *registers,
                            const struct mmio_access *access)
{
    u64 flags = registers->rflags, memory = 0;
    int error = device_read(access, in->size, &memory);

    if (error)
        return error;
    (void)alu_compute(MMIO_CMP, in->size, registers->gpr[RAX], memory, &flags);
    error = access->write(access->context, in->size, flags & RFLAGS_ZF ? register_get(in, registers) : memory);
    if (error)
        return error;
    registers->rflags = flags;
    if (!(flags & RFLAGS_ZF))
        registers->gpr[RAX] = merge(registers->gpr[RAX], memory, in->size);
    return MMIO_DONE;
}

static int load(const struct mmio_instruction *in, struct mmio_registers *registers, const struct mmio_access *access)
{
    u64 value = 0;
    int error = device_read(access, in->size, &value);

    if (error)
        return error;
    if (in->byte_swap)
        value = swap_bytes(value, in->size);
    register_set(in, registers, in->sign_extend ? sign_extend(value, in->size) : value);
    return MMIO_DONE;
}

static int store(const struct mmio_instruction *in, u64 value, const struct mmio_access *access)
{
    value &= size_mask(in->size);
    return access->write(access->context, in->size, in->byte_swap ? swap_bytes(value, in->size) : value);
}

/* Instructions that compute, and XCHG. */
static int modify(const struct mmio_instruction *in, u64 other, struct mmio_registers *registers,
                  const struct mmio_access *access)
{
    enum mmio_operation operation = (enum mmio_operation)in->operation;
    u64 flags = registers->rflags, memory = 0, result = other;
    int error = device_read(access, in->size, &memory);

    if (error)
        return error;
    if (operation != MMIO_XCHG)
        result = in->memory_first ? alu_compute(operation, in->size, memory, other, &flags)
                                  : alu_compute(operation, in->size, other, memory, &flags);
    if (mmio_writes(in)) {
        error = access->write(access->context, in->size, result);
        if (error)
            return error;
    }
    registers->rflags = flags;
    if (operation == MMIO_XCHG || operation == MMIO_XADD)
        register_set(in, registers, memory);
    else if (!in->memory_first && operation != MMIO_CMP)
        register_set(in, registers, result);
    return MMIO_DONE;
}

static int other_read(const struct mmio_instruction *in, const struct mmio_memory *other,
                      const struct mmio_registers *registers, const struct mmio_access *access, u64 *value)
{
    struct mmio_place place = decode_place(in, other, registers);
    u64 got = 0;
    int error = access->other_read(access->context, &place, in->size, &got);

    if (!error)
        *value = got & size_mask(in->size);
    return error;
}

static int move_string(const struct mmio_instruction *in, bool from_device, const struct mmio_registers *registers,
                       const struct mmio_access *access)
{
    struct mmio_place to = decode_place(in, &in->memory, registers);
    u64 value = 0;
    int error;

    if (!from_device) {
        error = other_read(in, &in->source, registers, access, &value);
        return error ? error : access->write(access->context, in->size, value);
    }
    error = access->other_probe(access->context, &to, in->size);
    if (!error)
        error = device_read(access, in->size, &value);
    return error ? error : access->other_write(access->context, &to, in->size, value);
}

/* The other operand first: the device may change by being read, and after that nothing should fail. */
static int compare_strings(const struct mmio_instruction *in, bool source_is_device, struct mmio_registers *registers,
                           const struct mmio_access *access)
{
    u64 device = 0, other = 0;
    int error = other_read(in, source_is_device ? &in->memory : &in->source, registers, access, &other);

    if (!error)
        error = device_read(access, in->size, &device);
    if (error)
        return error;
    (void)alu_compute(MMIO_CMP, in->size, source_is_device ? device : other, source_is_device ? other : device,
                      &registers->rflags);
    return 0;
}

static int string_element(const struct mmio_instruction *in, bool source_is_device, struct mmio_registers *registers,
                          const struct mmio_access *access)
{
    u64 accumulator = registers->gpr[RAX] & size_mask(in->size);
    u64 value = 0;
    int error;

    switch (in->operation) {
    case MMIO_MOVS:
        return move_string(in, source_is_device, registers, access);
    case MMIO_CMPS:
        return compare_strings(in, source_is_device, registers, access);
    case MMIO_STOS:
        return access->write(access->context, in->size, accumulator);
    case MMIO_LODS:
        return load(in, registers, access);
    default: /* MMIO_SCAS */
        error = device_read(access, in->size, &value);
        if (!error)
            (void)alu_compute(MMIO_CMP, in->size, accumulator, value, &registers->rflags);
        return error;
    }
}

static void advance(const struct mmio_instruction *in, u64 *gpr, u64 rflags)
{
    *gpr = merge(*gpr, rflags & direction_down ? *gpr - in->size : *gpr + in->size, in->address_size);
}

/* CMPS and SCAS end when they found what REPE or REPNE look for. */
static bool repeats(const struct mmio_instruction *in, u64 count, u64 rflags)
{
    if (in->operation == MMIO_CMPS || in->operation == MMIO_SCAS)
        return count && (in->repeat == MMIO_REPE) == !!(rflags & RFLAGS_ZF);
    return count;
}

static int string_iteration(const struct mmio_instruction *in, bool source_is_device, struct mmio_registers *registers,
                            const struct mmio_access *access)
{
    u64 *gpr = registers->gpr;
    u64 count = gpr[RCX] & size_mask(in->address_size);
    int error;

    if (in->repeat != MMIO_ONCE && count == 0)
        return MMIO_DONE;
    error = string_element(in, source_is_device, registers, access);
    if (error)
        return error;
    if (mmio_has_source(in) || in->operation == MMIO_LODS)
        advance(in, &gpr[RSI], registers->rflags);
    if (in->operation != MMIO_LODS)
        advance(in, &gpr[RDI], registers->rflags);
    if (in->repeat == MMIO_ONCE)
        return MMIO_DONE;
    count--;
    gpr[RCX] = merge(gpr[RCX], count, in->address_size);
    return repeats(in, count, registers->rflags) ? MMIO_REPEAT : MMIO_DONE;
}

int mmio_execute(const struct mmio_instruction *in, const struct mmio_memory *device, struct mmio_registers *registers,
                 const struct mmio_access *access)
{
    u64 other;

    if (device != &in->memory && !(device == &in->source && mmio_has_source(in)))
        return -EINVAL;
    if (mmio_is_string(in))
        return string_iteration(in, device == &in->source, registers, access);

    other = in->other == MMIO_REGISTER ? register_get(in, registers) : in->immediate;
    switch (in->operation) {
    case MMIO_LOAD:
        return load(in, registers, access);
    case MMIO_STORE:
        return store(in, other, access);
    case MMIO_CMPXCHG:
        return compare_exchange(in, registers, access);
    default:
        return modify(in, other, registers, access);
    }
}
