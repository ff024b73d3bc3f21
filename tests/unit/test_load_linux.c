/* SPDX-License-Identifier: BSD-2-Clause */
/* The Linux boot protocol. The guest has 32 MiB; the kernel is that of linux_image() with changed fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

enum { CODE_SIZE = 3000, CODE_AT = 1024 };

static void set8(struct load_test *test, unsigned at, u8 value)
{
    test->image[at] = value;
}

static void set16(struct load_test *test, unsigned at, u16 value)
{
    put16(test->image + at, value);
}

static void set32(struct load_test *test, unsigned at, u32 value)
{
    put32(test->image + at, value);
}

static void set64(struct load_test *test, unsigned at, u64 value)
{
    put64(test->image + at, value);
}

static u64 boot_params(const struct load_test *test)
{
    return test->result.start.rsi;
}

static void check_code(const struct load_test *test, u64 at)
{
    u64 size = test->size - CODE_AT;

    assert_memory_equal(load_test_at(test, at, size), test->image + CODE_AT, size);
}

static void kernel_starts_in_64_bit_mode(void **state)
{
    struct load_test *test = *state;
    const struct guest_start expected = {
        .mode = START_LONG64,
        .cs = 0x10,
        .ds = 0x18,
        .rip = 0x1000200,
        .rsi = 0x88000,
        .cr3 = 0x89000,
        .gdt_base = 0x8ffe0,
        .gdt_limit = 31,
    };

    load_test_accept(test);
    check_code(test, 16 * MIB);
    assert_memory_equal(&test->result.start, &expected, sizeof(expected));
    assert_int_equal(load_test_u64(test, 0x8ffe0 + 16), 0x00af9b000000ffff);
    assert_int_equal(load_test_u64(test, 0x8b000 + 8), 0x200083); /* the tables are those of long_mode.c */
    assert_int_equal(load_test_u32(test, boot_params(test) + 0x214), 0x1000000);
}

static void kernel_starts_in_32_bit_mode_without_the_other_entry(void **state)
{
    struct load_test *test = *state;
    const struct guest_start expected = {
        .mode = START_FLAT32,
        .cs = 0x10,
        .ds = 0x18,
        .rip = 0x1000000,
        .rsi = 0x8e000,
        .gdt_base = 0x8ffe0,
        .gdt_limit = 31,
    };

    set16(test, 0x236, 0xfffe); /* XLF_KERNEL_64 is bit 0 */
    load_test_accept(test);
    assert_memory_equal(&test->result.start, &expected, sizeof(expected));
    assert_int_equal(load_test_u64(test, 0x8ffe0 + 16), 0x00cf9b000000ffff);

    set16(test, 0x236, 1);
    set16(test, 0x206, 0x20c);
    load_test_accept(test);
    assert_int_equal(test->result.start.mode, START_LONG64);
    set16(test, 0x206, 0x20b); /* before 2.12 the field did not exist */
    load_test_accept(test);
    assert_int_equal(test->result.start.mode, START_FLAT32);

    set32(test, 0x214, 0x100123); /* code32_start counts from 1 MiB */
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x1000123);
    assert_int_equal(load_test_u32(test, boot_params(test) + 0x214), 0x1000123);
    set32(test, 0x214, 0x100000 + CODE_SIZE);
    load_test_refuse(test, "the kernel's entry (code32_start 0x100bb8, 64-bit: no) lies outside its code");
    set32(test, 0x214, 0xfffff);
    load_test_refuse(test, "the kernel's entry");
    set32(test, 0x214, 0);
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x1000000);
}

