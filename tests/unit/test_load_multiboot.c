/* SPDX-License-Identifier: BSD-2-Clause */
/* The Multiboot header, kernels by address fields, and what a kernel is told. The guest has 4 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

enum { ADDRESSES = 0x10000 };

/* A kernel at 1 MiB: an ELF file of one segment, 0x1200 bytes in memory. */
static void elf_kernel(struct load_test *test, u32 flags)
{
    memset(test->image, 0, sizeof(test->image));
    elf_begin(test, false, 0x100010);
    elf_add_segment(test, &(struct elf_segment){ 0x1000, 0x100000, 0x100000, 0x300, 0x1200 });
    multiboot_header(test, 0x1000, flags);
}

/* A kernel of 0x2000 bytes, the header at 0x80 in it, that begins at offset 0x40 of the file and loads to 0x200000. */
static void flat_kernel(struct load_test *test, u32 load_end, u32 bss_end, u32 entry)
{
    for (unsigned i = 0; i < sizeof(test->image); i++)
        test->image[i] = (u8)(i * 3 + 1);
    test->size = 0x2040;
    multiboot_header(test, 0x80, ADDRESSES);
    multiboot_addresses(test, 0x80, 0x200040, 0x200000, load_end, bss_end, entry);
}

static void kernel_starts_in_flat_protected_mode(void **state)
{
    struct load_test *test = *state;
    const struct guest_start expected = {
        .mode = START_FLAT32, .cs = 8, .ds = 16, .rip = 0x100010, .rax = 0x2badb002, .rbx = 0x9000
    };

    elf_kernel(test, 0);
    load_test_accept(test);
    assert_memory_equal(&test->result.start, &expected, sizeof(expected));
    assert_memory_equal(load_test_at(test, 0xe0000, 8), "RSD PTR ", 8); /* where kernels search the ACPI tables */
}

static void required_flags_must_be_known(void **state)
{
    struct load_test *test = *state;

    for (unsigned bit = 0; bit < 32; bit++) {
        elf_kernel(test, 1u << bit);
        if (bit >= 3 && bit <= 15)
            load_test_refuse(test, "requires features that slat does not have");
        else if (bit != 16)
            load_test_accept(test);
    }
    elf_kernel(test, 0x8003);
    load_test_refuse(test, "(flags 0x8000)");
}

static void header_lies_in_the_first_8_kib(void **state)
{
    struct load_test *test = *state;

    test->conf.format = IMAGE_MULTIBOOT;
    elf_begin(test, false, 0x100010);
    elf_add_segment(test, &(struct elf_segment){ 0x3000, 0x100000, 0x100000, 0x300, 0x300 });
    multiboot_header(test, 8192 - 12, 0);
    load_test_accept(test);
    put32(test->image + 8192 - 4, 0); /* a wrong checksum */
    load_test_refuse(test, "no Multiboot header");
    multiboot_header(test, 8192 - 8, 0);
    load_test_refuse(test, "no Multiboot header in the first 8192 bytes");
    multiboot_header(test, 0x802, 0); /* not on a 4-byte boundary */
    load_test_refuse(test, "no Multiboot header");
    multiboot_header(test, 0x800, 0);
    load_test_accept(test);

    memset(test->image, 0, sizeof(test->image));
    multiboot_header(test, 20, 0);
    test->size = 31;
    load_test_refuse(test, "no Multiboot header");
    test->size = 32;
    load_test_refuse(test, "neither an ELF file nor address fields (flag 16)");
}

static void check_flat_kernel(const struct load_test *test, u64 loaded, u64 end)
{
    const u8 *at = load_test_at(test, 0x200000, end - 0x200000);

    assert_memory_equal(at, test->image + 0x40, loaded);
    for (u64 i = loaded; i < end - 0x200000; i++)
        assert_int_equal(at[i], 0);
}

