/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/load_hypervisor.c: a good file, and every way in which it may be bad. */
#include "boot/load_hypervisor.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/handoff.h"

enum { SEGMENTS = 4, FILE_SIZE = 0x4000 };

struct file {
    union {
        struct {
            Elf64_Ehdr header;
            Elf64_Phdr segments[SEGMENTS];
        };
        unsigned char bytes[FILE_SIZE];
    };
};

/* In an order other than that of the addresses; the fourth is no segment to load. */
static void make(struct file *file)
{
    unsigned i;

    for (i = 0; i < FILE_SIZE; i++)
        file->bytes[i] = (unsigned char)(i * 7 + i / 256);
    memset(&file->header, 0, sizeof file->header);
    memset(file->segments, 0, sizeof file->segments);
    memcpy(file->header.e_ident, ELFMAG, SELFMAG);
    file->header.e_ident[EI_CLASS] = ELFCLASS64;
    file->header.e_ident[EI_DATA] = ELFDATA2LSB;
    file->header.e_ident[EI_VERSION] = EV_CURRENT;
    file->header.e_type = ET_EXEC;
    file->header.e_machine = EM_X86_64;
    file->header.e_phoff = offsetof(struct file, segments);
    file->header.e_phentsize = sizeof(Elf64_Phdr);
    file->header.e_phnum = SEGMENTS;
    file->header.e_entry = IMAGE_BASE + 0x10;
    file->segments[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0x3000, IMAGE_BASE + 0x4000, 0, 0x800, 0x2345, 4096 };
    file->segments[1] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0x1000, IMAGE_BASE, 0, 0x1001, 0x1001, 4096 };
    file->segments[2] = (Elf64_Phdr){ PT_LOAD, PF_R, 0x2100, IMAGE_BASE + 0x2000, 0, 0x20, 0x20, 4096 };
    file->segments[3] = (Elf64_Phdr){ PT_GNU_STACK, PF_R | PF_W | PF_X, 0, 0, 0, 0, 0, 16 };
}

static void a_good_file_is_loaded(void **state)
{
    static struct file file;
    struct hypervisor_layout layout;
    const char *reason = NULL;
    unsigned char *image;
    size_t i;

    make(&file);
    assert_int_equal(hypervisor_check(file.bytes, FILE_SIZE, &layout, &reason), 0);
    assert_null(reason);
    assert_int_equal(layout.entry, IMAGE_BASE + 0x10);
    assert_int_equal(layout.size, 0x7000);
    assert_int_equal(layout.segment_count, 3);
    assert_int_equal(layout.segments[0].virtual, IMAGE_BASE);
    assert_true(layout.segments[0].executable && !layout.segments[0].writable);
    assert_int_equal(layout.segments[1].virtual, IMAGE_BASE + 0x2000);
    assert_true(!layout.segments[1].executable && !layout.segments[1].writable);
    assert_int_equal(layout.segments[2].virtual, IMAGE_BASE + 0x4000);
    assert_true(!layout.segments[2].executable && layout.segments[2].writable);

    image = malloc(layout.size);
    memset(image, 0xee, layout.size);
    hypervisor_load(file.bytes, &layout, image);
    assert_memory_equal(image, file.bytes + 0x1000, 0x1001);
    assert_memory_equal(image + 0x2000, file.bytes + 0x2100, 0x20);
    assert_memory_equal(image + 0x4000, file.bytes + 0x3000, 0x800);
    for (i = 0x1001; i < 0x7000; i++) {
        if ((i < 0x2000 || i >= 0x2020) && (i < 0x4000 || i >= 0x4800))
            assert_int_equal(image[i], 0);
    }
    free(image);
}

static void refuse(const struct file *file, size_t size, const char *expected)
{
    struct hypervisor_layout layout = { .entry = 77 };
    const char *reason = NULL;
    unsigned char *exact = malloc(size ? size : 1); /* so that the sanitizer sees a read behind the end */

    memcpy(exact, file->bytes, size);
    assert_int_equal(hypervisor_check(exact, size, &layout, &reason), -EINVAL);
    assert_string_equal(reason, expected);
    assert_int_equal(layout.entry, 77);
    free(exact);
}

/* One change to the good file, and what is said then. */
#define REFUSE(expected, change)            \
    do {                                    \
        make(&file);                        \
        change;                             \
        refuse(&file, FILE_SIZE, expected); \
    } while (0)