static void kernel_that_is_not_relocatable_lies_at_1_mib(void **state)
{
    struct load_test *test = *state;

    set8(test, 0x234, 0);
    set32(test, 0x230, 3); /* the alignment does not matter then */
    load_test_accept(test);
    check_code(test, MIB);
    assert_int_equal(test->result.start.rip, 0x100200);

    /* It runs at its preferred address nevertheless: 16 MiB and 4 more */
    test->memory_size = 20 * MIB;
    load_test_accept(test);
    test->memory_size = 20 * MIB - 4 * KIB;
    load_test_refuse(
        test, "the kernel (with its work space) lies at 0x100000..0x1400000, beyond the guest's 20476 KiB of memory");

    set64(test, 0x258, 0x100000); /* as memtest86+ */
    load_test_accept(test);
    set64(test, 0x258, 0xff000);
    load_test_accept(test);
    set64(test, 0x258, 0x8f000); /* work space over the loader's structures: those move */
    load_test_accept(test);
    assert_int_equal(test->result.start.gdt_base, 0x8efe0);
}

static void relocatable_kernel_is_aligned(void **state)
{
    struct load_test *test = *state;

    set64(test, 0x258, 16 * MIB + 1);
    load_test_accept(test);
    check_code(test, 18 * MIB);
    test->memory_size = 22 * MIB;
    load_test_accept(test);
    test->memory_size = 21 * MIB;
    load_test_refuse(test, "the kernel (with its work space) lies at 0x1200000..0x1600000, beyond the guest's 21 MiB");

    set64(test, 0x258, 0);
    load_test_accept(test);
    check_code(test, 2 * MIB); /* 1 MiB, aligned */

    set32(test, 0x230, 0x300000);
    load_test_refuse(test, "the kernel's alignment 0x300000 is not a power of two");
    set32(test, 0x230, 0);
    load_test_refuse(test, "the kernel's alignment 0 is not a power of two");

    test->memory_size = 6 * GIB;
    set32(test, 0x230, 0x80000000);
    set64(test, 0x258, 0x80000001);
    load_test_refuse(test, "the kernel's preferred address 0x80000001, aligned to 0x80000000, lies above 4 GiB");
    set64(test, 0x258, UINT64_MAX);
    load_test_refuse(test, "lies above 4 GiB");
    test->memory_size = 2 * GIB;
    set64(test, 0x258, 0x80000000);
    load_test_refuse(test, "the kernel (with its work space) lies at 0x80000000..0x80400000, beyond");
}

static void old_protocols(void **state)
{
    struct load_test *test = *state;

    set16(test, 0x206, 0x205);
    load_test_refuse(test, "the kernel speaks boot protocol 2.05, slat 2.06 and later");
    set16(test, 0x206, 0x206);
    set8(test, 0x201, 0x23c - 0x202);
    load_test_accept(test);
    check_code(test, 2 * MIB); /* no preferred address: 1 MiB, aligned; what lies in the later fields is code */
    test->memory_size = 2 * MIB + 4 * KIB;
    load_test_accept(test); /* nor work space */
    test->memory_size = 20 * MIB;
    set8(test, 0x201, 0x23b - 0x202);
    load_test_refuse(test, "the setup header ends at 0x23b; boot protocol 2.06 needs 0x23c to 0x290");
    set16(test, 0x206, 0x20a);
    set8(test, 0x201, 0x263 - 0x202);
    load_test_refuse(test, "the setup header ends at 0x263; boot protocol 2.10 needs 0x264 to 0x290");
    set8(test, 0x201, 0x264 - 0x202);
    load_test_accept(test);
    check_code(test, 16 * MIB);
    test->memory_size = 19 * MIB;
    load_test_refuse(test, "the kernel (with its work space) lies at 0x1000000..0x1400000, beyond");
    test->memory_size = 20 * MIB;
    set8(test, 0x201, 0x290 - 0x202);
    load_test_accept(test);
    set8(test, 0x201, 0x291 - 0x202);
    load_test_refuse(test, "the setup header ends at 0x291");
    set8(test, 0x201, 0x264 - 0x202);
    set8(test, 0x211, 0xfe);
    load_test_refuse(test, "a zImage");
}

