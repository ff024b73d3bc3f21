/* SPDX-License-Identifier: BSD-2-Clause */
/* The list behind gdb_registers.h, which gdb_description.c writes out. */
#ifndef HV_GDB_REGISTER_TABLE_H
#define HV_GDB_REGISTER_TABLE_H

#include "hv/gdb_registers.h"

enum gdb_feature { GDB_CORE, GDB_SSE, GDB_SEGMENT_BASES, GDB_SYSTEM, GDB_AVX, GDB_FEATURES };

enum gdb_rule {
    GDB_PLAIN,
    GDB_FIXED,     /* gdb cannot change it */
    GDB_CANONICAL, /* an address that must be canonical */
    GDB_RIP,       /* the linear address of the instruction */
    GDB_FLAGS,
    GDB_MXCSR,
    GDB_TAGS, /* of the x87 stack: two bits each, where FXSAVE has one */
};

struct gdb_register {
    const char *name, *type; /* the type in the description */
    enum gdb_feature feature;
    enum gdb_rule rule;
    u8 size;   /* in packets */
    u8 stored; /* at `offset` in struct gdb_registers; gdb sees it extended with zeros, or its low part */
    u16 offset;
};

/* The register with this number, below gdb_register_count(). */
const struct gdb_register *gdb_register_at(struct gdb_layout layout, unsigned number);

#endif
