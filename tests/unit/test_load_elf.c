/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF segments, through Multiboot, the one format that uses them so far. The guest has 4 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

enum { HEADER_AT = 0x800 }; /* the Multiboot header: not in any segment, which is legal */

static void begin(struct load_test *test, bool is_64, u64 entry)
{
    memset(test->image, 0, sizeof(test->image));
    elf_begin(test, is_64, entry);
}

static void end(struct load_test *test)
{
    multiboot_header(test, HEADER_AT, 0);
}

/* One segment of 0x300 bytes, 0x500 in memory, at 1 MiB. */
static const struct elf_segment text = { 0x1000, 0x100000, 0x100000, 0x300, 0x500 };

static void simple(struct load_test *test, bool is_64)
{
    begin(test, is_64, 0x100010);
    elf_add_segment(test, &text);
    end(test);
}

static void check_segment(const struct load_test *test, const struct elf_segment *segment)
{
    const u8 *at = load_test_at(test, segment->paddr, segment->memsz);

    assert_memory_equal(at, test->image + segment->offset, segment->filesz);
    for (u64 i = segment->filesz; i < segment->memsz; i++)
        assert_int_equal(at[i], 0);
}

static void both_classes_load_at_physical_addresses(void **state)
{
    struct load_test *test = *state;
    const struct elf_segment data = { 0x2001, 0xc0200000, 0x200000, 0x101, 0x101 };
    const struct elf_segment bss = { 0, 0xc0300000, 0x300000, 0, 0x100000 };
    const struct elf_segment none = { 0x100000000, 0x100000, 0x100000, 0, 0 };
    const struct elf_segment low = { 0x3000, 0, 0, 16, 0x1000 };

    for (int is_64 = 0; is_64 < 2; is_64++) {
        begin(test, is_64, 0x100010);
        elf_add_segment(test, &data);
        elf_add_segment(test, &text);
        elf_add_segment(test, &bss);  /* up to the last byte of memory */
        elf_add_segment(test, &none); /* empty: ignored, wherever it says it is */
        elf_add_segment(test, &low);
        end(test);
        load_test_accept(test);
        check_segment(test, &data);
        check_segment(test, &text);
        check_segment(test, &low);
        assert_int_equal(test->result.start.rip, 0x100010);
    }
}

static void other_headers_are_ignored(void **state)
{
    struct load_test *test = *state;

    simple(test, true);
    put32(test->image + 64, 4); /* PT_NOTE */
    load_test_refuse(test, "the ELF file has no segment to load");
    elf_add_segment(test, &text);
    load_test_accept(test);
    check_segment(test, &text);
}

static void larger_program_headers_are_stepped_over(void **state)
{
    struct load_test *test = *state;
    const struct elf_segment data = { 0x2000, 0x200000, 0x200000, 0x100, 0x100 };

    simple(test, true);
    elf_add_segment(test, &data);
    memmove(test->image + 64 + 60, test->image + 64 + 56, 56);
    put16(test->image + 54, 60);
    load_test_accept(test);
    check_segment(test, &text);
    check_segment(test, &data);
}

