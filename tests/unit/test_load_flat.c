/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/load_support.h"

static void configure(struct load_test *test, u32 start, u64 load, u64 entry)
{
    test->conf.format = IMAGE_FLAT;
    test->conf.start = start;
    test->conf.load = load;
    test->conf.entry = entry;
}

static void check_image(const struct load_test *test)
{
    assert_memory_equal(load_test_at(test, test->conf.load, test->size), test->image, test->size);
}

static void check_real(struct load_test *test, u64 load, u64 entry, u16 cs, u16 ip, u16 sp)
{
    const struct guest_start *start = &test->result.start;

    configure(test, FLAT_REAL, load, entry);
    load_test_accept(test);
    check_image(test);
    /* nothing else but the ACPI tables, whose place the image may have */
    assert_int_equal(fake_vm_memory_written(test->memory, 0, 0xe0000), load < 0xe0000 ? test->size : 0);
    assert_int_equal(fake_vm_memory_written(test->memory, 0x100000, UINT64_MAX), 0);
    assert_int_equal(start->mode, START_REAL);
    assert_int_equal(start->cs, cs);
    assert_int_equal(start->rip, ip);
    assert_int_equal(start->ds, 0);
    assert_int_equal(start->rsp, sp);
    assert_int_equal(start->gdt_limit, 0);
    assert_int_equal(start->cr3, 0);
}

static void real_mode_starts_in_the_entrys_segment(void **state)
{
    struct load_test *test = *state;

    check_real(test, 0x7c00, 0x7c00, 0, 0x7c00, 0x7c00);
    check_real(test, 0x7c05, 0x7c06, 0, 0x7c06, 0x7c00);
    check_real(test, 0x12340, 0x12345, 0x1000, 0x2345, 0xfff0);
    check_real(test, 0x100000 - test->size, 0xffff0, 0xf000, 0xfff0, 0xfff0); /* a ROM with its reset vector */
    check_real(test, 0, 0x10, 0, 0x10, 0xfff0);                               /* nothing free below */
    check_real(test, 0x1fff, 0x2000, 0, 0x2000, 0xfff0);                      /* too little free below */
    check_real(test, 0x100000 - 0x10, 0x100000 - 1, 0xf000, 0xffff, 0xfff0);  /* crosses 1 MiB */
    configure(test, FLAT_REAL, 0x100000 - 0x10, 0x100000);
    load_test_refuse(test, "entry 0x100000 cannot be reached in real mode, only what lies below 0x100000");
}

static void check_gdt(const struct load_test *test, u64 code)
{
    const struct guest_start *start = &test->result.start;

    assert_int_equal(start->cs, 0x10);
    assert_int_equal(start->ds, 0x18);
    assert_int_equal(start->gdt_limit, 31);
    assert_int_equal(load_test_u64(test, start->gdt_base), 0);
    assert_int_equal(load_test_u64(test, start->gdt_base + 8), 0x00cf9b000000ffff);
    assert_int_equal(load_test_u64(test, start->gdt_base + 16), code);
    assert_int_equal(load_test_u64(test, start->gdt_base + 24), 0x00cf93000000ffff);
}

static void protected_mode_has_a_gdt_and_a_stack(void **state)
{
    struct load_test *test = *state;
    const struct guest_start *start = &test->result.start;

    configure(test, FLAT_32, 0x100000, 0x100004);
    load_test_accept(test);
    check_image(test);
    check_gdt(test, 0x00cf9b000000ffff);
    assert_int_equal(start->mode, START_FLAT32);
    assert_int_equal(start->rip, 0x100004);
    assert_int_equal(start->rsp, 0x9fc00); /* the highest free place below the image */
    assert_int_equal(start->gdt_base, 0x8ffe0);
    assert_int_equal(start->cr3, 0);
    assert_int_equal(fake_vm_memory_written(test->memory, 0, 0xe0000), 32);
    assert_int_equal(fake_vm_memory_written(test->memory, 0x100000, UINT64_MAX), test->size);
}

