/* SPDX-License-Identifier: BSD-2-Clause */
/* PVH: the note, and what a kernel is told. The guest has 4 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

enum { TEXT_AT = 0x1000, NOTES_AT = 0x2000, PHYS32_ENTRY = 18, INFO = 0x8f000, PT_NOTE = 4 };

/* Appends a note at the image's end; the alignment is 4 or 8. */
static void add_note(struct load_test *test, const char *owner, u32 type, u64 number, u32 number_size, u32 align)
{
    u8 *note = test->image + test->size, bytes[8];
    u64 number_at = (12 + strlen(owner) + 1 + align - 1) & -(u64)align;

    put32(note, (u32)strlen(owner) + 1);
    put32(note + 4, number_size);
    put32(note + 8, type);
    strcpy((char *)note + 12, owner);
    put64(bytes, number);
    memcpy(note + number_at, bytes, number_size < 8 ? number_size : 8);
    test->size += (number_at + number_size + align - 1) & -(u64)align;
}

/* An ELF file with one segment of 0x1200 bytes at 1 MiB, its entry elsewhere, and a segment for notes. */
static void begin(struct load_test *test, bool is_64)
{
    memset(test->image, 0, sizeof(test->image));
    elf_begin(test, is_64, 0xdead0000);
    elf_add_segment(test, &(struct elf_segment){ TEXT_AT, 0xc0100000, 0x100000, 0x300, 0x1200 });
    elf_add_segment(test, &(struct elf_segment){ NOTES_AT, 0, 0x300000, 0, 0 });
    put32(test->image + (is_64 ? 64 + 56 : 52 + 32), PT_NOTE);
    test->size = NOTES_AT;
}

static void set_notes(struct load_test *test, u64 offset, u64 size, u64 align)
{
    if (test->image[4] == 2) {
        put64(test->image + 64 + 56 + 8, offset);
        put64(test->image + 64 + 56 + 32, size);
        put64(test->image + 64 + 56 + 48, align);
    } else {
        put32(test->image + 52 + 32 + 4, (u32)offset);
        put32(test->image + 52 + 32 + 16, (u32)size);
        put32(test->image + 52 + 32 + 28, (u32)align);
    }
}

static void end(struct load_test *test, u64 align)
{
    set_notes(test, NOTES_AT, test->size - NOTES_AT, align);
}

static void simple(struct load_test *test, bool is_64, u64 entry)
{
    begin(test, is_64);
    add_note(test, "Xen", PHYS32_ENTRY, entry, is_64 ? 8 : 4, 4);
    end(test, 4);
}

static void kernel_starts_at_the_note(void **state)
{
    struct load_test *test = *state;
    const struct guest_start expected = { .mode = START_FLAT32, .cs = 8, .ds = 16, .rip = 0x100040, .rbx = INFO };

    for (int is_64 = 0; is_64 < 2; is_64++) {
        simple(test, is_64, 0x100040);
        load_test_accept(test);
        assert_string_equal(test->result.format, "pvh");
        assert_memory_equal(&test->result.start, &expected, sizeof(expected));
        assert_memory_equal(load_test_at(test, 0x100000, 0x300), test->image + TEXT_AT, 0x300);
        test->conf.format = IMAGE_PVH;
        load_test_accept(test);
        test->conf.format = IMAGE_AUTO;
    }
}

static void note_is_found_among_others(void **state)
{
    struct load_test *test = *state;

    for (u32 align = 4; align <= 8; align += 4) {
        begin(test, true);
        add_note(test, "GNU", 3, 0x1111, 20, align);
        add_note(test, "Xen", 5, 0x2222, 5, align);
        add_note(test, "Xenon", PHYS32_ENTRY, 0x3333, 4, align);
        add_note(test, "Xem", PHYS32_ENTRY, 0x4444, 4, align);
        add_note(test, "Xen", PHYS32_ENTRY, 0x5555, 2, align);
        add_note(test, "Xen", PHYS32_ENTRY, 0x100008, 4, align);
        add_note(test, "Xen", PHYS32_ENTRY, 0x100010, 4, align);
        end(test, align == 8 ? 8 : 1);
        load_test_accept(test);
        assert_int_equal(test->result.start.rip, 0x100008);
    }

    begin(test, false); /* the first segment that has it */
    add_note(test, "Xen", PHYS32_ENTRY, 0x100018, 4, 4);
    add_note(test, "Xen", PHYS32_ENTRY, 0x100020, 4, 4);
    set_notes(test, NOTES_AT + 20, 20, 4);
    memcpy(test->image + 52 + 32 * 2, test->image + 52 + 32, 32);
    set_notes(test, NOTES_AT, 20, 4);
    put16(test->image + 44, 3);
    load_test_accept(test);
    assert_int_equal(test->result.start.rip, 0x100018);
}