static void entry_is_virtual_or_physical(void **state)
{
    struct load_test *test = *state;
    const struct elf_segment high = { 0x1000, 0xc0100000, 0x100000, 0x300, 0x500 };
    const struct elf_segment boot = { 0x2000, 0x180000, 0x180000, 0x100, 0x100 };
    /* Its physical range is the virtual one of `boot`'s neighbour: virtual wins, whichever comes first. */
    const struct elf_segment swapped = { 0x3000, 0x180100, 0x200000, 0x100, 0x100 };
    const struct elf_segment decoy = { 0x3100, 0x300000, 0x180100, 0x100, 0x100 };

    begin(test, false, 0xc0100020);
    elf_add_segment(test, &high);
    end(test);
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x100020);

    put32(test->image + 24, 0xc01004ff); /* the last byte, in the zeros */
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x1004ff);
    put32(test->image + 24, 0xc0100500);
    load_test_refuse(test, "entry 0xc0100500 lies in none of the segments");

    put32(test->image + 24, 0x100030); /* physical */
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x100030);
    put32(test->image + 24, 0x100500);
    load_test_refuse(test, "entry 0x100500 lies in none of the segments");

    begin(test, true, 0x180004); /* as gnumach: a boot segment at its physical address, the rest elsewhere */
    elf_add_segment(test, &boot);
    elf_add_segment(test, &high);
    end(test);
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x180004);

    for (int order = 0; order < 2; order++) {
        begin(test, true, 0x180108);
        elf_add_segment(test, order ? &decoy : &swapped);
        elf_add_segment(test, order ? &swapped : &decoy);
        end(test);
        load_test_accept(test);
        assert_int_equal(test->result.start.rip, 0x200008);
    }
}

static void entry_of_a_32_bit_start_lies_below_4_gib(void **state)
{
    struct load_test *test = *state;
    const struct elf_segment high = { 0x1000, 0x100000000, 0x100000000, 0x300, 0x500 };

    test->memory_size = 5 * GIB;
    begin(test, true, 0x100000010);
    elf_add_segment(test, &high);
    end(test);
    load_test_refuse(test, "entry 0x100000010 lies above 4 GiB");
    put64(test->image + 24, 0x100010);
    elf_add_segment(test, &text);
    load_test_accept(test);
    check_segment(test, &high);
}

static void refuse_byte(struct load_test *test, unsigned at, u8 value, const char *reason)
{
    u8 old = test->image[at];

    test->image[at] = value;
    load_test_refuse(test, reason);
    test->image[at] = old;
}

static void headers_that_lie_are_refused(void **state)
{
    struct load_test *test = *state;

    simple(test, true);
    refuse_byte(test, 5, 2, "not little-endian");
    refuse_byte(test, 4, 3, "of class 3");
    refuse_byte(test, 18, 40, "for machine 40, not for x86");
    refuse_byte(test, 16, 3, "position-independent (ET_DYN)");
    refuse_byte(test, 16, 1, "of type 1, not an executable");
    refuse_byte(test, 54, 55, "program headers have 55 bytes, less than 56");
    refuse_byte(test, 39, 0x80, "truncated: 1 program headers at 0x8000000000000040 go beyond");
    refuse_byte(test, 0, 0, "neither an ELF file nor address fields");

    put64(test->image + 32, test->size - 55);
    load_test_refuse(test, "truncated: 1 program headers at 0x12c9 go beyond the file's 0x1300 bytes");
    put64(test->image + 32, UINT64_MAX);
    load_test_refuse(test, "truncated: 1 program headers");
    put64(test->image + 32, test->size - 56);
    memset(test->image + test->size - 56, 0, 56);
    load_test_refuse(test, "no segment to load"); /* just inside */

    simple(test, false);
    refuse_byte(test, 42, 31, "program headers have 31 bytes, less than 32");
    refuse_byte(test, 45, 0xff, "truncated: 65281 program headers");
    test->size = 0x1300;
    load_test_accept(test);
}

/* The header must be whole: 52 or 64 bytes, with the Multiboot header right behind, or in it. */
static void short_files_are_refused(void **state)
{
    struct load_test *test = *state;

    begin(test, false, 0x100010);
    multiboot_header(test, 36, 0);
    test->size = 48;
    load_test_refuse(test, "truncated: 48 bytes do not hold an ELF header");
    begin(test, false, 0x100010);
    multiboot_header(test, 24, 0); /* where entry, phoff and shoff are */
    test->size = 52;               /* all of an ELF header, but no program header */
    load_test_refuse(test, "the ELF file has no segment to load");
    begin(test, true, 0x100010);
    multiboot_header(test, 40, 0);
    test->size = 52;
    load_test_refuse(test, "truncated: 52 bytes do not hold an ELF header");
}