static void truncated_files_are_refused(void **state)
{
    struct load_test *test = *state;

    test->size--;
    load_test_accept(test); /* syssize is rounded up to 16 bytes: 3000 is 8 above a multiple */
    test->size = CODE_AT + CODE_SIZE - 8;
    load_test_refuse(test, "truncated: the kernel's code has 0xbb0 bytes, its header says 0xbc0");
    test->size = CODE_AT;
    load_test_refuse(test, "truncated: 1024 bytes end before the kernel's code at 0x400");
    test->size = 0x26b;
    load_test_refuse(test, "truncated: 619 bytes end before the setup header");
    test->size = 0x26c;
    load_test_refuse(test, "truncated: 620 bytes end before the kernel's code at 0x400");
    test->conf.format = IMAGE_LINUX;
    test->size = 0x207;
    load_test_refuse(test, "no Linux boot header");
    test->size = 0x208;
    load_test_refuse(test, "truncated: 520 bytes");
    set16(test, 0x1fe, 0xaa54);
    load_test_refuse(test, "no Linux boot header");
    set16(test, 0x1fe, 0xaa55);
    set8(test, 0x205, 's');
    load_test_refuse(test, "no Linux boot header");
    set8(test, 0x205, 'S');

    test->size = CODE_AT + CODE_SIZE;
    set32(test, 0x1f4, 0xffffffff);
    load_test_refuse(test, "its header says 0xffffffff0");
    set32(test, 0x1f4, 1); /* what follows the code is loaded too */
    load_test_accept(test);
    check_code(test, 16 * MIB);

    set8(test, 0x1f1, 0); /* means 4 */
    set32(test, 0x1f4, (CODE_SIZE + CODE_AT - 5 * 512) / 16);
    load_test_accept(test);
    assert_memory_equal(load_test_at(test, 16 * MIB, 64), test->image + 5 * 512, 64);

    test->size = 5 * 512 + 0x200; /* too short for the 64-bit entry */
    set32(test, 0x1f4, 0);
    load_test_refuse(test, "the kernel's entry (code32_start 0x100000, 64-bit: yes) lies outside its code");
    test->size++;
    load_test_accept(test);
}

static void boot_params_hold_the_header_and_the_memory_map(void **state)
{
    struct load_test *test = *state;
    const u64 map[][3] = { { 0, 0x9fc00, 1 }, { 0x9fc00, 0x60400, 2 }, { MIB, 31 * MIB, 1 } };
    const u8 *params;
    u8 expected[0x1000] = { 0 };

    set32(test, 0x268, 0x12345678); /* the last field of 2.15 */
    strcpy(test->conf.cmdline, "console=ttyS0");
    load_test_accept(test);
    params = load_test_at(test, boot_params(test), 0x1000);

    memcpy(expected + 0x1f1, test->image + 0x1f1, 0x26c - 0x1f1);
    expected[0x210] = 0xff;
    put32(expected + 0x214, 0x1000000);
    put32(expected + 0x228, load_test_u32(test, boot_params(test) + 0x228));
    put64(expected + 0x70, 0xe0000); /* the ACPI tables */
    expected[0x1e8] = 3;
    for (unsigned i = 0; i < 3; i++) {
        put64(expected + 0x2d0 + i * 20, map[i][0]);
        put64(expected + 0x2d0 + i * 20 + 8, map[i][1]);
        put32(expected + 0x2d0 + i * 20 + 16, (u32)map[i][2]);
    }
    assert_memory_equal(params, expected, sizeof(expected));
    assert_string_equal(load_test_at(test, load_test_u32(test, boot_params(test) + 0x228), 14), "console=ttyS0");

    assert_memory_equal(load_test_at(test, 0xe0000, 8), "RSD PTR ", 8);

    test->memory_size = 6 * GIB;
    load_test_accept(test);
    assert_int_equal(*(const u8 *)load_test_at(test, boot_params(test) + 0x1e8, 1), 4);
    assert_int_equal(load_test_u64(test, boot_params(test) + 0x2d0 + 60), 4 * GIB);
    assert_int_equal(load_test_u64(test, boot_params(test) + 0x2d0 + 68), 3 * GIB);
}

