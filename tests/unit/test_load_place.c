/* SPDX-License-Identifier: BSD-2-Clause */
/* What all formats share: the memory map, claims, the search for free places, the choice of the format, running out. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hv/load/guest_memory_map.h"
#include "hv/load/loader.h"
#include "hv/load/long_mode.h"
#include "tests/unit/load_support.h"

static void check_map(u64 size, const struct guest_map_entry *expected, unsigned count)
{
    struct guest_map_entry map[GUEST_MAP_MAX];

    memset(map, 0, sizeof(map));
    assert_int_equal(guest_memory_map(size, map), count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(map[i].base, expected[i].base);
        assert_int_equal(map[i].size, expected[i].size);
        assert_int_equal(map[i].type, expected[i].type);
    }
}

static void memory_map_describes_every_size(void **state)
{
    const struct guest_map_entry tiny[] = { { 0, 4 * KIB, 1 } };
    const struct guest_map_entry low[] = { { 0, 0x9f000, 1 } };
    const struct guest_map_entry cut[] = { { 0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 } };
    const struct guest_map_entry one[] = { { 0, 0x9fc00, 1 }, { 0x9fc00, 0x60400, 2 } };
    const struct guest_map_entry four[] = { { 0, 0x9fc00, 1 }, { 0x9fc00, 0x60400, 2 }, { 0x100000, 3 * MIB, 1 } };
    const struct guest_map_entry full[] = {
        { 0, 0x9fc00, 1 },
        { 0x9fc00, 0x60400, 2 },
        { 0x100000, 0xbff00000, 1 },
    };
    const struct guest_map_entry more[] = {
        { 0, 0x9fc00, 1 },
        { 0x9fc00, 0x60400, 2 },
        { 0x100000, 0xbff00000, 1 },
        { 4 * GIB, 2 * GIB, 1 },
    };

    check_map(4 * KIB, tiny, 1);
    check_map(0x9f000, low, 1);
    check_map(0xa0000, cut, 2);
    check_map(MIB, one, 2);
    check_map(4 * MIB, four, 3);
    check_map(3 * GIB, full, 3);
    check_map(5 * GIB, more, 4);
}

/* A loader without memory: claims and searches write nothing. */
struct bare {
    struct load_request request;
    struct load_result result;
    struct loader loader;
};

static void bare_init(struct bare *bare, u64 memory_size)
{
    memset(bare, 0, sizeof(*bare));
    bare->request.memory_size = memory_size;
    bare->loader.request = &bare->request;
    bare->loader.result = &bare->result;
}

static void refuse_claim(struct bare *bare, u64 base, u64 size, const char *reason)
{
    unsigned count = bare->loader.claim_count;

    assert_int_equal(loader_claim(&bare->loader, base, size, "segment", 2), -EINVAL);
    assert_string_equal(bare->result.error, reason);
    assert_int_equal(bare->loader.claim_count, count);
}

static void claims_lie_inside_memory(void **state)
{
    struct bare bare;

    bare_init(&bare, 4 * MIB);
    assert_int_equal(loader_claim(&bare.loader, 0x9f000, 0x62000, "segment", 1), 0); /* across the reserved area */
    assert_int_equal(loader_claim(&bare.loader, 4 * MIB - 1, 1, "segment", 1), 0);
    refuse_claim(&bare, 0x3ff000, 0x500000, "segment 2 lies at 0x3ff000..0x8ff000, beyond the guest's 4 MiB of memory");
    refuse_claim(&bare, 4 * MIB, 1, "segment 2 lies at 0x400000..0x400001, beyond the guest's 4 MiB of memory");
    refuse_claim(&bare, 4 * GIB, 1, "segment 2 lies at 0x100000000..0x100000001, beyond the guest's 4 MiB of memory");
    refuse_claim(&bare, UINT64_MAX, 2,
                 "segment 2 at 0xffffffffffffffff has 0x2 bytes, which go beyond the end of the address space");

    bare_init(&bare, 68 * KIB);
    refuse_claim(&bare, 68 * KIB, 1, "segment 2 lies at 0x11000..0x11001, beyond the guest's 68 KiB of memory");

    bare_init(&bare, 3 * GIB);
    refuse_claim(&bare, 3 * GIB, 1, "segment 2 lies at 0xc0000000..0xc0000001, beyond the guest's 3072 MiB of memory");

    bare_init(&bare, 4 * GIB);
    assert_int_equal(loader_claim(&bare.loader, 3 * GIB - 1, 1, "segment", 1), 0);
    assert_int_equal(loader_claim(&bare.loader, 4 * GIB, GIB, "segment", 1), 0);
    refuse_claim(&bare, 3 * GIB - 1, 2,
                 "segment 2 lies at 0xbfffffff..0xc0000001; the guest's memory is 0..0xc0000000 and "
                 "0x100000000..0x140000000");
    refuse_claim(&bare, 4 * GIB - 1, 2,
                 "segment 2 lies at 0xffffffff..0x100000001; the guest's memory is 0..0xc0000000 and "
                 "0x100000000..0x140000000");
    refuse_claim(&bare, 5 * GIB, 1,
                 "segment 2 lies at 0x140000000..0x140000001; the guest's memory is 0..0xc0000000 and "
                 "0x100000000..0x140000000");
}

