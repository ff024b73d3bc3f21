/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/gdb_registers.c: both layouts against their own description, and what gdb may change to which value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/gdb_registers.h"

static const struct gdb_layout layouts[] = { { true, true }, { true, false }, { false, true }, { false, false } };
static const struct gdb_layout wide = { true, true }, narrow = { false, true };
static struct gdb_registers registers;
static char text[1 << 15];

static int setup(void **state)
{
    memset(&registers, 0, sizeof(registers));
    registers.has_avx = true;
    registers.cs_long = true;
    registers.rflags = 2;
    return 0;
}

static void describe(struct gdb_layout layout)
{
    size_t length = gdb_description_read(layout, 0, text, sizeof(text) - 1);

    assert_true(length < sizeof(text) - 1);
    text[length] = '\0';
}

/* The number of a register by the description. */
static unsigned number_of(struct gdb_layout layout, const char *name)
{
    char wanted[40];

    describe(layout);
    snprintf(wanted, sizeof(wanted), "<reg name=\"%s\"", name);
    const char *at = strstr(text, wanted);
    assert_non_null(at);
    return (unsigned)atoi(strstr(at, "regnum=\"") + 8);
}

static u64 get(struct gdb_layout layout, const char *name)
{
    u8 value[GDB_REGISTER_SIZE];
    u64 number;

    gdb_register_get(layout, number_of(layout, name), &registers, value);
    memcpy(&number, value, 8);
    return number;
}

static int set(struct gdb_layout layout, const char *name, u64 number)
{
    u8 value[GDB_REGISTER_SIZE] = { 0 };

    memcpy(value, &number, 8);
    return gdb_register_set(layout, number_of(layout, name), &registers, value);
}

static void numbers_and_sizes(void **state)
{
    static const unsigned counts[] = { 16 + 2 + 6 + 16 + 17 + 3 + 6 + 16, 16 + 2 + 6 + 16 + 17 + 3 + 6,
                                       8 + 2 + 6 + 16 + 9 + 2 + 5 + 8, 8 + 2 + 6 + 16 + 9 + 2 + 5 };

    for (unsigned i = 0; i < 4; i++) {
        unsigned seen = 0;

        describe(layouts[i]);
        assert_int_equal(gdb_register_count(layouts[i]), counts[i]);
        assert_int_equal(gdb_register_size(layouts[i], counts[i]), 0);
        assert_int_equal(gdb_register_size(layouts[i], 1ull << 32), 0);
        for (const char *at = text; (at = strstr(at, "<reg ")) != NULL; at++, seen++) {
            unsigned number = (unsigned)atoi(strstr(at, "regnum=\"") + 8);
            unsigned bits = (unsigned)atoi(strstr(at, "bitsize=\"") + 9);
            assert_int_equal(gdb_register_size(layouts[i], number) * 8, bits);
        }
        assert_int_equal(seen, counts[i]);
        assert_int_equal(strstr(text, "org.gnu.gdb.i386.avx") != NULL, layouts[i].has_avx);
        assert_int_equal(strstr(text, "org.gnu.gdb.i386.segments") != NULL, layouts[i].is_64);
    }
}

static void pieces_of_the_description(void **state)
{
    static char whole[sizeof(text)];
    char piece[7];

    describe(wide);
    strcpy(whole, text);
    for (size_t at = 0; at <= strlen(whole); at++) {
        size_t length = gdb_description_read(wide, at, piece, sizeof(piece));
        assert_int_equal(length, u64_min(sizeof(piece), strlen(whole) - at));
        assert_memory_equal(piece, whole + at, length);
    }
    assert_int_equal(gdb_description_read(wide, ~0ull, piece, sizeof(piece)), 0);
    assert_int_equal(gdb_description_read(wide, 5, piece, 0), 0);
}