static void refuse_note(struct load_test *test, const char *reason)
{
    test->conf.format = IMAGE_AUTO;
    load_test_refuse(test, "an ELF file without a Multiboot header or a PVH note");
    test->conf.format = IMAGE_PVH;
    load_test_refuse(test, reason);
    test->conf.format = IMAGE_AUTO;
}

static void note_must_be_whole(void **state)
{
    static const char none[] = "the ELF file has no PVH note (owner Xen, type 18)";
    struct load_test *test = *state;

    begin(test, true);
    end(test, 4);
    refuse_note(test, none);

    simple(test, true, 0x100040);
    set_notes(test, NOTES_AT, 12 + 4 + 8 - 1, 4);
    refuse_note(test, none);
    set_notes(test, NOTES_AT, 12 + 4 + 8, 4);
    load_test_accept(test);
    set_notes(test, NOTES_AT, 12 + 4 + 8 + 1, 4);
    load_test_refuse(test, "truncated: segment 1 has 0x19 bytes at offset 0x2000 of a file of 0x2018");
    set_notes(test, UINT64_MAX, 2, 4);
    load_test_refuse(test, "truncated: segment 1");

    put32(test->image + NOTES_AT, UINT32_MAX); /* lengths that lie */
    end(test, 4);
    refuse_note(test, none);
    simple(test, true, 0x100040);
    put32(test->image + NOTES_AT + 4, UINT32_MAX);
    refuse_note(test, none);

    begin(test, true); /* behind what is searched */
    add_note(test, "pad", 1, 0, 0x10000 - 16, 4);
    add_note(test, "Xen", PHYS32_ENTRY, 0x100040, 8, 4);
    end(test, 4);
    refuse_note(test, none);
    put32(test->image + NOTES_AT + 4, 0x10000 - 16 - 24);
    memmove(test->image + NOTES_AT + 0x10000 - 24, test->image + NOTES_AT + 0x10000, 24);
    load_test_accept(test);
}

static void segments_of_notes_are_limited(void **state)
{
    struct load_test *test = *state;

    simple(test, false, 0x100040);
    for (unsigned i = 2; i <= 32; i++) { /* empty ones, and the right one at last */
        memcpy(test->image + 52 + 32 * i, test->image + 52 + 32 * (i - 1), 32);
        put32(test->image + 52 + 32 * (i - 1) + 16, 0);
        put16(test->image + 44, (u16)(i + 1));
    }
    load_test_accept(test);
    memcpy(test->image + 52 + 32 * 33, test->image + 52 + 32 * 32, 32);
    put32(test->image + 52 + 32 * 32 + 16, 0);
    put16(test->image + 44, 34);
    refuse_note(test, "has no PVH note");
}

static void entry_lies_in_a_segment(void **state)
{
    struct load_test *test = *state;

    simple(test, true, 0x1011ff); /* the last byte, in the zeros */
    load_test_accept(test);
    simple(test, true, 0x101200);
    load_test_refuse(test, "the PVH entry 0x101200 lies in none of the segments below 4 GiB");
    simple(test, true, 0xfffff);
    load_test_refuse(test, "the PVH entry 0xfffff lies in none");
    simple(test, true, 0xc0100000); /* it is physical */
    load_test_refuse(test, "the PVH entry 0xc0100000 lies in none");
    simple(test, true, UINT64_MAX);
    load_test_refuse(test, "the PVH entry 0xffffffffffffffff lies in none");

    test->memory_size = 5 * GIB;
    simple(test, true, 0x100000040);
    elf_add_segment(test, &(struct elf_segment){ TEXT_AT, 0, 0x100000000, 0x300, 0x300 });
    load_test_refuse(test, "the PVH entry 0x100000040 lies in none of the segments below 4 GiB");
}

static void other_files_are_refused(void **state)
{
    struct load_test *test = *state;

    test->conf.format = IMAGE_PVH;
    test->size = 5000;
    load_test_refuse(test, "not an ELF file, as PVH needs it");
    assert_string_equal(test->result.format, "pvh");
    simple(test, true, 0x100040);
    test->image[18] = 40;
    load_test_refuse(test, "for machine 40, not for x86");
    test->conf.format = IMAGE_AUTO;
    load_test_refuse(test, "for machine 40, not for x86");
    assert_null(test->result.format);

    simple(test, true, 0x100040); /* Multiboot goes first */
    multiboot_header(test, 0x800, 0x10000);
    multiboot_addresses(test, 0x800, 0x200000, 0x200000, 0, 0, 0x200000);
    load_test_accept(test);
    assert_string_equal(test->result.format, "multiboot");
}