static void claims_do_not_overlap(void **state)
{
    struct bare bare;

    bare_init(&bare, 4 * MIB);
    assert_int_equal(loader_claim(&bare.loader, 0x2000, 0x1000, "the image", LOADER_NO_NUMBER), 0);
    assert_int_equal(loader_claim(&bare.loader, 0x1fff, 1, "segment", 0), 0);
    assert_int_equal(loader_claim(&bare.loader, 0x3000, 1, "segment", 1), 0);
    refuse_claim(&bare, 0x2fff, 1, "segment 2 at 0x2fff..0x3000 overlaps the image at 0x2000..0x3000");
    refuse_claim(&bare, 0x2000, 1, "segment 2 at 0x2000..0x2001 overlaps the image at 0x2000..0x3000");
    refuse_claim(&bare, 0x1000, 0x3000, "segment 2 at 0x1000..0x4000 overlaps the image at 0x2000..0x3000");
    refuse_claim(&bare, 0x3000, 0x1000, "segment 2 at 0x3000..0x4000 overlaps segment 1 at 0x3000..0x3001");
}

static void search_finds_free_usable_memory(void **state)
{
    struct bare bare;
    u64 base = 1;

    bare_init(&bare, 4 * MIB);
    assert_true(loader_find_up(&bare.loader, 0, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x1000); /* never page 0 */
    assert_true(loader_find_up(&bare.loader, 0x9f000, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x100000); /* 0x9f000..0xa0000 is half reserved */
    assert_true(loader_find_up(&bare.loader, 0x3fe001, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x3ff000);
    assert_false(loader_find_up(&bare.loader, 0x3ff001, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x3ff000); /* untouched */
    assert_false(loader_find_up(&bare.loader, 5 * GIB, 0x1000, 0x1000, &base));
    assert_false(loader_find_up(&bare.loader, 0, UINT64_MAX, 1, &base));

    assert_true(loader_find_down(&bare.loader, UINT64_MAX, 0x1001, 0x1000, &base));
    assert_int_equal(base, 0x3fe000);
    assert_true(loader_find_down(&bare.loader, 0x100fff, 0x1000, 0x10, &base));
    assert_int_equal(base, 0x9ec00); /* the reserved area is skipped */
    assert_true(loader_find_down(&bare.loader, 0x2000, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x1000);
    assert_false(loader_find_down(&bare.loader, 0x1fff, 0x1000, 0x10, &base));
    assert_false(loader_find_down(&bare.loader, UINT64_MAX, UINT64_MAX, 1, &base));

    assert_int_equal(loader_claim(&bare.loader, 0x5800, 0x1000, "a", LOADER_NO_NUMBER), 0);
    assert_int_equal(loader_claim(&bare.loader, 0x7000, 0x1000, "b", LOADER_NO_NUMBER), 0);
    assert_true(loader_find_up(&bare.loader, 0x5000, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x8000);
    assert_true(loader_find_down(&bare.loader, 0x8000, 0x1000, 0x1000, &base));
    assert_int_equal(base, 0x4000);

    bare_init(&bare, 5 * GIB); /* what lies above 4 GiB is never chosen */
    assert_true(loader_find_down(&bare.loader, UINT64_MAX, 0x1000, 0x1000, &base));
    assert_int_equal(base, 3 * GIB - 0x1000);
    assert_false(loader_find_up(&bare.loader, 3 * GIB, 0x1000, 0x1000, &base));
}

static void boot_structures_lie_below_0x90000_or_above_1_mib(void **state)
{
    struct bare bare;
    u64 base;

    bare_init(&bare, 4 * MIB);
    assert_int_equal(boot_structure_place(&bare.loader, 0x800, 0x1000, "the table", &base), 0);
    assert_int_equal(base, 0x8f000);
    refuse_claim(&bare, 0x8f7ff, 1, "segment 2 at 0x8f7ff..0x8f800 overlaps the table at 0x8f000..0x8f800");
    assert_int_equal(loader_claim(&bare.loader, 0x1000, 0x8e000, "the image", LOADER_NO_NUMBER), 0);
    assert_int_equal(boot_structure_place(&bare.loader, 0x800, 0x800, "the table", &base), 0);
    assert_int_equal(base, 0x8f800);
    assert_int_equal(boot_structure_place(&bare.loader, 0x800, 0x800, "the table", &base), 0);
    assert_int_equal(base, 0x100000);
    assert_int_equal(boot_structure_place(&bare.loader, 4 * MIB, 0x800, "the table", &base), -EINVAL);
    assert_string_equal(bare.result.error, "no room for the table (4096 KiB) in the guest's 4096 KiB of memory");
}

/* ---- image_load ---- */

static void the_file_decides_the_format(void **state)
{
    struct load_test *test = *state;

    test->size = 100;
    load_test_accept(test);
    assert_string_equal(test->result.format, "flat");

    elf_begin(test, false, 0x100000);
    load_test_refuse(test, "an ELF file without a Multiboot header");
    assert_null(test->result.format);
    test->conf.format = IMAGE_FLAT;
    load_test_accept(test);
    test->conf.format = IMAGE_AUTO;

    memcpy(test->image, "\x1f\x8b\x08", 3);
    load_test_refuse(test, "compressed with gzip");

    test->image[0] = 0x90; /* one of the two marks is none */
    load_test_accept(test);
    assert_string_equal(test->result.format, "flat");

    linux_image(test, 2000);
    test->memory_size = 64 * MIB;
    load_test_accept(test);
    assert_string_equal(test->result.format, "linux");

    multiboot_header(test, 1100, 0x10000); /* Multiboot goes first */
    multiboot_addresses(test, 1100, 0x200000, 0x200000, 0, 0, 0x200000);
    load_test_accept(test);
    assert_string_equal(test->result.format, "multiboot");

    test->size = 0;
    load_test_refuse(test, "the file is empty");
}

static void empty_modules_are_refused(void **state)
{
    struct load_test *test = *state;

    test->memory_size = 64 * MIB;
    linux_image(test, 2000);
    load_test_add_module(test, 0, "initrd");
    load_test_refuse(test, "module 1 is empty");
    multiboot_header(test, 1100, 0x10000);
    multiboot_addresses(test, 1100, 0x200000, 0x200000, 0, 0, 0x200000);
    test->module_size[0] = 1;
    load_test_accept(test);
    load_test_add_module(test, 0, "second");
    load_test_refuse(test, "module 2 is empty");
}

static void the_configured_format_is_enforced(void **state)
{
    struct load_test *test = *state;

    test->size = 3000;
    test->conf.format = IMAGE_MULTIBOOT;
    load_test_refuse(test, "no Multiboot header in the first 8192 bytes");
    assert_string_equal(test->result.format, "multiboot");
    test->conf.format = IMAGE_LINUX;
    load_test_refuse(test, "no Linux boot header");
    assert_string_equal(test->result.format, "linux");

    linux_image(test, 2000);
    test->conf.format = IMAGE_FLAT;
    load_test_accept(test);
    assert_string_equal(test->result.format, "flat");
}

/* Whichever write fails, the load fails and says that the machine is short of memory, not that the image is bad. */
static void host_memory_runs_out(void **state)
{
    struct guest_conf conf = {
        .format = IMAGE_FLAT, .start = FLAT_64, .load = 0x100000, .entry = 0x100000, .processors = 1
    };
    static const u8 bytes[16];
    static const struct guest_start none;
    unsigned writes = 0;

    for (int error = -ENOMEM; error; writes++) {
        struct vm_memory *memory = fake_vm_memory_create(4 * MIB);
        struct load_request request = { memory, 4 * MIB, &conf, { bytes, sizeof(bytes) }, { { 0 } } };
        struct load_result result;

        fake_vm_memory_fail_at(memory, writes);
        error = image_load(&request, &result);
        if (error) {
            assert_int_equal(error, -ENOMEM);
            assert_non_null(strstr(result.error, "no memory left"));
            assert_memory_equal(&result.start, &none, sizeof(none));
        }
        fake_vm_memory_destroy(memory);
    }
    assert_true(writes > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_map_describes_every_size),
        cmocka_unit_test(claims_lie_inside_memory),
        cmocka_unit_test(claims_do_not_overlap),
        cmocka_unit_test(search_finds_free_usable_memory),
        cmocka_unit_test(boot_structures_lie_below_0x90000_or_above_1_mib),
        LOAD_TEST(the_file_decides_the_format),
        LOAD_TEST(empty_modules_are_refused),
        LOAD_TEST(the_configured_format_is_enforced),
        cmocka_unit_test(host_memory_runs_out),
    };

    return cmocka_run_group_tests_name("load_place", tests, NULL, NULL);
}
