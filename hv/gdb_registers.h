/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's registers as a gdb sees them: their numbers, sizes and names, and the description that tells it. There are two
 * layouts, because gdb takes the one for granted from which it has learned whether code is of 64 or of 32 bits.
 */
#ifndef HV_GDB_REGISTERS_H
#define HV_GDB_REGISTERS_H

#include "mm/types.h"

enum { GDB_CS, GDB_SS, GDB_DS, GDB_ES, GDB_FS, GDB_GS, GDB_SEGMENTS };

struct gdb_registers {
    u64 gpr[16]; /* in the order of their numbers in instructions; with rsp */
    u64 rip, rflags;
    u16 selectors[GDB_SEGMENTS];
    bool cs_long; /* CS.L, in long mode */
    u64 cs_base, fs_base, gs_base, kernel_gs_base;
    u64 cr0, cr2, cr3, cr4, cr8, efer;
    u8 fxsave[512]; /* as FXSAVE64 writes it, and as it may be loaded again */
    bool has_avx;
    u8 ymm_high[16][16]; /* with has_avx */
};

/* The linear address of the instruction. */
u64 gdb_registers_pc(const struct gdb_registers *registers);

/* Which registers there are. */
struct gdb_layout {
    bool is_64, has_avx;
};

enum { GDB_REGISTER_SIZE = 16 }; /* of the largest one */

/* How many registers there are; they have the numbers below that. */
unsigned gdb_register_count(struct gdb_layout layout);

/* In bytes; 0: there is no register with this number. */
size_t gdb_register_size(struct gdb_layout layout, u64 number);

/* `value` in the processor's byte order, gdb_register_size() bytes. The number is valid. */
void gdb_register_get(struct gdb_layout layout, unsigned number, const struct gdb_registers *registers,
                      u8 value[GDB_REGISTER_SIZE]);

/*
 * 0; -EPERM: gdb cannot change this one, and it has another value; -EINVAL: it cannot have this value. Whatever is accepted, the
 * processor accepts. Of eflags and mxcsr, bits that cannot be changed stay as they are.
 */
int gdb_register_set(struct gdb_layout layout, unsigned number, struct gdb_registers *registers, const u8 *value);

/* The target description (XML) from its byte `offset` on, at most `size` bytes; how many: fewer are left. */
size_t gdb_description_read(struct gdb_layout layout, u64 offset, char *to, size_t size);

#endif