static void bad_headers_are_refused(void **state)
{
    static struct file file;

    make(&file);
    refuse(&file, 0, "it is not an ELF file");
    refuse(&file, 20, "it is not an ELF file");
    refuse(&file, sizeof file.header, "its program headers are not within the file");
    REFUSE("it is not an ELF file", file.bytes[0] = 0);
    REFUSE("it is not a 64-bit x86 ELF file", file.header.e_ident[EI_CLASS] = ELFCLASS32);
    REFUSE("it is not a 64-bit x86 ELF file", file.header.e_ident[EI_DATA] = ELFDATA2MSB);
    REFUSE("it is not a 64-bit x86 ELF file", file.header.e_machine = EM_AARCH64);
    REFUSE("it is not linked to a fixed address", file.header.e_type = ET_DYN);
    REFUSE("it is not linked to a fixed address", file.header.e_type = ET_REL);
    REFUSE("its program headers have a strange size", file.header.e_phentsize = 32);
    REFUSE("its program headers are not within the file", file.header.e_phoff = UINT64_MAX - 8);
    REFUSE("its program headers are not within the file", file.header.e_phoff = FILE_SIZE - 8);
    REFUSE("its program headers are not within the file", file.header.e_phnum = UINT16_MAX);
    REFUSE("its entry point is not in an executable segment", file.header.e_phnum = 0);
    REFUSE("it is dynamically linked", file.segments[3].p_type = PT_DYNAMIC);
    REFUSE("it is dynamically linked", file.segments[3].p_type = PT_INTERP);
}

static void bad_segments_are_refused(void **state)
{
    static struct file file;

    REFUSE("a segment is not within the file", file.segments[0].p_offset = FILE_SIZE - 0x7ff);
    REFUSE("a segment is not within the file", file.segments[0].p_offset = UINT64_MAX);
    REFUSE("a segment is not within the file", file.segments[0].p_filesz = UINT64_MAX);
    REFUSE("a segment has more bytes in the file than in memory", file.segments[0].p_memsz = 0x7ff);
    REFUSE("a segment does not start on a page border", file.segments[0].p_vaddr += 16);
    REFUSE("a segment is not within the image's address range", file.segments[0].p_vaddr = IMAGE_BASE - 4096);
    REFUSE("a segment is not within the image's address range", file.segments[0].p_vaddr = 0);
    REFUSE("a segment is not within the image's address range", file.segments[0].p_vaddr = IMAGE_BASE + (1ull << 30));
    REFUSE("a segment is not within the image's address range", file.segments[0].p_memsz = 1ull << 30);
    REFUSE("a segment is not within the image's address range", file.segments[0].p_memsz = UINT64_MAX);
    REFUSE("a segment is both writable and executable", file.segments[0].p_flags |= PF_X);
    REFUSE("a segment is not readable", file.segments[0].p_flags = PF_W);
    REFUSE("two segments share a page", file.segments[0].p_vaddr = IMAGE_BASE);
    REFUSE("two segments share a page", file.segments[2].p_memsz = 0x2001);
    REFUSE("two segments share a page", file.segments[0].p_vaddr = IMAGE_BASE + 0x1000);
    REFUSE("its entry point is not in an executable segment", file.header.e_entry = IMAGE_BASE + 0x2000);
    REFUSE("its entry point is not in an executable segment", file.header.e_entry = IMAGE_BASE + 0x1001);
    REFUSE("its entry point is not in an executable segment", file.header.e_entry = 0);
}

static void too_many_segments_are_refused(void **state)
{
    static struct file file;
    unsigned i;

    make(&file);
    file.header.e_phoff = 0x200;
    file.header.e_phnum = HYPERVISOR_MAX_SEGMENTS + 1;
    for (i = 0; i <= HYPERVISOR_MAX_SEGMENTS; i++) {
        Elf64_Phdr segment = { PT_LOAD, PF_R | PF_X, 0x1000, IMAGE_BASE + i * 4096ull, 0, 16, 16, 4096 };

        memcpy(file.bytes + 0x200 + i * sizeof segment, &segment, sizeof segment);
    }
    refuse(&file, FILE_SIZE, "it has too many segments");
}

static void an_empty_segment_is_passed_over(void **state)
{
    static struct file file;
    struct hypervisor_layout layout;
    const char *reason;

    make(&file);
    file.segments[2] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X };
    assert_int_equal(hypervisor_check(file.bytes, FILE_SIZE, &layout, &reason), 0);
    assert_int_equal(layout.segment_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_loaded),           cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_segments_are_refused),        cmocka_unit_test(too_many_segments_are_refused),
        cmocka_unit_test(an_empty_segment_is_passed_over),
    };

    return cmocka_run_group_tests_name("load_hypervisor", tests, NULL, NULL);
}
