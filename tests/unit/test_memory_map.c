/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/memory_map.c: firmware maps of every kind, and what must hold for all that comes out. */
#include "boot/memory_map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STRIDE = 48, MAX = 64 };

#define PAGE   4096ull
#define MIB    0x100000ull
#define NORMAL 0xfull

struct fixture {
    char bytes[MAX * STRIDE];
    struct uefi_memory_map map;
    struct memory_range own[4];
    size_t own_count;
    struct memory_range ranges[4 * MAX];
    size_t count;
};

static void add_with(struct fixture *f, uint32_t type, uint64_t base, uint64_t pages, uint64_t attribute)
{
    struct uefi_descriptor descriptor = { .type = type, .physical = base, .pages = pages, .attribute = attribute };

    memset(f->bytes + f->map.size, 0xaa, STRIDE);
    memcpy(f->bytes + f->map.size, &descriptor, sizeof descriptor);
    f->map.size += STRIDE;
}

static void add(struct fixture *f, uint32_t type, uint64_t base, uint64_t end)
{
    add_with(f, type, base, (end - base) / PAGE, NORMAL);
}

static void add_own(struct fixture *f, uint32_t type, uint64_t base, uint64_t end)
{
    f->own[f->own_count++] = (struct memory_range){ base, end - base, type, UEFI_LOADER_DATA };
}

static void convert(struct fixture *f)
{
    size_t i;

    f->map.descriptors = f->bytes;
    f->map.stride = STRIDE;
    assert_int_equal(memory_map_convert(&f->map, f->own, f->own_count, f->ranges,
                                        memory_map_capacity(f->map.size / STRIDE, f->own_count), &f->count),
                     0);
    for (i = 0; i < f->count; i++) {
        const struct memory_range *range = &f->ranges[i];

        assert_true(range->size > 0 && range->base % PAGE == 0 && range->size % PAGE == 0);
        assert_true(range->type <= MEMORY_RESERVED);
        assert_true(range->base + range->size <= DIRECT_MAP_SIZE);
        assert_false(range->type == MEMORY_FREE && range->base < MIB);
        if (i > 0)
            assert_true(range[-1].base + range[-1].size <= range->base);
    }
}

static void expect(const struct fixture *f, size_t i, uint64_t base, uint64_t end, uint32_t type)
{
    assert_true(i < f->count);
    assert_int_equal(f->ranges[i].base, base);
    assert_int_equal(f->ranges[i].base + f->ranges[i].size, end);
    assert_int_equal(f->ranges[i].type, type);
}

static void unsorted_becomes_sorted_and_merged(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_BOOT_SERVICES_DATA, 5 * MIB, 6 * MIB);
    add(&f, UEFI_RUNTIME_SERVICES_DATA, 7 * MIB, 8 * MIB);
    add(&f, UEFI_CONVENTIONAL, 1 * MIB, 4 * MIB);
    add(&f, UEFI_LOADER_CODE, 4 * MIB, 5 * MIB);
    add(&f, UEFI_ACPI_NVS, 6 * MIB, 7 * MIB);
    convert(&f);
    assert_int_equal(f.count, 3);
    expect(&f, 0, 1 * MIB, 6 * MIB, MEMORY_FREE);
    expect(&f, 1, 6 * MIB, 7 * MIB, MEMORY_ACPI);
    expect(&f, 2, 7 * MIB, 8 * MIB, MEMORY_FIRMWARE);
}