/* Every bit of what is written is read again, and nothing else changes. */
static void each_is_itself(void **state)
{
    static const char *const kept[] = { "rip",   "eflags",  "fctrl",   "fstat",     "ftag", "fiseg", "foseg", "fop",
                                        "mxcsr", "fs_base", "gs_base", "k_gs_base", "cr0",  "cr3",   "cr4",   "cr8",
                                        "efer",  "cs",      "ss",      "ds",        "es",   "fs",    "gs",    NULL };

    for (unsigned i = 0; i < gdb_register_count(wide); i++) {
        u8 value[GDB_REGISTER_SIZE], seen[GDB_REGISTER_SIZE];
        size_t size = gdb_register_size(wide, i);
        bool is_kept = false;

        for (const char *const *name = kept; *name != NULL; name++)
            is_kept |= number_of(wide, *name) == i;
        if (is_kept)
            continue;
        struct gdb_registers before = registers;
        for (unsigned j = 0; j < size; j++)
            value[j] = (u8)(i * 16 + j) | 1;
        assert_int_equal(gdb_register_set(wide, i, &registers, value), 0);
        gdb_register_get(wide, i, &registers, seen);
        assert_memory_equal(value, seen, size);
        unsigned changed = 0;
        for (unsigned j = 0; j < sizeof(before); j++)
            changed += ((u8 *)&before)[j] != ((u8 *)&registers)[j];
        assert_int_equal(changed, size);
    }
}

