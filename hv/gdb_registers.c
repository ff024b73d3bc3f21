/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of registers: see gdb_registers.h. */
#include "hv/gdb_registers.h"

#include "hv/gdb_register_table.h"
#include "hv/lib/string.h"

enum {
    CR4_LA57 = 1 << 12,

    FXSAVE_STATUS = 2,
    FXSAVE_TAGS = 4,
    FXSAVE_MXCSR = 24,
    FXSAVE_MXCSR_MASK = 28,
    FXSAVE_ST = 32,
    MXCSR_MASK_DEFAULT = 0xffbf, /* SDM volume 1, "Guidelines for Writing to the MXCSR Register" */

    TAG_VALID = 0,
    TAG_ZERO = 1,
    TAG_SPECIAL = 2,
    TAG_EMPTY = 3,

    /*
     * CF, PF, AF, ZF, SF, IF, DF, OF, IOPL, NT, RF, AC, ID. Not TF: gdb steps by other means, and one that is left behind
     * would be the guest's; not VM, VIF and VIP: modes of the processor.
     */
    RFLAGS_CHANGEABLE = 0x257ed5,
};
static_assert((RFLAGS_CHANGEABLE & 0x1a0100) == 0 && (RFLAGS_CHANGEABLE & 0x8028) == 0,
              "TF, VM, VIF, VIP; reserved bits");

/* Sign-extended from the top bit of the linear address that the vCPU's paging translates. */
static bool canonical(const struct gdb_registers *registers, u64 address)
{
    u64 above = address >> (registers->cr4 & CR4_LA57 ? 56 : 47);
    u64 all = ~0ull >> (registers->cr4 & CR4_LA57 ? 56 : 47);

    return above == 0 || above == all;
}

static u8 *stored_at(const struct gdb_register *at, struct gdb_registers *registers)
{
    return (u8 *)registers + at->offset;
}

/* Of a physical register of the x87 stack that is not empty, by its contents. SDM volume 1, "x87 FPU Tag Word". */
static unsigned tag_of(const u8 *st)
{
    unsigned exponent = (st[8] | st[9] << 8) & 0x7fff;
    u64 significand;

    memcpy(&significand, st, sizeof(significand));
    if (exponent == 0)
        return significand == 0 ? TAG_ZERO : TAG_SPECIAL;
    if (exponent == 0x7fff || significand >> 63 == 0)
        return TAG_SPECIAL;
    return TAG_VALID;
}

static u16 get_tags(const u8 *fxsave)
{
    unsigned top = fxsave[FXSAVE_STATUS + 1] >> 3 & 7;
    unsigned tags = 0;

    for (unsigned i = 0; i < 8; i++) { /* physical registers; the area has them from the top of the stack on */
        unsigned tag = TAG_EMPTY;
        if (fxsave[FXSAVE_TAGS] & 1u << i)
            tag = tag_of(fxsave + FXSAVE_ST + (i + 8 - top) % 8 * 16);
        tags |= tag << 2 * i;
    }
    return (u16)tags;
}

static void set_tags(u8 *fxsave, u16 tags)
{
    fxsave[FXSAVE_TAGS] = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((tags >> 2 * i & 3) != TAG_EMPTY)
            fxsave[FXSAVE_TAGS] |= (u8)(1u << i);
    }
}

u64 gdb_registers_pc(const struct gdb_registers *registers)
{
    return registers->cs_long ? registers->rip : (u32)(registers->cs_base + registers->rip);
}

/* The address may lie anywhere else as an instruction can jump there; only what no register can hold is refused. */
static int set_rip(struct gdb_registers *registers, bool is_64, const u8 *value)
{
    u64 rip = registers->rip;

    if (!registers->cs_long)
        rip = gdb_registers_pc(registers);
    memcpy(&rip, value, is_64 ? 8 : 4);
    if (registers->cs_long ? !canonical(registers, rip) : rip >> 32 != 0)
        return -EINVAL;
    registers->rip = registers->cs_long ? rip : (u32)(rip - registers->cs_base);
    return 0;
}

static int set_canonical(const struct gdb_register *at, struct gdb_registers *registers, const u8 *value)
{
    u64 address;

    memcpy(&address, stored_at(at, registers), sizeof(address));
    memcpy(&address, value, at->size);
    if (!canonical(registers, address))
        return -EINVAL;
    memcpy(stored_at(at, registers), &address, sizeof(address));
    return 0;
}

static void set_flags(struct gdb_registers *registers, const u8 *value)
{
    u32 flags;

    memcpy(&flags, value, sizeof(flags));
    registers->rflags = (registers->rflags & ~(u64)RFLAGS_CHANGEABLE) | (flags & RFLAGS_CHANGEABLE);
}

/* Loading a bit that the processor does not have is a fault: of the hypervisor, where it loads the area. */
static void set_mxcsr(u8 *fxsave, const u8 *value)
{
    u32 mask, mxcsr;

    memcpy(&mask, fxsave + FXSAVE_MXCSR_MASK, sizeof(mask));
    memcpy(&mxcsr, value, sizeof(mxcsr));
    mxcsr &= (mask == 0 ? MXCSR_MASK_DEFAULT : mask) & 0xffff;
    memcpy(fxsave + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
}

void gdb_register_get(struct gdb_layout layout, unsigned number, const struct gdb_registers *registers,
                      u8 value[GDB_REGISTER_SIZE])
{
    const struct gdb_register *at = gdb_register_at(layout, number);
    u64 rip = gdb_registers_pc(registers);
    u16 tags = get_tags(registers->fxsave);

    memset(value, 0, GDB_REGISTER_SIZE);
    if (at->rule == GDB_RIP)
        memcpy(value, &rip, at->size);
    else if (at->rule == GDB_TAGS)
        memcpy(value, &tags, sizeof(tags));
    else
        memcpy(value, (const u8 *)registers + at->offset, at->size < at->stored ? at->size : at->stored);
}

int gdb_register_set(struct gdb_layout layout, unsigned number, struct gdb_registers *registers, const u8 *value)
{
    const struct gdb_register *at = gdb_register_at(layout, number);
    u8 old[GDB_REGISTER_SIZE];

    switch (at->rule) {
    case GDB_FIXED:
        gdb_register_get(layout, number, registers, old);
        return memcmp(old, value, at->size) == 0 ? 0 : -EPERM;
    case GDB_CANONICAL:
        return set_canonical(at, registers, value);
    case GDB_RIP:
        return set_rip(registers, layout.is_64, value);
    case GDB_FLAGS:
        set_flags(registers, value);
        break;
    case GDB_MXCSR:
        set_mxcsr(registers->fxsave, value);
        break;
    case GDB_TAGS:
        set_tags(registers->fxsave, (u16)(value[0] | value[1] << 8));
        break;
    default: /* GDB_PLAIN: what is wider than gdb sees keeps the rest */
        memcpy(stored_at(at, registers), value, at->size < at->stored ? at->size : at->stored);
        break;
    }
    return 0;
}