static void every_type_has_its_place(void **state)
{
    static const uint32_t expected[] = {
        [UEFI_RESERVED] = MEMORY_RESERVED,
        [UEFI_LOADER_CODE] = MEMORY_FREE,
        [UEFI_LOADER_DATA] = MEMORY_FREE,
        [UEFI_BOOT_SERVICES_CODE] = MEMORY_FREE,
        [UEFI_BOOT_SERVICES_DATA] = MEMORY_FREE,
        [UEFI_RUNTIME_SERVICES_CODE] = MEMORY_FIRMWARE,
        [UEFI_RUNTIME_SERVICES_DATA] = MEMORY_FIRMWARE,
        [UEFI_CONVENTIONAL] = MEMORY_FREE,
        [UEFI_UNUSABLE] = MEMORY_RESERVED,
        [UEFI_ACPI_RECLAIM] = MEMORY_ACPI,
        [UEFI_ACPI_NVS] = MEMORY_ACPI,
        [UEFI_MMIO] = MEMORY_MMIO,
        [UEFI_MMIO_PORTS] = MEMORY_MMIO,
        [13] = MEMORY_RESERVED, /* PAL code */
        [14] = MEMORY_RESERVED, /* persistent */
        [15] = MEMORY_RESERVED, /* unaccepted */
    };
    uint32_t type;

    for (type = 0; type < sizeof expected / sizeof *expected; type++) {
        struct fixture f = { 0 };

        add(&f, type, 16 * MIB, 17 * MIB);
        convert(&f);
        assert_int_equal(f.count, 1);
        expect(&f, 0, 16 * MIB, 17 * MIB, expected[type]);
        assert_int_equal(f.ranges[0].uefi_type, type);
        assert_int_equal(memory_range_is_ram(&f.ranges[0]),
                         expected[type] != MEMORY_RESERVED && expected[type] != MEMORY_MMIO);
    }
}

static void types_of_others_are_reserved(void **state)
{
    struct fixture f = { 0 };

    add(&f, 0x70000001, 2 * MIB, 3 * MIB);
    add(&f, 0x80000001, 4 * MIB, 5 * MIB);
    convert(&f);
    expect(&f, 0, 2 * MIB, 3 * MIB, MEMORY_RESERVED);
    expect(&f, 1, 4 * MIB, 5 * MIB, MEMORY_RESERVED);
}

static void attributes_count(void **state)
{
    struct fixture f = { 0 };

    add_with(&f, UEFI_CONVENTIONAL, 1 * MIB, 1, 0);
    add_with(&f, UEFI_CONVENTIONAL, 2 * MIB, 1, NORMAL | UEFI_ATTRIBUTE_SP);
    add_with(&f, UEFI_RESERVED, 3 * MIB, 1, UEFI_ATTRIBUTE_RUNTIME);
    convert(&f);
    expect(&f, 0, 1 * MIB, 1 * MIB + PAGE, MEMORY_RESERVED);
    expect(&f, 1, 2 * MIB, 2 * MIB + PAGE, MEMORY_RESERVED);
    expect(&f, 2, 3 * MIB, 3 * MIB + PAGE, MEMORY_MMIO);
    assert_false(memory_range_is_ram(&f.ranges[0]));
}

static void low_memory_is_never_free(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_CONVENTIONAL, 0, 0xa0000);
    add(&f, UEFI_CONVENTIONAL, 0xf0000, 4 * MIB); /* crosses 1 MiB */
    convert(&f);
    assert_int_equal(f.count, 3);
    expect(&f, 0, 0, 0xa0000, MEMORY_RESERVED);
    expect(&f, 1, 0xf0000, MIB, MEMORY_RESERVED);
    expect(&f, 2, MIB, 4 * MIB, MEMORY_FREE);
    assert_true(memory_range_is_ram(&f.ranges[0]));
    assert_true(memory_range_is_ram(&f.ranges[1]));
}

static void low_reserved_memory_is_no_ram(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_RESERVED, 0xa0000, MIB);
    add_with(&f, UEFI_CONVENTIONAL, 0x80000, 0x20, 0);
    add_with(&f, UEFI_CONVENTIONAL, MIB, 16, 0); /* reserved for want of write-back caching; not merged across 1 MiB */
    convert(&f);
    assert_int_equal(f.count, 3);
    assert_false(memory_range_is_ram(&f.ranges[1]));
    assert_false(memory_range_is_ram(&f.ranges[2]));
}

