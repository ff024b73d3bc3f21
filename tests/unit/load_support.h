/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the loaders' tests: one load with its configuration, memory and image, and functions that build images. The image is
 * copied to a block of exactly its size for each load, so that the address sanitizer sees a read beyond it.
 */
#ifndef TESTS_UNIT_LOAD_SUPPORT_H
#define TESTS_UNIT_LOAD_SUPPORT_H

#include "hv/load/image.h"
#include "tests/unit/fake_vm_memory.h"

#define KIB 1024ul
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum { LOAD_TEST_IMAGE_MAX = 0x30000 };

struct load_test {
    struct guest_conf conf; /* format = auto, 1 processor; everything else 0 */
    u64 memory_size;
    u8 image[LOAD_TEST_IMAGE_MAX];
    u64 size;                          /* of the image */
    u64 module_size[CONF_MAX_MODULES]; /* filled with 0xa1, 0xa2, … */
    struct vm_memory *memory;          /* of the last load */
    struct load_result result;         /* of the last load */
};

struct load_test *load_test_create(u64 memory_size);

/* Fixtures for cmocka: a test with 4 MiB of memory and an empty image; the end of any test. */
int load_test_setup(void **state);
int load_test_teardown(void **state);

#define LOAD_TEST(test) cmocka_unit_test_setup_teardown(test, load_test_setup, load_test_teardown)

void load_test_add_module(struct load_test *test, u64 size, const char *text);

/* Loads into new memory; the return value of image_load(). */
int load_test_run(struct load_test *test);

/* Loads; fails the test unless it succeeds, or unless it is refused with a reason that contains `reason`. */
void load_test_accept(struct load_test *test);
void load_test_refuse(struct load_test *test, const char *reason);

/* Guest memory after a load; fails the test where there is none. */
const void *load_test_at(const struct load_test *test, u64 gpa, u64 size);
u16 load_test_u16(const struct load_test *test, u64 gpa);
u32 load_test_u32(const struct load_test *test, u64 gpa);
u64 load_test_u64(const struct load_test *test, u64 gpa);

/* Little-endian fields of the image. */
void put16(u8 *to, u16 value);
void put32(u8 *to, u32 value);
void put64(u8 *to, u64 value);

/* An ELF header without segments; then segments, each with its bytes at `offset` in the file. image and size grow. */
void elf_begin(struct load_test *test, bool is_64, u64 entry);
struct elf_segment {
    u64 offset, vaddr, paddr, filesz, memsz;
};
void elf_add_segment(struct load_test *test, const struct elf_segment *segment);

/* A header with magic, flags and checksum. */
void multiboot_header(struct load_test *test, u64 offset, u32 flags);
void multiboot_addresses(struct load_test *test, u64 offset, u32 header_addr, u32 load_addr, u32 load_end_addr,
                         u32 bss_end_addr, u32 entry_addr);

/* A bzImage with one setup sector and `code_size` bytes of code, 64-bit and relocatable to 16 MiB, protocol 2.15. */
void linux_image(struct load_test *test, u64 code_size);

#endif