static void address_fields_say_what_is_loaded(void **state)
{
    struct load_test *test = *state;

    flat_kernel(test, 0, 0, 0x200000); /* to the end of the file */
    load_test_accept(test);
    check_flat_kernel(test, 0x2000, 0x203000);
    assert_int_equal(test->result.start.rip, 0x200000);

    flat_kernel(test, 0x201000, 0x203000, 0x202fff);
    load_test_accept(test);
    check_flat_kernel(test, 0x1000, 0x203000);
    assert_int_equal(test->result.start.rip, 0x202fff);

    flat_kernel(test, 0x202000, 0x400000, 0x200000); /* up to the last byte of memory */
    load_test_accept(test);

    elf_kernel(test, ADDRESSES); /* they precede ELF */
    multiboot_addresses(test, 0x1000, 0x300000, 0x300000, 0, 0, 0x300020);
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x300020);
    assert_int_equal(load_test_u32(test, 0x300000), 0x1badb002);
    assert_int_equal(load_test_u32(test, 0x100000), 0);
}

static void address_fields_that_lie_are_refused(void **state)
{
    struct load_test *test = *state;

    flat_kernel(test, 0x202001, 0, 0x200000);
    load_test_refuse(test, "load_end_addr 0x202001: the file has bytes for 0x200000..0x202000");
    flat_kernel(test, 0x200000, 0, 0x200000);
    load_test_refuse(test, "load_end_addr 0x200000");
    flat_kernel(test, 0x1fffff, 0, 0x200000);
    load_test_refuse(test, "load_end_addr 0x1fffff");
    flat_kernel(test, 0x201000, 0x200fff, 0x200000);
    load_test_refuse(test, "bss_end_addr 0x200fff lies below the end of the data, 0x201000");
    flat_kernel(test, 0, 0, 0x202000);
    load_test_refuse(test, "entry 0x202000 lies outside the kernel, which is at 0x200000..0x202000");
    flat_kernel(test, 0, 0, 0x1fffff);
    load_test_refuse(test, "entry 0x1fffff lies outside the kernel");
    flat_kernel(test, 0x202000, 0x400001, 0x200000);
    load_test_refuse(test, "the kernel lies at 0x200000..0x400001, beyond the guest's 4 MiB of memory");

    flat_kernel(test, 0, 0, 0x200000);
    multiboot_addresses(test, 0x80, 0x1fffff, 0x200000, 0, 0, 0x200000);
    load_test_refuse(test, "load_addr 0x200000 does not fit header_addr 0x1fffff at offset 0x80 of the file");
    multiboot_addresses(test, 0x80, 0x200081, 0x200000, 0, 0, 0x200000); /* would begin before the file */
    load_test_refuse(test, "load_addr 0x200000 does not fit header_addr 0x200081 at offset 0x80 of the file");
    multiboot_addresses(test, 0x80, 0x200080, 0x200000, 0, 0, 0x200000);
    load_test_accept(test);

    flat_kernel(test, 0, 0, 0x200000);
    test->size = 0x80 + 31;
    load_test_refuse(test, "the Multiboot header at offset 0x80 ends before its address fields");
    memset(test->image, 0, sizeof(test->image));
    test->size = 0x3000;
    multiboot_header(test, 8192 - 28, ADDRESSES);
    multiboot_addresses(test, 8192 - 28, 0x200000, 0x200000, 0, 0, 0x200000);
    load_test_refuse(test, "ends before its address fields");

    memset(test->image, 0, sizeof(test->image)); /* just inside, of the file and of what is searched */
    multiboot_header(test, 8192 - 32, ADDRESSES);
    multiboot_addresses(test, 8192 - 32, 0x200000, 0x200000, 0, 0, 0x200000);
    test->size = 8192;
    load_test_accept(test);
}

static void check_string(const struct load_test *test, u32 at, const char *text)
{
    assert_string_equal(load_test_at(test, at, strlen(text) + 1), text);
}