static void the_stricter_claim_wins(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_RESERVED, 4 * MIB, 5 * MIB);
    add(&f, UEFI_CONVENTIONAL, 1 * MIB, 16 * MIB);
    add(&f, UEFI_ACPI_RECLAIM, 3 * MIB, 6 * MIB);
    convert(&f);
    assert_int_equal(f.count, 5);
    expect(&f, 0, 1 * MIB, 3 * MIB, MEMORY_FREE);
    expect(&f, 1, 3 * MIB, 4 * MIB, MEMORY_ACPI);
    expect(&f, 2, 4 * MIB, 5 * MIB, MEMORY_RESERVED);
    expect(&f, 3, 5 * MIB, 6 * MIB, MEMORY_ACPI);
    expect(&f, 4, 6 * MIB, 16 * MIB, MEMORY_FREE);
}

static void own_ranges_outweigh_all(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_LOADER_DATA, 1 * MIB, 8 * MIB);
    add_own(&f, MEMORY_HYPERVISOR, 2 * MIB, 3 * MIB);
    add_own(&f, MEMORY_BOOT_DATA, 3 * MIB, 4 * MIB);
    add_own(&f, MEMORY_BOOT_DATA, 4 * MIB, 5 * MIB);
    add_own(&f, MEMORY_HYPERVISOR, 6 * MIB, 6 * MIB); /* cut to nothing */
    convert(&f);
    assert_int_equal(f.count, 4);
    expect(&f, 0, 1 * MIB, 2 * MIB, MEMORY_FREE);
    expect(&f, 1, 2 * MIB, 3 * MIB, MEMORY_HYPERVISOR);
    expect(&f, 2, 3 * MIB, 5 * MIB, MEMORY_BOOT_DATA);
    expect(&f, 3, 5 * MIB, 8 * MIB, MEMORY_FREE);
}

static void nonsense_is_contained(void **state)
{
    struct fixture f = { 0 };

    add_with(&f, UEFI_CONVENTIONAL, 2 * MIB, 0, NORMAL);                        /* empty */
    add_with(&f, UEFI_CONVENTIONAL, 4 * MIB, UINT64_MAX, NORMAL);               /* endless */
    add_with(&f, UEFI_CONVENTIONAL, UINT64_MAX - 4095, UINT64_MAX / 2, NORMAL); /* out of reach, and wraps */
    add_with(&f, UEFI_RESERVED, DIRECT_MAP_SIZE - PAGE, 1ull << 52, NORMAL);    /* only its start is in reach */
    add_with(&f, UEFI_CONVENTIONAL, 3 * MIB + 0x234, 1, NORMAL);                /* not aligned */
    add_with(&f, UEFI_CONVENTIONAL, 3 * MIB / 2 + 0x234, UINT64_MAX, NORMAL);   /* not aligned, and endless */
    convert(&f);
    assert_int_equal(f.count, 2);
    expect(&f, 0, 3 * MIB / 2, DIRECT_MAP_SIZE - PAGE, MEMORY_RESERVED);
    expect(&f, 1, DIRECT_MAP_SIZE - PAGE, DIRECT_MAP_SIZE, MEMORY_RESERVED);
}

static void an_unaligned_descriptor_covers_both_pages(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_CONVENTIONAL, 2 * MIB, 4 * MIB);
    add_with(&f, UEFI_ACPI_NVS, 3 * MIB + 0x234, 1, NORMAL);
    convert(&f);
    expect(&f, 1, 3 * MIB, 3 * MIB + 2 * PAGE, MEMORY_ACPI);
}

static void an_incomplete_last_descriptor_is_left_out(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_CONVENTIONAL, 1 * MIB, 2 * MIB);
    add(&f, UEFI_CONVENTIONAL, 4 * MIB, 5 * MIB);
    f.map.size -= STRIDE - 39;
    f.map.descriptors = f.bytes;
    convert(&f);
    assert_int_equal(f.count, 1);
}

