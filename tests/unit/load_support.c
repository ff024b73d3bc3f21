/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/load_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct load_test *load_test_create(u64 memory_size)
{
    struct load_test *test = calloc(1, sizeof(*test));

    assert_non_null(test);
    test->memory_size = memory_size;
    test->conf.processors = 1;
    strcpy(test->conf.image, "\\slat\\guests\\kernel.bin");
    return test;
}

static void load_test_destroy(struct load_test *test)
{
    if (test->memory)
        fake_vm_memory_destroy(test->memory);
    free(test);
}

int load_test_setup(void **state)
{
    *state = load_test_create(4 * MIB);
    return 0;
}

int load_test_teardown(void **state)
{
    load_test_destroy(*state);
    return 0;
}

void load_test_add_module(struct load_test *test, u64 size, const char *text)
{
    unsigned i = test->conf.module_count++;

    test->module_size[i] = size;
    strcpy(test->conf.modules[i].text, text);
}

static u8 *copy(const u8 *from, u64 size)
{
    u8 *to = malloc(size ? size : 1);

    assert_non_null(to);
    memcpy(to, from, size);
    return to;
}

int load_test_run(struct load_test *test)
{
    struct load_request request = { .memory_size = test->memory_size, .conf = &test->conf };
    u8 *image = copy(test->image, test->size), *modules[CONF_MAX_MODULES] = { 0 };
    u64 rom_size;
    int error;

    if (test->memory)
        fake_vm_memory_destroy(test->memory);
    test->memory = fake_vm_memory_create(test->memory_size);
    test->conf.memory = test->memory_size;
    request.memory = test->memory;
    request.image = (struct image){ image, test->size };
    rom_size = image_rom_size(&test->conf, &request.image);
    if (rom_size)
        fake_vm_memory_add_rom(test->memory, rom_size);
    for (unsigned i = 0; i < test->conf.module_count; i++) {
        modules[i] = malloc(test->module_size[i]);
        assert_non_null(modules[i]);
        memset(modules[i], 0xa1 + (int)i, test->module_size[i]);
        request.modules[i] = (struct image){ modules[i], test->module_size[i] };
    }
    memset(&test->result, 0xee, sizeof(test->result));
    error = image_load(&request, &test->result);
    for (unsigned i = 0; i < CONF_MAX_MODULES; i++)
        free(modules[i]);
    free(image);
    return error;
}

void load_test_accept(struct load_test *test)
{
    int error = load_test_run(test);

    if (error)
        fail_msg("refused: %s", test->result.error);
    assert_string_equal(test->result.error, "");
}

void load_test_refuse(struct load_test *test, const char *reason)
{
    static const struct guest_start none;

    assert_int_equal(load_test_run(test), -EINVAL);
    if (!strstr(test->result.error, reason))
        fail_msg("refused with \"%s\", not with \"%s\"", test->result.error, reason);
    assert_memory_equal(&test->result.start, &none, sizeof(none));
}

const void *load_test_at(const struct load_test *test, u64 gpa, u64 size)
{
    const u8 *at = fake_vm_memory_at(test->memory, gpa, size);

    if (!at)
        fail_msg("%#lx, %#lx bytes, is outside the guest's memory", gpa, size);
    return at;
}

u16 load_test_u16(const struct load_test *test, u64 gpa)
{
    u16 value;

    memcpy(&value, load_test_at(test, gpa, sizeof(value)), sizeof(value));
    return value;
}

u32 load_test_u32(const struct load_test *test, u64 gpa)
{
    u32 value;

    memcpy(&value, load_test_at(test, gpa, sizeof(value)), sizeof(value));
    return value;
}

u64 load_test_u64(const struct load_test *test, u64 gpa)
{
    u64 value;

    memcpy(&value, load_test_at(test, gpa, sizeof(value)), sizeof(value));
    return value;
}

void put16(u8 *to, u16 value)
{
    memcpy(to, &value, sizeof(value));
}

void put32(u8 *to, u32 value)
{
    memcpy(to, &value, sizeof(value));
}

void put64(u8 *to, u64 value)
{
    memcpy(to, &value, sizeof(value));
}