static void general_registers(void **state)
{
    static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };
    static const char *const short_names[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };

    for (unsigned i = 0; i < 16; i++) {
        registers.gpr[i] = 0x1111111100000000 + i;
        assert_true(get(wide, names[i]) == registers.gpr[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(get(narrow, short_names[i]), i);
        assert_int_equal(set(narrow, short_names[i], 0x80000000 + i), 0);
        assert_true(registers.gpr[i] == 0x1111111180000000u + i);
    }
}

static void instruction_pointer(void **state)
{
    assert_int_equal(set(wide, "rip", 0xffff800000000000), 0);
    assert_true(registers.rip == 0xffff800000000000);
    assert_int_equal(set(wide, "rip", 0x00007fffffffffff), 0);
    assert_int_equal(set(wide, "rip", 0x0000800000000000), -EINVAL);
    assert_int_equal(set(wide, "rip", 0xffff7fffffffffff), -EINVAL);
    assert_true(registers.rip == 0x00007fffffffffff);
    registers.cr4 = 1 << 12;
    assert_int_equal(set(wide, "rip", 0x00ffffffffffffff), 0);
    assert_int_equal(set(wide, "rip", 0x0100000000000000), -EINVAL);
    assert_int_equal(set(wide, "rip", 0xfeffffffffffffff), -EINVAL);
    /* The layout of a gdb that came before the vCPU's code was wide: the half that it does not see stays. */
    registers.rip = 0xffffffff81000000;
    assert_int_equal(get(narrow, "eip"), 0x81000000);
    assert_int_equal(set(narrow, "eip", 0x82000000), 0);
    assert_true(registers.rip == 0xffffffff82000000);
    /* Segmented. */
    registers.cs_long = false;
    registers.cs_base = 0xffff0000;
    registers.rip = 0xfff0;
    assert_true(get(wide, "rip") == 0xfffffff0);
    assert_int_equal(get(narrow, "eip"), 0xfffffff0);
    assert_int_equal(set(narrow, "eip", 0x10), 0);
    assert_int_equal(registers.rip, 0x10010);
    assert_int_equal(get(narrow, "eip"), 0x10);
    assert_int_equal(set(wide, "rip", 0xffff0001), 0);
    assert_int_equal(registers.rip, 1);
    assert_int_equal(set(wide, "rip", 0x100000000), -EINVAL);
}

static void flags_and_fixed_ones(void **state)
{
    registers.rflags = 0x20102; /* VM, TF */
    assert_int_equal(set(wide, "eflags", 0xffffffff), 0);
    assert_true(registers.rflags == (0x20102 | 0x257ed5));
    assert_int_equal(set(wide, "eflags", 0), 0);
    assert_true(registers.rflags == 0x20102);
    registers.cr3 = 0x100000000;
    assert_int_equal(set(wide, "cr3", 0), -EPERM);
    assert_int_equal(set(wide, "cr3", 0x100000000), 0);
    assert_int_equal(set(narrow, "cr3", 0), 0); /* the same, as far as gdb sees */
    assert_int_equal(set(narrow, "cr3", 1), -EPERM);
    assert_true(registers.cr3 == 0x100000000);
    registers.selectors[GDB_SS] = 0x18;
    assert_int_equal(set(wide, "ss", 0x10018), -EPERM);
    assert_int_equal(set(wide, "ss", 0x18), 0);
    assert_int_equal(set(wide, "cr0", 1), -EPERM);
    assert_int_equal(set(wide, "cr4", 1), -EPERM);
    assert_int_equal(set(wide, "cr8", 1), -EPERM);
    assert_int_equal(set(wide, "efer", 1), -EPERM);
    assert_int_equal(set(wide, "cr2", ~0ull), 0);
    assert_int_equal(set(wide, "fs_base", 0x800000000000), -EINVAL);
    assert_int_equal(set(wide, "gs_base", 0x800000000000), -EINVAL);
    assert_int_equal(set(wide, "k_gs_base", 0x800000000000), -EINVAL);
    assert_int_equal(set(wide, "k_gs_base", 0xffff900000000000), 0);
    registers.fs_base = 0xffff888000000000;
    assert_int_equal(set(narrow, "fs_base", 0x1000), 0);
    assert_true(registers.fs_base == 0xffff888000001000);
}

static void floating_point(void **state)
{
    /* Two values: 1.0 and 0.0, a denormal, an infinity; top is 4. */
    static const u8 one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f }, infinity[10] = { [7] = 0x80, 0xff, 0x7f };

    registers.fxsave[3] = 4 << 3;
    registers.fxsave[4] = 0xf0;
    memcpy(registers.fxsave + 32, one, 10);
    registers.fxsave[32 + 32] = 1;
    memcpy(registers.fxsave + 32 + 48, infinity, 10);
    assert_int_equal(get(wide, "ftag"), 0xa4ff); /* physical 7: infinity, 6: denormal, 5: zero, 4: one */
    registers.fxsave[32 + 7] = 0;                /* an unnormal */
    assert_int_equal(get(wide, "ftag"), 0xa6ff);
    assert_int_equal(set(wide, "ftag", 0xfffc), 0);
    assert_int_equal(registers.fxsave[4], 0x01);
    assert_int_equal(set(wide, "ftag", 0x7fff), 0);
    assert_int_equal(registers.fxsave[4], 0x80);
    /* Where FXSAVE has which. */
    for (unsigned i = 6; i < 24; i++)
        registers.fxsave[i] = (u8)i;
    assert_int_equal(get(wide, "fop"), 0x0706);
    assert_int_equal(get(wide, "fioff"), 0x0b0a0908);
    assert_int_equal(get(wide, "fiseg"), 0x0d0c);
    assert_int_equal(get(wide, "fooff"), 0x13121110);
    assert_int_equal(get(wide, "foseg"), 0x1514);
    registers.fxsave[5] = 0x77; /* reserved */
    assert_int_equal(set(wide, "fctrl", 0xffff037f), 0);
    assert_int_equal(get(wide, "fctrl"), 0x37f);
    assert_int_equal(get(wide, "fstat"), 4 << 11);
    assert_int_equal(registers.fxsave[5], 0x77);
    /* Bits of MXCSR that the processor does not have would be a fault of the hypervisor's. */
    assert_int_equal(set(wide, "mxcsr", 0xffffffff), 0);
    assert_int_equal(get(wide, "mxcsr"), 0xffbf);
    memcpy(registers.fxsave + 28, "\xff\xff\x02\x00", 4);
    assert_int_equal(set(narrow, "mxcsr", 0xffffffff), 0);
    assert_int_equal(get(wide, "mxcsr"), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_and_sizes, setup),   cmocka_unit_test_setup(pieces_of_the_description, setup),
        cmocka_unit_test_setup(each_is_itself, setup),      cmocka_unit_test_setup(general_registers, setup),
        cmocka_unit_test_setup(instruction_pointer, setup), cmocka_unit_test_setup(flags_and_fixed_ones, setup),
        cmocka_unit_test_setup(floating_point, setup),
    };

    return cmocka_run_group_tests_name("gdb_registers", tests, NULL, NULL);
}