static void check_identity_map(const struct load_test *test)
{
    u64 cr3 = test->result.start.cr3;

    assert_int_equal(cr3 % 0x1000, 0);
    assert_int_equal(load_test_u64(test, cr3), (cr3 + 0x1000) | 3);
    for (u64 i = 1; i < 512; i++)
        assert_int_equal(load_test_u64(test, cr3 + i * 8), 0);
    for (u64 i = 0; i < 512; i++)
        assert_int_equal(load_test_u64(test, cr3 + 0x1000 + i * 8), i < 4 ? (cr3 + 0x2000 + i * 0x1000) | 3 : 0);
    for (u64 i = 0; i < 2048; i++)
        assert_int_equal(load_test_u64(test, cr3 + 0x2000 + i * 8), (i << 21) | 0x83);
}

static void long_mode_has_identity_page_tables(void **state)
{
    struct load_test *test = *state;
    const struct guest_start *start = &test->result.start;

    configure(test, FLAT_64, 0x200000, 0x200000);
    load_test_accept(test);
    check_image(test);
    check_gdt(test, 0x00af9b000000ffff);
    check_identity_map(test);
    assert_int_equal(start->mode, START_LONG64);
    assert_int_equal(start->rip, 0x200000);
    assert_int_equal(start->rsp, 0x200000);
    assert_int_equal(start->cr3, 0x89000);

    configure(test, FLAT_64, 0x8a000, 0x8a000); /* lies where the tables usually are, its stack too */
    load_test_accept(test);
    check_image(test);
    check_identity_map(test);
    assert_int_equal(start->cr3, 0x83000);

    test->size = 0x10000;
    test->memory_size = 5 * GIB;
    configure(test, FLAT_64, 4 * GIB - 3 * GIB, GIB);
    load_test_accept(test);
    check_identity_map(test);
}

static void structures_take_what_is_free(void **state)
{
    struct load_test *test = *state;
    const struct guest_start *start = &test->result.start;

    /* 0x2000..0x3000 is the stack, the image ends at 0x13000, and the tables need six pages. */
    test->memory_size = 0x14000;
    test->size = 0x10000;
    configure(test, FLAT_64, 0x3000, 0x3000);
    load_test_refuse(test, "no room for the page tables (24 KiB) in the guest's 80 KiB of memory");
    test->memory_size = 0x1a000;
    load_test_accept(test);
    check_identity_map(test);
    assert_int_equal(start->cr3, 0x13000);
    assert_int_equal(start->rsp, 0x3000);
    assert_int_equal(start->gdt_base, 0x19fe0);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct load_test *test = *state;

    configure(test, FLAT_32, 0x3ff000, 0x3ff000);
    test->size = 0x1001;
    load_test_refuse(test, "the image lies at 0x3ff000..0x400001, beyond the guest's 4 MiB of memory");
    test->size = 0x1000;
    load_test_accept(test);
    check_image(test);

    configure(test, FLAT_32, 0x200000, 0x201000);
    load_test_refuse(test, "entry 0x201000 lies outside the image, which is at 0x200000..0x201000");
    test->conf.entry = 0x1fffff;
    load_test_refuse(test, "entry 0x1fffff lies outside the image");

    test->memory_size = 5 * GIB;
    configure(test, FLAT_64, 4 * GIB, 4 * GIB);
    load_test_refuse(test, "entry 0x100000000 cannot be reached at the start, only what lies below 0x100000000");

    test->memory_size = 8 * KIB;
    configure(test, FLAT_REAL, 0x800, 0x800);
    load_test_refuse(test, "no room for a stack (4 KiB) in the guest's 8 KiB of memory");
    test->size = 0x800;
    load_test_accept(test);
    assert_int_equal(test->result.start.rsp, 0x2000);

    test->memory_size = 12 * KIB;
    test->size = 0x2000;
    configure(test, FLAT_32, 0, 0);
    load_test_refuse(test, "no room for the GDT (1 KiB)");

    load_test_add_module(test, 10, "module");
    load_test_refuse(test, "a flat image takes no modules");
}

static int setup(void **state)
{
    struct load_test *test = load_test_create(4 * MIB);

    test->size = 1000;
    for (unsigned i = 0; i < sizeof(test->image); i++)
        test->image[i] = (u8)(i * 7 + 1);
    *state = test;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_mode_starts_in_the_entrys_segment, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(protected_mode_has_a_gdt_and_a_stack, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(long_mode_has_identity_page_tables, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(structures_take_what_is_free, setup, load_test_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, setup, load_test_teardown),
    };

    return cmocka_run_group_tests_name("load_flat", tests, NULL, NULL);
}