/* Bytes 0x10, 0x11, … so that a shifted copy is seen. */
static void fill(struct load_test *test, u64 from, u64 to)
{
    assert_true(to <= LOAD_TEST_IMAGE_MAX);
    for (u64 i = from; i < to; i++)
        test->image[i] = (u8)(0x10 + i % 199);
    if (to > test->size)
        test->size = to;
}

void elf_begin(struct load_test *test, bool is_64, u64 entry)
{
    u8 *h = test->image;

    memcpy(h, "\177ELF", 4);
    h[4] = is_64 ? 2 : 1;
    h[5] = 1;
    h[6] = 1;
    put16(h + 16, 2);              /* ET_EXEC */
    put16(h + 18, is_64 ? 62 : 3); /* machine */
    put32(h + 20, 1);
    if (is_64) {
        put64(h + 24, entry);
        put64(h + 32, 64); /* phoff */
        put16(h + 54, 56); /* phentsize */
        test->size = 64;
    } else {
        put32(h + 24, (u32)entry);
        put32(h + 28, 52);
        put16(h + 42, 32);
        test->size = 52;
    }
}

void elf_add_segment(struct load_test *test, const struct elf_segment *segment)
{
    bool is_64 = test->image[4] == 2;
    u8 *count = test->image + (is_64 ? 56 : 44);
    u64 header_end = is_64 ? 64 + 56ull * (*count + 1u) : 52 + 32ull * (*count + 1u);
    u8 *p = test->image + header_end - (is_64 ? 56 : 32);

    put16(count, (u16)(*count + 1u));
    put32(p, 1); /* PT_LOAD */
    if (is_64) {
        put64(p + 8, segment->offset);
        put64(p + 16, segment->vaddr);
        put64(p + 24, segment->paddr);
        put64(p + 32, segment->filesz);
        put64(p + 40, segment->memsz);
    } else {
        put32(p + 4, (u32)segment->offset);
        put32(p + 8, (u32)segment->vaddr);
        put32(p + 12, (u32)segment->paddr);
        put32(p + 16, (u32)segment->filesz);
        put32(p + 20, (u32)segment->memsz);
    }
    if (header_end > test->size)
        test->size = header_end;
    if (segment->offset + segment->filesz <= LOAD_TEST_IMAGE_MAX)
        fill(test, segment->offset, segment->offset + segment->filesz);
}

void multiboot_header(struct load_test *test, u64 offset, u32 flags)
{
    put32(test->image + offset, 0x1badb002);
    put32(test->image + offset + 4, flags);
    put32(test->image + offset + 8, -(0x1badb002 + flags));
    if (offset + 12 > test->size)
        test->size = offset + 12;
}

void multiboot_addresses(struct load_test *test, u64 offset, u32 header_addr, u32 load_addr, u32 load_end_addr,
                         u32 bss_end_addr, u32 entry_addr)
{
    u8 *h = test->image + offset + 12;

    put32(h, header_addr);
    put32(h + 4, load_addr);
    put32(h + 8, load_end_addr);
    put32(h + 12, bss_end_addr);
    put32(h + 16, entry_addr);
    if (offset + 32 > test->size)
        test->size = offset + 32;
}

void linux_image(struct load_test *test, u64 code_size)
{
    u8 *h = test->image;

    fill(test, 0, 1024 + code_size);
    memset(h + 0x1f1, 0, 0x26c - 0x1f1);
    h[0x1f1] = 1;                                   /* setup_sects */
    put32(h + 0x1f4, (u32)((code_size + 15) / 16)); /* syssize */
    put16(h + 0x1fe, 0xaa55);
    h[0x200] = 0xeb;
    h[0x201] = 0x26c - 0x202;
    memcpy(h + 0x202, "HdrS", 4);
    put16(h + 0x206, 0x020f);
    h[0x211] = 1;                 /* LOADED_HIGH */
    put32(h + 0x214, 0x100000);   /* code32_start */
    put32(h + 0x22c, 0x7fffffff); /* initrd_addr_max */
    put32(h + 0x230, 0x200000);   /* kernel_alignment */
    h[0x234] = 1;                 /* relocatable */
    put16(h + 0x236, 1);          /* XLF_KERNEL_64 */
    put32(h + 0x238, 200);        /* cmdline_size */
    put64(h + 0x258, 16 * MIB);   /* pref_address */
    put32(h + 0x260, 4 * MIB);    /* init_size */
}