static void acpi_address_came_with_2_14(void **state)
{
    struct load_test *test = *state;

    set16(test, 0x206, 0x20d);
    load_test_accept(test);
    assert_int_equal(load_test_u64(test, boot_params(test) + 0x70), 0);
    assert_memory_equal(load_test_at(test, 0xe0000, 8), "RSD PTR ", 8); /* it searches them */
    set16(test, 0x206, 0x20e);
    load_test_accept(test);
    assert_int_equal(load_test_u64(test, boot_params(test) + 0x70), 0xe0000);

    set8(test, 0x234, 0); /* a kernel at 1 MiB whose work space covers the area has no tables */
    set64(test, 0x258, 0xd0000);
    load_test_accept(test);
    assert_int_equal(load_test_u64(test, boot_params(test) + 0x70), 0);
}

static void command_line_is_limited_by_the_kernel(void **state)
{
    struct load_test *test = *state;

    memset(test->conf.cmdline, 'c', 200);
    load_test_accept(test);
    assert_string_equal(load_test_at(test, load_test_u32(test, boot_params(test) + 0x228), 201), test->conf.cmdline);
    test->conf.cmdline[200] = 'c';
    load_test_refuse(test, "the command line has 201 characters, this kernel takes 200");
}

static void check_initrd(const struct load_test *test, u32 base)
{
    u32 size = (u32)test->module_size[0];
    const u8 *bytes = load_test_at(test, base, size);

    assert_int_equal(load_test_u32(test, boot_params(test) + 0x218), base);
    assert_int_equal(load_test_u32(test, boot_params(test) + 0x21c), size);
    for (u64 i = 0; i < size; i++)
        assert_int_equal(bytes[i], 0xa1);
}

static void initrd_lies_as_high_as_it_may(void **state)
{
    struct load_test *test = *state;

    load_test_add_module(test, 0x1801, "initrd");
    load_test_accept(test);
    check_initrd(test, 0x1ffe000);
    set32(test, 0x22c, 0x1ffd7ff); /* the highest address it may occupy; the next page down holds its end */
    load_test_accept(test);
    check_initrd(test, 0x1ffb000);
    set32(test, 0x22c, 0x1fff800);
    load_test_accept(test);
    check_initrd(test, 0x1ffe000);
    set32(test, 0x22c, 0x1fff7ff);
    load_test_accept(test);
    check_initrd(test, 0x1ffd000);
    set32(test, 0x22c, 0xffffffff);
    test->memory_size = 6 * GIB;
    load_test_accept(test);
    check_initrd(test, 0xbfffe000);
    test->memory_size = 32 * MIB;

    set32(test, 0x22c, 16 * MIB + 5); /* into the kernel: below it, then */
    load_test_accept(test);
    check_initrd(test, 0xffe000);
}

static void initrd_must_have_room(void **state)
{
    struct load_test *test = *state;

    load_test_add_module(test, 16 * MIB, "initrd");
    load_test_refuse(test, "no room for the initrd (16384 KiB) below 0x80000000 in the guest's 32768 KiB of memory");
    test->module_size[0] = 15 * MIB; /* just below the kernel */
    load_test_accept(test);
    check_initrd(test, 0x100000);
    load_test_add_module(test, 1, "second");
    load_test_refuse(test, "a Linux kernel takes one module, its initrd; there are 2");
}

static int setup(void **state)
{
    struct load_test *test = load_test_create(32 * MIB);

    linux_image(test, CODE_SIZE);
    *state = test;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kernel_starts_in_64_bit_mode, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(kernel_starts_in_32_bit_mode_without_the_other_entry, setup,
                                        load_test_teardown),
        cmocka_unit_test_setup_teardown(kernel_that_is_not_relocatable_lies_at_1_mib, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(relocatable_kernel_is_aligned, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(old_protocols, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(truncated_files_are_refused, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(boot_params_hold_the_header_and_the_memory_map, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(acpi_address_came_with_2_14, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(command_line_is_limited_by_the_kernel, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(initrd_lies_as_high_as_it_may, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(initrd_must_have_room, setup, load_test_teardown),
    };

    return cmocka_run_group_tests_name("load_linux", tests, NULL, NULL);
}
