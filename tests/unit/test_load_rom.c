/* SPDX-License-Identifier: BSD-2-Clause */
/* ROMs that start at the reset vector. The guest has 4 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

static void configure(struct load_test *test, u64 size)
{
    test->conf.start = FLAT_RESET;
    test->size = size;
    for (u64 i = 0; i < size; i++)
        test->image[i] = (u8)(i * 7 + (i >> 8) + 1);
}

static void check_rom(struct load_test *test, u64 size, u64 shadow)
{
    const struct guest_start expected = { .mode = START_RESET, .cs = 0xf000, .rip = 0xfff0 };

    configure(test, size);
    load_test_accept(test);
    assert_string_equal(test->result.format, "flat");
    assert_memory_equal(&test->result.start, &expected, sizeof(expected));
    assert_memory_equal(load_test_at(test, 4 * GIB - size, size), test->image, size);
    assert_memory_equal(load_test_at(test, MIB - shadow, shadow), test->image + size - shadow, shadow);
    assert_int_equal(fake_vm_memory_written(test->memory, 0, UINT64_MAX), size + shadow); /* nothing else */
}

static void rom_ends_at_4_gib_and_is_copied_below_1_mib(void **state)
{
    struct load_test *test = *state;

    check_rom(test, 0x10000, 0x10000);
    check_rom(test, 0x20000, 0x20000);
    check_rom(test, 0x2fff0, 0x20000);
    check_rom(test, 0x7001, 0x7001);
    check_rom(test, 16, 16);
    test->memory_size = 6 * GIB;
    check_rom(test, 0x30000, 0x20000);
    test->memory_size = MIB;
    check_rom(test, 0x20000, 0x20000);
}

/* A ROM may begin with anything. */
static void format_is_not_looked_for(void **state)
{
    struct load_test *test = *state;

    configure(test, 0x10000);
    memcpy(test->image, "\177ELF", 4);
    multiboot_header(test, 0x100, 0);
    load_test_accept(test);
    test->conf.format = IMAGE_FLAT;
    load_test_accept(test);
}

static void memory_is_asked_for_in_64_kib(void **state)
{
    struct guest_conf conf = { .start = FLAT_RESET };

    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 15 }), 0);
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 16 }), 0x10000);
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 0x10000 }), 0x10000);
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 0x10001 }), 0x20000);
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 8 * MIB }), 8 * MIB);
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 8 * MIB + 1 }), 0);
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, UINT64_MAX }), 0);
    conf.start = FLAT_REAL;
    assert_int_equal(image_rom_size(&conf, &(struct image){ NULL, 0x10000 }), 0);
}

static void what_cannot_be_a_rom_is_refused(void **state)
{
    struct load_test *test = *state;
    struct load_request request = { .memory_size = 4 * MIB, .conf = &test->conf };
    struct load_result result;
    u8 *large = calloc(8 * MIB + 1, 1);

    assert_non_null(large);
    configure(test, 15);
    load_test_refuse(test, "a ROM has 16 bytes to 8 MiB, this one has 15 bytes");
    request.image = (struct image){ large, 8 * MIB + 1 };
    assert_int_equal(image_load(&request, &result), -EINVAL);
    assert_string_equal(result.error, "a ROM has 16 bytes to 8 MiB, this one has 8388609 bytes");
    free(large);

    configure(test, 0x10000);
    test->memory_size = MIB - 4 * KIB;
    load_test_refuse(test, "the ROM's copy lies at 0xf0000..0x100000, beyond the guest's 1020 KiB of memory");
    test->memory_size = MIB;
    load_test_add_module(test, 10, "module");
    load_test_refuse(test, "a flat image takes no modules");
}

/* Other images cannot reach there, whatever addresses they have. */
static void other_images_have_no_rom(void **state)
{
    struct load_test *test = *state;

    test->size = 16;
    test->conf.start = FLAT_64;
    test->conf.load = test->conf.entry = 4 * GIB - 0x10000;
    load_test_refuse(test, "the image lies at 0xffff0000..0xffff0010, beyond the guest's 4 MiB of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOAD_TEST(rom_ends_at_4_gib_and_is_copied_below_1_mib),
        LOAD_TEST(format_is_not_looked_for),
        LOAD_TEST(memory_is_asked_for_in_64_kib),
        LOAD_TEST(what_cannot_be_a_rom_is_refused),
        LOAD_TEST(other_images_have_no_rom),
    };

    return cmocka_run_group_tests_name("load_rom", tests, NULL, NULL);
}
