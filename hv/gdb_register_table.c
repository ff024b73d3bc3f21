/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers in the order of their numbers. The names and the groups (features) are those that gdb knows; within them the
 * order is free. Source: "Debugging with GDB", Standard Target Features, i386 Features.
 */
#include "hv/gdb_register_table.h"

#define FIELD(field) \
    .stored = sizeof(((struct gdb_registers *)0)->field), .offset = offsetof(struct gdb_registers, field)
#define FXSAVE(at, bytes) .stored = (bytes), .offset = offsetof(struct gdb_registers, fxsave) + (at)

#define GENERAL(gdb_name, number, gdb_type, bytes)                                                       \
    {                                                                                                    \
        .name = (gdb_name), .type = (gdb_type), .feature = GDB_CORE, .size = (bytes), FIELD(gpr[number]) \
    }
#define POINTER(gdb_name, gdb_type, bytes)                                                                        \
    {                                                                                                             \
        .name = (gdb_name), .type = (gdb_type), .feature = GDB_CORE, .rule = GDB_RIP, .size = (bytes), FIELD(rip) \
    }
#define FLAGS                                                                                                \
    {                                                                                                        \
        .name = "eflags", .type = "eflags", .feature = GDB_CORE, .rule = GDB_FLAGS, .size = 4, FIELD(rflags) \
    }
#define SELECTOR(gdb_name, number)                                                              \
    {                                                                                           \
        .name = (gdb_name), .type = "int32", .feature = GDB_CORE, .rule = GDB_FIXED, .size = 4, \
        FIELD(selectors[number])                                                                \
    }
#define SELECTORS                                                                                   \
    SELECTOR("cs", GDB_CS), SELECTOR("ss", GDB_SS), SELECTOR("ds", GDB_DS), SELECTOR("es", GDB_ES), \
        SELECTOR("fs", GDB_FS), SELECTOR("gs", GDB_GS)
#define ST(number)                                                                                                \
    {                                                                                                             \
        .name = "st" #number, .type = "i387_ext", .feature = GDB_CORE, .size = 10, FXSAVE(32 + 16 * (number), 10) \
    }
#define X87(gdb_name, at, bytes)                                                               \
    {                                                                                          \
        .name = (gdb_name), .type = "int32", .feature = GDB_CORE, .size = 4, FXSAVE(at, bytes) \
    }
/* FXSAVE has the abridged tags at 4. */
#define X87_ALL                                                                                              \
    ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7), X87("fctrl", 0, 2), X87("fstat", 2, 2),          \
        { .name = "ftag", .type = "int32", .feature = GDB_CORE, .rule = GDB_TAGS, .size = 4, FXSAVE(4, 1) }, \
        X87("fiseg", 12, 2), X87("fioff", 8, 4), X87("foseg", 20, 2), X87("fooff", 16, 4), X87("fop", 6, 2)
#define XMM(number)                                                                                              \
    {                                                                                                            \
        .name = "xmm" #number, .type = "vec128", .feature = GDB_SSE, .size = 16, FXSAVE(160 + 16 * (number), 16) \
    }
#define MXCSR                                                                                             \
    {                                                                                                     \
        .name = "mxcsr", .type = "mxcsr", .feature = GDB_SSE, .rule = GDB_MXCSR, .size = 4, FXSAVE(24, 4) \
    }
#define BASE(gdb_name, field, where, bytes)                                                                         \
    {                                                                                                               \
        .name = (gdb_name), .type = "int", .feature = (where), .rule = GDB_CANONICAL, .size = (bytes), FIELD(field) \
    }
#define SYSTEM(gdb_name, field, gdb_type, how, bytes)                                                               \
    {                                                                                                               \
        .name = (gdb_name), .type = (gdb_type), .feature = GDB_SYSTEM, .rule = (how), .size = (bytes), FIELD(field) \
    }
#define YMM(number)                                                                                           \
    {                                                                                                         \
        .name = "ymm" #number "h", .type = "uint128", .feature = GDB_AVX, .size = 16, FIELD(ymm_high[number]) \
    }