static void check_map(const struct load_test *test, unsigned index, u64 base, u64 length, u32 type)
{
    u32 at = load_test_u32(test, test->result.start.rbx + 48) + index * 24;

    assert_in_range(index * 24, 0, load_test_u32(test, test->result.start.rbx + 44) - 24);
    assert_int_equal(load_test_u32(test, at), 20);
    assert_int_equal(load_test_u64(test, at + 4), base);
    assert_int_equal(load_test_u64(test, at + 12), length);
    assert_int_equal(load_test_u32(test, at + 20), type);
}

static void kernel_is_told_about_memory(void **state)
{
    struct load_test *test = *state;
    u64 info;

    elf_kernel(test, 3);
    load_test_accept(test);
    info = test->result.start.rbx;
    assert_int_equal(load_test_u32(test, info), 0x24d);
    assert_int_equal(load_test_u32(test, info + 4), 639);
    assert_int_equal(load_test_u32(test, info + 8), 3 * 1024);
    assert_int_equal(load_test_u32(test, info + 44), 3 * 24);
    check_map(test, 0, 0, 0x9fc00, 1);
    check_map(test, 1, 0x9fc00, 0x60400, 2);
    check_map(test, 2, 0x100000, 3 * MIB, 1);
    check_string(test, load_test_u32(test, info + 64), "slat");

    test->memory_size = 5 * GIB;
    load_test_accept(test);
    assert_int_equal(load_test_u32(test, info + 8), (3 * GIB - MIB) / KIB);
    assert_int_equal(load_test_u32(test, info + 44), 4 * 24);
    check_map(test, 2, MIB, 3 * GIB - MIB, 1);
    check_map(test, 3, 4 * GIB, 2 * GIB, 1);
    test->memory_size = 12 * GIB + 4 * KIB;
    load_test_accept(test);
    check_map(test, 3, 4 * GIB, 9 * GIB + 4 * KIB, 1);
}

static void command_line_begins_with_the_images_name(void **state)
{
    struct load_test *test = *state;

    elf_kernel(test, 0);
    load_test_accept(test);
    check_string(test, load_test_u32(test, 0x9000 + 16), "kernel.bin");
    strcpy(test->conf.cmdline, "a=b  c");
    load_test_accept(test);
    check_string(test, load_test_u32(test, 0x9000 + 16), "kernel.bin a=b  c");
    strcpy(test->conf.cmdline, "c");
    load_test_accept(test);
    check_string(test, load_test_u32(test, 0x9000 + 16), "kernel.bin c");
    strcpy(test->conf.image, "x");
    load_test_accept(test);
    check_string(test, load_test_u32(test, 0x9000 + 16), "x c");
}

static void check_module(const struct load_test *test, unsigned index, u32 start, u32 end, const char *text)
{
    u32 at = load_test_u32(test, 0x9000 + 24) + index * 16;
    const u8 *bytes;

    assert_int_equal(load_test_u32(test, at), start);
    assert_int_equal(load_test_u32(test, at + 4), end);
    check_string(test, load_test_u32(test, at + 8), text);
    assert_int_equal(load_test_u32(test, at + 12), 0);
    bytes = load_test_at(test, start, end - start);
    for (u64 i = 0; i < end - start; i++)
        assert_int_equal(bytes[i], 0xa1 + index);
}

static void modules_lie_behind_the_kernel(void **state)
{
    struct load_test *test = *state;

    elf_kernel(test, 0);
    load_test_add_module(test, 0x1001, "first");
    load_test_add_module(test, 1, "second x=y");
    load_test_add_module(test, 0x1000, "");
    load_test_accept(test);
    assert_int_equal(load_test_u32(test, 0x9000 + 20), 3);
    check_module(test, 0, 0x102000, 0x103001, "first");
    check_module(test, 1, 0x104000, 0x104001, "second x=y");
    check_module(test, 2, 0x105000, 0x106000, "");
}