static void refuse_segment(struct load_test *test, bool is_64, const struct elf_segment *segment, const char *reason)
{
    u64 size;

    simple(test, is_64);
    size = test->size;
    elf_add_segment(test, segment);
    test->size = size;
    load_test_refuse(test, reason);
}

static void segments_that_lie_are_refused(void **state)
{
    struct load_test *test = *state;

    for (int is_64 = 0; is_64 < 2; is_64++) {
        refuse_segment(test, is_64, &(struct elf_segment){ 0x1000, 0, 0x200000, 0x101, 0x100 },
                       "segment 1 has 0x101 bytes in the file but only 0x100 in memory");
        refuse_segment(test, is_64, &(struct elf_segment){ 0x1000, 0, 0x200000, 0x301, 0x301 },
                       "truncated: segment 1 has 0x301 bytes at offset 0x1000 of a file of 0x1300");
        refuse_segment(test, is_64, &(struct elf_segment){ 0x1301, 0, 0x200000, 0, 1 }, "truncated: segment 1");
        refuse_segment(test, is_64, &(struct elf_segment){ 0x1000, 0, 0x3fffff, 2, 2 },
                       "segment 1 lies at 0x3fffff..0x400001, beyond the guest's 4 MiB of memory");
        refuse_segment(test, is_64, &(struct elf_segment){ 0x1000, 0, 0x200000, 2, 0xffffffff },
                       "segment 1 lies at 0x200000..0x1001fffff, beyond");
        refuse_segment(test, is_64, &(struct elf_segment){ 0x1000, 0, 0x1004ff, 2, 2 },
                       "segment 1 at 0x1004ff..0x100501 overlaps segment 0 at 0x100000..0x100500");
        simple(test, is_64);
        elf_add_segment(test,
                        &(struct elf_segment){ 0x1300, 0, 0x200000, 0, 1 }); /* zeros alone, at the end of the file */
        load_test_accept(test);
    }
    refuse_segment(test, true, &(struct elf_segment){ UINT64_MAX - 1, 0, 0x200000, 0x10, 0x10 },
                   "truncated: segment 1");
    refuse_segment(test, true, &(struct elf_segment){ 0x1000, 0, UINT64_MAX, 2, 2 },
                   "beyond the end of the address space");
    refuse_segment(test, true, &(struct elf_segment){ 0x1000, 0, 0x200000, 2, -0x200000ull }, "beyond the end");
    refuse_segment(test, true, &(struct elf_segment){ 0x1000, 0, 0x200000, UINT64_MAX, UINT64_MAX },
                   "truncated: segment 1");
}

static void segments_are_limited(void **state)
{
    struct load_test *test = *state;

    begin(test, true, 0x100000);
    for (u64 i = 0; i < 33; i++) {
        if (i == 32) { /* 32 load: and a module and the information besides */
            multiboot_header(test, 0x1f00, 0);
            load_test_add_module(test, 100, "module");
            load_test_accept(test);
        }
        elf_add_segment(test, &(struct elf_segment){ 0x1000, 0, 0x100000 + i * 0x1000, 16, 16 });
    }
    multiboot_header(test, 0x1f00, 0);
    load_test_refuse(test, "more than 32 segments");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOAD_TEST(both_classes_load_at_physical_addresses),
        LOAD_TEST(other_headers_are_ignored),
        LOAD_TEST(larger_program_headers_are_stepped_over),
        LOAD_TEST(entry_is_virtual_or_physical),
        LOAD_TEST(entry_of_a_32_bit_start_lies_below_4_gib),
        LOAD_TEST(headers_that_lie_are_refused),
        LOAD_TEST(short_files_are_refused),
        LOAD_TEST(segments_that_lie_are_refused),
        LOAD_TEST(segments_are_limited),
    };

    return cmocka_run_group_tests_name("load_elf", tests, NULL, NULL);
}