static const struct gdb_register wide[] = {
    GENERAL("rax", 0, "int64", 8),
    GENERAL("rbx", 3, "int64", 8),
    GENERAL("rcx", 1, "int64", 8),
    GENERAL("rdx", 2, "int64", 8),
    GENERAL("rsi", 6, "int64", 8),
    GENERAL("rdi", 7, "int64", 8),
    GENERAL("rbp", 5, "data_ptr", 8),
    GENERAL("rsp", 4, "data_ptr", 8),
    GENERAL("r8", 8, "int64", 8),
    GENERAL("r9", 9, "int64", 8),
    GENERAL("r10", 10, "int64", 8),
    GENERAL("r11", 11, "int64", 8),
    GENERAL("r12", 12, "int64", 8),
    GENERAL("r13", 13, "int64", 8),
    GENERAL("r14", 14, "int64", 8),
    GENERAL("r15", 15, "int64", 8),
    POINTER("rip", "code_ptr", 8),
    FLAGS,
    SELECTORS,
    X87_ALL,
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
    MXCSR,
    BASE("fs_base", fs_base, GDB_SEGMENT_BASES, 8),
    BASE("gs_base", gs_base, GDB_SEGMENT_BASES, 8),
    BASE("k_gs_base", kernel_gs_base, GDB_SYSTEM, 8),
    SYSTEM("cr0", cr0, "cr0", GDB_FIXED, 8),
    SYSTEM("cr2", cr2, "int", GDB_PLAIN, 8),
    SYSTEM("cr3", cr3, "int", GDB_FIXED, 8),
    SYSTEM("cr4", cr4, "cr4", GDB_FIXED, 8),
    SYSTEM("cr8", cr8, "int", GDB_FIXED, 8),
    SYSTEM("efer", efer, "efer", GDB_FIXED, 8),
    YMM(0),
    YMM(1),
    YMM(2),
    YMM(3),
    YMM(4),
    YMM(5),
    YMM(6),
    YMM(7),
    YMM(8),
    YMM(9),
    YMM(10),
    YMM(11),
    YMM(12),
    YMM(13),
    YMM(14),
    YMM(15),
};

static const struct gdb_register narrow[] = {
    GENERAL("eax", 0, "int32", 4),
    GENERAL("ecx", 1, "int32", 4),
    GENERAL("edx", 2, "int32", 4),
    GENERAL("ebx", 3, "int32", 4),
    GENERAL("esp", 4, "data_ptr", 4),
    GENERAL("ebp", 5, "data_ptr", 4),
    GENERAL("esi", 6, "int32", 4),
    GENERAL("edi", 7, "int32", 4),
    POINTER("eip", "code_ptr", 4),
    FLAGS,
    SELECTORS,
    X87_ALL,
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    MXCSR,
    BASE("fs_base", fs_base, GDB_SYSTEM, 4),
    BASE("gs_base", gs_base, GDB_SYSTEM, 4),
    SYSTEM("cr0", cr0, "cr0", GDB_FIXED, 4),
    SYSTEM("cr2", cr2, "int", GDB_PLAIN, 4),
    SYSTEM("cr3", cr3, "int", GDB_FIXED, 4),
    SYSTEM("cr4", cr4, "cr4", GDB_FIXED, 4),
    SYSTEM("efer", efer, "efer", GDB_FIXED, 4),
    YMM(0),
    YMM(1),
    YMM(2),
    YMM(3),
    YMM(4),
    YMM(5),
    YMM(6),
    YMM(7),
};

/* The AVX registers are the last ones: without them the others keep their numbers. */
enum {
    WIDE_COUNT = sizeof(wide) / sizeof(wide[0]),
    NARROW_COUNT = sizeof(narrow) / sizeof(narrow[0]),
    WIDE_AVX = 16,
    NARROW_AVX = 8,
};

unsigned gdb_register_count(struct gdb_layout layout)
{
    unsigned count = layout.is_64 ? WIDE_COUNT : NARROW_COUNT;

    if (!layout.has_avx)
        count -= layout.is_64 ? WIDE_AVX : NARROW_AVX;
    return count;
}

const struct gdb_register *gdb_register_at(struct gdb_layout layout, unsigned number)
{
    assert(number < gdb_register_count(layout));
    return layout.is_64 ? &wide[number] : &narrow[number];
}

size_t gdb_register_size(struct gdb_layout layout, u64 number)
{
    return number < gdb_register_count(layout) ? gdb_register_at(layout, (unsigned)number)->size : 0;
}