static void modules_lie_behind_the_highest_segment(void **state)
{
    struct load_test *test = *state;

    elf_kernel(test, 0);
    elf_add_segment(test, &(struct elf_segment){ 0x2000, 0x300000, 0x300000, 0x10, 0x1001 });
    elf_add_segment(test, &(struct elf_segment){ 0x2000, 0x200000, 0x200000, 0x10, 0x10 });
    load_test_add_module(test, 0x1000, "module");
    load_test_accept(test);
    check_module(test, 0, 0x302000, 0x303000, "module");
}

static void modules_go_where_there_is_room(void **state)
{
    struct load_test *test = *state;

    flat_kernel(test, 0x202000, 0x3ff000, 0x200000);
    load_test_add_module(test, 0x1000, "behind");
    load_test_add_module(test, MIB, "between 1 MiB and the kernel");
    load_test_accept(test);
    check_module(test, 0, 0x3ff000, 0x400000, "behind");
    check_module(test, 1, 0x100000, 0x200000, "between 1 MiB and the kernel");
    load_test_add_module(test, 0x1000, "no more");
    load_test_refuse(test, "no room for module 3 (4 KiB) in the guest's 4096 KiB of memory");
}

static void information_goes_where_there_is_room(void **state)
{
    struct load_test *test = *state;
    u64 info;

    flat_kernel(test, 0, 0, 0x9000);
    multiboot_addresses(test, 0x80, 0x9080, 0x9000, 0, 0, 0x9000); /* 0x9000..0xb040 */
    load_test_accept(test);
    info = test->result.start.rbx;
    assert_int_equal(info, 0xc000);
    check_string(test, load_test_u32(test, info + 16), "kernel.bin");

    test->memory_size = 44 * KIB; /* only the pages below 0x9000 are left */
    multiboot_addresses(test, 0x80, 0x9080, 0x9000, 0xa000, 0xb000, 0x9000);
    load_test_accept(test);
    info = test->result.start.rbx;
    assert_int_equal(info, 0x1000);
    assert_int_equal(load_test_u32(test, info + 4), 44);
    assert_int_equal(load_test_u32(test, info + 8), 0);

    multiboot_addresses(test, 0x80, 0x1080, 0x1000, 0x2000, 0xb000, 0x1000);
    load_test_refuse(test, "no room for the Multiboot information (4 KiB)");
}

/* Every string as long as the configuration allows: all still in one page. */
static void longest_strings_fit(void **state)
{
    struct load_test *test = *state;
    char text[CONF_MODULE_SIZE];
    u64 at;

    elf_kernel(test, 0);
    memset(test->conf.image, 'i', CONF_PATH_SIZE - 1);
    memset(test->conf.cmdline, 'c', CONF_CMDLINE_SIZE - 1);
    memset(text, 'm', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 0; i < CONF_MAX_MODULES; i++)
        load_test_add_module(test, 1, text);
    load_test_accept(test);
    for (unsigned i = 0; i < CONF_MAX_MODULES; i++) {
        at = load_test_u32(test, load_test_u32(test, 0x9000 + 24) + i * 16 + 8);
        check_string(test, (u32)at, text);
        assert_true(at + sizeof(text) <= 0xa000);
    }
    assert_int_equal(strlen(load_test_at(test, load_test_u32(test, 0x9000 + 16), 1)), 127 + 1 + 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOAD_TEST(kernel_starts_in_flat_protected_mode),     LOAD_TEST(required_flags_must_be_known),
        LOAD_TEST(header_lies_in_the_first_8_kib),           LOAD_TEST(address_fields_say_what_is_loaded),
        LOAD_TEST(address_fields_that_lie_are_refused),      LOAD_TEST(kernel_is_told_about_memory),
        LOAD_TEST(command_line_begins_with_the_images_name), LOAD_TEST(modules_lie_behind_the_kernel),
        LOAD_TEST(modules_lie_behind_the_highest_segment),   LOAD_TEST(modules_go_where_there_is_room),
        LOAD_TEST(information_goes_where_there_is_room),     LOAD_TEST(longest_strings_fit),
    };

    return cmocka_run_group_tests_name("load_multiboot", tests, NULL, NULL);
}