static void errors_are_told(void **state)
{
    struct fixture f = { 0 };

    add(&f, UEFI_CONVENTIONAL, 1 * MIB, 2 * MIB);
    add(&f, UEFI_ACPI_NVS, 2 * MIB, 3 * MIB);
    f.map.descriptors = f.bytes;
    f.map.stride = STRIDE;
    f.count = 77;
    assert_int_equal(memory_map_convert(&f.map, NULL, 0, f.ranges, 1, &f.count), -ENOSPC);
    f.map.stride = 39;
    assert_int_equal(memory_map_convert(&f.map, NULL, 0, f.ranges, MAX, &f.count), -EINVAL);
    assert_int_equal(f.count, 77);
}

static void an_empty_map_gives_nothing(void **state)
{
    struct fixture f = { 0 };

    convert(&f);
    assert_int_equal(f.count, 0);
}

/* The type of one page as the descriptors say it, without any of the code under test. */
static int model_type(const struct fixture *f, uint64_t page)
{
    static const int rank_to_type[] = { MEMORY_FREE, MEMORY_ACPI, MEMORY_FIRMWARE, MEMORY_MMIO, MEMORY_RESERVED };
    static const int type_to_rank[] = { 4, 0, 0, 0, 0, 2, 2, 0, 4, 1, 1, 3, 3 };
    int rank = -1;
    size_t i;

    for (i = 0; i < f->own_count; i++)
        if (page >= f->own[i].base && page < f->own[i].base + f->own[i].size)
            return f->own[i].type;
    for (i = 0; i < f->map.size; i += STRIDE) {
        struct uefi_descriptor d;

        memcpy(&d, f->bytes + i, sizeof d);
        if (page >= d.physical && page < d.physical + d.pages * PAGE && type_to_rank[d.type] > rank)
            rank = type_to_rank[d.type];
    }
    if (rank == 0 && page < MIB)
        return MEMORY_RESERVED;
    return rank < 0 ? -1 : rank_to_type[rank];
}

static void random_maps_agree_with_a_page_by_page_model(void **state)
{
    unsigned round;

    srand(1);
    for (round = 0; round < 500; round++) {
        struct fixture f = { 0 };
        unsigned descriptors = (unsigned)rand() % 20, i;
        uint64_t page, own_base = (240 + (unsigned)rand() % 100) * PAGE;
        size_t at = 0;

        for (i = 0; i < descriptors; i++)
            add_with(&f, (unsigned)rand() % 13, (200 + (unsigned)rand() % 200) * PAGE, (unsigned)rand() % 60, NORMAL);
        if (rand() % 2)
            add_own(&f, MEMORY_HYPERVISOR, own_base, own_base + 10 * PAGE);
        convert(&f);
        for (page = 0; page < 500 * PAGE; page += PAGE) {
            int type = -1;

            while (at < f.count && f.ranges[at].base + f.ranges[at].size <= page)
                at++;
            if (at < f.count && f.ranges[at].base <= page)
                type = (int)f.ranges[at].type;
            assert_int_equal(type, model_type(&f, page));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsorted_becomes_sorted_and_merged),
        cmocka_unit_test(every_type_has_its_place),
        cmocka_unit_test(types_of_others_are_reserved),
        cmocka_unit_test(attributes_count),
        cmocka_unit_test(low_memory_is_never_free),
        cmocka_unit_test(low_reserved_memory_is_no_ram),
        cmocka_unit_test(the_stricter_claim_wins),
        cmocka_unit_test(own_ranges_outweigh_all),
        cmocka_unit_test(nonsense_is_contained),
        cmocka_unit_test(an_unaligned_descriptor_covers_both_pages),
        cmocka_unit_test(an_incomplete_last_descriptor_is_left_out),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(an_empty_map_gives_nothing),
        cmocka_unit_test(random_maps_agree_with_a_page_by_page_model),
    };

    return cmocka_run_group_tests_name("memory_map", tests, NULL, NULL);
}