static void check_string(const struct load_test *test, u64 address_at, const char *text)
{
    u64 address = load_test_u64(test, address_at);

    assert_true(address > INFO && address < INFO + 0x1000);
    assert_string_equal(load_test_at(test, address, strlen(text) + 1), text);
}

static void start_info_describes_the_machine(void **state)
{
    struct load_test *test = *state;
    const u64 map[][3] = { { 0, 0x9fc00, 1 }, { 0x9fc00, 0x60400, 2 }, { MIB, 3 * MIB, 1 } };
    u64 at;

    simple(test, true, 0x100040);
    strcpy(test->conf.cmdline, "console=ttyS0");
    load_test_accept(test);
    assert_int_equal(load_test_u32(test, INFO), 0x336ec578);
    assert_int_equal(load_test_u32(test, INFO + 4), 1);
    assert_int_equal(load_test_u64(test, INFO + 8), 0);  /* flags, no modules */
    assert_int_equal(load_test_u64(test, INFO + 16), 0); /* their list */
    check_string(test, INFO + 24, "console=ttyS0");
    assert_int_equal(load_test_u64(test, INFO + 32), 0xe0000);
    assert_memory_equal(load_test_at(test, 0xe0000, 8), "RSD PTR ", 8);
    at = load_test_u64(test, INFO + 40);
    assert_int_equal(at % 8, 0);
    assert_int_equal(load_test_u64(test, INFO + 48), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(load_test_u64(test, at + 24 * i), map[i][0]);
        assert_int_equal(load_test_u64(test, at + 24 * i + 8), map[i][1]);
        assert_int_equal(load_test_u64(test, at + 24 * i + 16), map[i][2]);
    }

    test->memory_size = 5 * GIB;
    load_test_accept(test);
    at = load_test_u64(test, INFO + 40);
    assert_int_equal(load_test_u32(test, INFO + 48), 4);
    assert_int_equal(load_test_u64(test, at + 24 * 3), 4 * GIB);
    assert_int_equal(load_test_u64(test, at + 24 * 3 + 8), 2 * GIB);

    simple(test, true, 0x100040); /* the image has the tables' place */
    elf_add_segment(test, &(struct elf_segment){ TEXT_AT, 0, 0xe0000, 0x300, 0x20000 });
    load_test_accept(test);
    assert_int_equal(load_test_u64(test, INFO + 32), 0);
}

static void modules_lie_behind_the_kernel(void **state)
{
    struct load_test *test = *state;
    u64 at;

    simple(test, true, 0x100040);
    load_test_add_module(test, 0x1801, "initrd");
    load_test_add_module(test, 0x10, "second one");
    load_test_accept(test);
    assert_int_equal(load_test_u32(test, INFO + 12), 2);
    at = load_test_u64(test, INFO + 16);
    assert_int_equal(at % 8, 0);
    assert_int_equal(load_test_u64(test, at), 0x102000);
    assert_int_equal(load_test_u64(test, at + 8), 0x1801);
    check_string(test, at + 16, "initrd");
    assert_int_equal(load_test_u64(test, at + 24), 0);
    assert_int_equal(load_test_u64(test, at + 32), 0x104000);
    assert_int_equal(load_test_u64(test, at + 40), 0x10);
    check_string(test, at + 48, "second one");
    assert_int_equal(*(const u8 *)load_test_at(test, 0x102000, 1), 0xa1);
    assert_int_equal(*(const u8 *)load_test_at(test, 0x104000, 1), 0xa2);

    /* All that can be given is in one page. */
    while (test->conf.module_count < CONF_MAX_MODULES)
        load_test_add_module(test, 16, "x");
    for (unsigned i = 0; i < CONF_MAX_MODULES; i++)
        memset(test->conf.modules[i].text, 'm', CONF_MODULE_SIZE - 1);
    memset(test->conf.cmdline, 'c', CONF_CMDLINE_SIZE - 1);
    load_test_accept(test);
    check_string(test, load_test_u64(test, INFO + 16) + 7 * 32 + 16, test->conf.modules[7].text);
    check_string(test, INFO + 24, test->conf.cmdline);

    test->module_size[0] = 4 * MIB;
    load_test_refuse(test, "no room for module 1 (4096 KiB) in the guest's 4096 KiB of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOAD_TEST(kernel_starts_at_the_note),
        LOAD_TEST(note_is_found_among_others),
        LOAD_TEST(note_must_be_whole),
        LOAD_TEST(segments_of_notes_are_limited),
        LOAD_TEST(entry_lies_in_a_segment),
        LOAD_TEST(other_files_are_refused),
        LOAD_TEST(start_info_describes_the_machine),
        LOAD_TEST(modules_lie_behind_the_kernel),
    };

    return cmocka_run_group_tests_name("load_pvh", tests, NULL, NULL);
}
