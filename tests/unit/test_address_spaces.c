/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot/address_spaces.c and boot/page_tables.c: builds both sets of tables, then walks every entry, as a processor would,
 * and holds each page against what boot/handoff.h promises. Tables lie at host addresses, which serve as physical ones.
 */
#include "boot/address_spaces.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/memory_map.h"

#define MIB 0x100000ull
#define GIB 0x40000000ull

enum { POOL_PAGES = 512 };

struct fixture {
    struct memory_range ranges[16];
    struct hypervisor_layout layout;
    struct address_spaces spaces;
    struct table_pool pool;
    uint64_t pool_base;
    uint64_t mapped_ram, mapped_image, mapped_switch, mapped_mmio; /* bytes, by the walk */
    uint64_t pages[4];                                             /* by level */
};

static void add(struct fixture *f, uint64_t base, uint64_t end, uint32_t type, uint32_t uefi_type)
{
    f->ranges[f->spaces.range_count++] = (struct memory_range){ base, end - base, type, uefi_type };
}

static void make_pool(struct fixture *f, size_t pages)
{
    f->pool_base = (uintptr_t)aligned_alloc(4096, pages * 4096);
    memset((void *)(uintptr_t)f->pool_base, 0xee, pages * 4096);
    f->pool = (struct table_pool){ f->pool_base, f->pool_base + pages * 4096 };
}

static void make(struct fixture *f, int largest_level)
{
    memset(f, 0, sizeof *f);
    f->layout = (struct hypervisor_layout){
        .entry = IMAGE_BASE,
        .size = 0x9000,
        .segment_count = 3,
        .segments = {
            { IMAGE_BASE, 0x2001, 0, 0x2001, false, true },
            { IMAGE_BASE + 0x3000, 0x1000, 0, 0x1000, false, false },
            { IMAGE_BASE + 0x5000, 0x3800, 0, 0x10, true, false },
        },
    };
    f->spaces.ranges = f->ranges;
    f->spaces.layout = &f->layout;
    f->spaces.largest_level = largest_level;
    f->spaces.image_base = 0x1e000000;
    f->spaces.switch_page = 0x1e203000;
    make_pool(f, POOL_PAGES);
}

static void make_usual(struct fixture *f, int largest_level)
{
    make(f, largest_level);
    add(f, 0, 0x9f000, MEMORY_RESERVED, UEFI_CONVENTIONAL);
    add(f, 0xa0000, MIB, MEMORY_RESERVED, UEFI_RESERVED);
    add(f, MIB, 0x1e000000, MEMORY_FREE, UEFI_CONVENTIONAL);
    add(f, 0x1e000000, 0x1e009000, MEMORY_HYPERVISOR, UEFI_LOADER_DATA);
    add(f, 0x1e009000, 0x1e100000, MEMORY_BOOT_DATA, UEFI_LOADER_DATA);
    add(f, 0x1e100000, 0x1fe62000, MEMORY_FREE, UEFI_BOOT_SERVICES_DATA);
    add(f, 0x1fe62000, 0x1fee2000, MEMORY_RESERVED, UEFI_RESERVED);
    add(f, 0x1fee2000, 0x1ff74000, MEMORY_ACPI, UEFI_ACPI_NVS);
    add(f, 0x1ff74000, 0x20000000, MEMORY_FIRMWARE, UEFI_RUNTIME_SERVICES_DATA);
    add(f, 0xffc00000, 0x100000000, MEMORY_MMIO, UEFI_MMIO);
    add(f, 4 * GIB, 7 * GIB + 0x201000, MEMORY_FREE, UEFI_CONVENTIONAL);
}

static void destroy(struct fixture *f)
{
    free((void *)(uintptr_t)f->pool_base);
}

static bool all_within(const struct fixture *f, uint64_t base, uint64_t size, bool mmio)
{
    size_t i;

    for (i = 0; i < f->spaces.range_count && size; i++) {
        const struct memory_range *range = &f->ranges[i];

        if (base >= range->base && base - range->base < range->size) {
            uint64_t rest = range->base + range->size - base;

            if (mmio ? range->type != MEMORY_MMIO : !memory_range_is_ram(range))
                return false;
            if (rest >= size)
                return true;
            base += rest;
            size -= rest;
        }
    }
    return false;
}

static bool is_table(const struct fixture *f, uint64_t address)
{
    return address >= f->pool_base && address < f->pool.next;
}

static void check_hypervisor_page(struct fixture *f, uint64_t virtual, uint64_t physical, uint64_t size, uint64_t entry)
{
    bool writable = entry & PTE_WRITABLE, executable = !(entry & PTE_NO_EXECUTE);

    assert_false(writable && executable);
    if (virtual >= IMAGE_BASE) {
        uint64_t offset = virtual - IMAGE_BASE;
        uint32_t i;

        assert_int_equal(size, 4096);
        assert_int_equal(physical, f->spaces.image_base + offset);
        for (i = 0; i < f->layout.segment_count; i++) {
            const struct hypervisor_segment *segment = &f->layout.segments[i];

            if (virtual >= segment->virtual && virtual - segment->virtual < segment->memory_size) {
                assert_int_equal(writable, segment->writable);
                assert_int_equal(executable, segment->executable);
                break;
            }
        }
        assert_true(i < f->layout.segment_count);
        f->mapped_image += size;
    } else if (virtual >= DIRECT_MAP_BASE && virtual - DIRECT_MAP_BASE < DIRECT_MAP_SIZE) {
        assert_int_equal(physical, virtual - DIRECT_MAP_BASE);
        assert_true(writable && !executable);
        assert_true(all_within(f, physical, size, false));
        assert_true(physical + size <= f->spaces.image_base || physical >= f->spaces.image_base + f->layout.size);
        f->mapped_ram += size;
    } else {
        assert_int_equal(virtual, f->spaces.switch_page);
        assert_int_equal(physical, virtual);
        assert_int_equal(size, 4096);
        assert_true(executable);
        f->mapped_switch += size;
    }
}

static void check_firmware_page(struct fixture *f, uint64_t virtual, uint64_t physical, uint64_t size, uint64_t entry)
{
    bool mmio = all_within(f, physical, size, true);

    assert_int_equal(physical, virtual);
    assert_true(entry & PTE_WRITABLE);
    assert_false(entry & PTE_NO_EXECUTE);
    assert_true(mmio || all_within(f, physical, size, false));
    assert_int_equal(entry & (PTE_PCD | PTE_PWT), mmio ? PTE_PCD | PTE_PWT : 0);
    *(mmio ? &f->mapped_mmio : &f->mapped_ram) += size;
}

static void walk(struct fixture *f, bool hypervisor, uint64_t table, int level, uint64_t virtual)
{
    const uint64_t *entries = (const uint64_t *)(uintptr_t)table;
    unsigned i;

    assert_true(is_table(f, table));
    for (i = 0; i < 512; i++) {
        uint64_t size = 1ull << (12 + 9 * (level - 1)), address = virtual + i * size, physical;

        if (!(entries[i] & PTE_PRESENT)) {
            assert_int_equal(entries[i], 0);
            continue;
        }
        if (level == 4 && i >= 256) {
            if (!hypervisor)
                continue; /* compared as a whole */
            address |= 0xffff000000000000;
        }
        physical = entries[i] & PTE_ADDRESS & ~(size - 1);
        if (level == 4 || (level > 1 && !(entries[i] & PTE_LARGE))) {
            walk(f, hypervisor, entries[i] & PTE_ADDRESS, level - 1, address);
            continue;
        }
        f->pages[level]++;
        (hypervisor ? check_hypervisor_page : check_firmware_page)(f, address, physical, size, entries[i]);
    }
}

static uint64_t ram_bytes(const struct fixture *f)
{
    uint64_t bytes = 0;
    size_t i;

    for (i = 0; i < f->spaces.range_count; i++)
        bytes += memory_range_is_ram(&f->ranges[i]) ? f->ranges[i].size : 0;
    return bytes;
}

static void build_and_check(struct fixture *f)
{
    const uint64_t *hypervisor, *firmware;
    size_t bound = address_spaces_bound(&f->spaces);

    assert_int_equal(address_spaces_build(&f->spaces, &f->pool), 0);
    assert_true((f->pool.next - f->pool_base) / 4096 <= bound);

    walk(f, true, f->spaces.hypervisor_root, 4, 0);
    assert_int_equal(f->mapped_ram, ram_bytes(f) - f->layout.size);
    assert_int_equal(f->mapped_image, 0x3000 + 0x1000 + 0x4000);
    assert_int_equal(f->mapped_switch, 4096);

    f->mapped_ram = 0;
    walk(f, false, f->spaces.firmware_root, 4, 0);
    assert_int_equal(f->mapped_ram, ram_bytes(f));

    hypervisor = (const uint64_t *)(uintptr_t)f->spaces.hypervisor_root;
    firmware = (const uint64_t *)(uintptr_t)f->spaces.firmware_root;
    assert_memory_equal(hypervisor + 256, firmware + 256, 256 * sizeof *hypervisor);
    assert_true(firmware[0] & PTE_PRESENT);
    assert_true(hypervisor[VMAP_BASE >> 39 & 511] & PTE_PRESENT);
}

static void the_usual_machine(void **state)
{
    struct fixture f;

    make_usual(&f, 3);
    build_and_check(&f);
    assert_int_equal(f.mapped_mmio, 4 * MIB);
    assert_true(f.pages[3] == 6); /* three in each set */
    destroy(&f);
}

static void a_processor_without_1g_pages(void **state)
{
    struct fixture f;

    make_usual(&f, 2);
    build_and_check(&f);
    assert_int_equal(f.pages[3], 0);
    assert_true(f.pages[2] > 2 * 3 * 512);
    destroy(&f);
}

static void the_image_at_the_edge_of_memory(void **state)
{
    struct fixture f;

    make(&f, 3);
    add(&f, 0, 0x9f000, MEMORY_RESERVED, UEFI_CONVENTIONAL);
    f.spaces.image_base = 2 * MIB;
    f.spaces.switch_page = 3 * MIB;
    add(&f, 2 * MIB, 2 * MIB + 0x9000, MEMORY_HYPERVISOR, UEFI_LOADER_DATA);
    add(&f, 2 * MIB + 0x9000, 4 * MIB, MEMORY_FREE, UEFI_CONVENTIONAL);
    build_and_check(&f);
    destroy(&f);

    make(&f, 3);
    add(&f, 0, 0x9f000, MEMORY_RESERVED, UEFI_CONVENTIONAL);
    f.spaces.image_base = 4 * MIB - 0x9000;
    f.spaces.switch_page = 0x5000;
    add(&f, 2 * MIB, 4 * MIB - 0x9000, MEMORY_FREE, UEFI_CONVENTIONAL);
    add(&f, 4 * MIB - 0x9000, 4 * MIB, MEMORY_HYPERVISOR, UEFI_LOADER_DATA);
    build_and_check(&f);
    destroy(&f);
}

static void ragged_memory_in_high_places(void **state)
{
    struct fixture f;

    make_usual(&f, 3);
    add(&f, 0x8000000000 - 0x3000, 0x8000000000 + 0x5000, MEMORY_FREE, UEFI_CONVENTIONAL); /* across 512 GiB */
    add(&f, 0x9000001000, 0x9000002000, MEMORY_FREE, UEFI_CONVENTIONAL);
    add(&f, 0xa000000000, 0xa0c0001000, MEMORY_MMIO, UEFI_MMIO);
    add(&f, DIRECT_MAP_SIZE - 0x1000, DIRECT_MAP_SIZE, MEMORY_FREE, UEFI_CONVENTIONAL);
    build_and_check(&f);
    destroy(&f);
}

/* Whatever is missing at the moment when the pool runs out: an error, and never a write behind its end. */
static void a_pool_that_is_too_small(void **state)
{
    struct fixture f;
    size_t pages, needed;

    make_usual(&f, 3);
    build_and_check(&f);
    needed = (f.pool.next - f.pool_base) / 4096;
    destroy(&f);
    for (pages = 1; pages < needed; pages++) {
        make_usual(&f, 3);
        destroy(&f);
        make_pool(&f, pages);
        assert_int_equal(address_spaces_build(&f.spaces, &f.pool), -ENOMEM);
        destroy(&f);
    }
}

static void overlaps_and_crooked_addresses_are_refused(void **state)
{
    struct fixture f;
    struct mapping mapping = { 2 * MIB, 2 * MIB, 2 * MIB, 0, 2 };
    struct mapping within = { 2 * MIB + 4096, 0, 4096, 0, 1 }, around = { 0, 0, GIB, 0, 3 };
    struct mapping crooked[] = { { 1, 0, 4096, 0, 1 }, { 0, 1, 4096, 0, 1 }, { 0, 0, 4095, 0, 1 } };
    uint64_t root;
    size_t i;

    make(&f, 3);
    root = table_pool_take(&f.pool);
    assert_int_equal(page_tables_map(&f.pool, root, &mapping), 0);
    assert_int_equal(page_tables_map(&f.pool, root, &mapping), -EEXIST);
    assert_int_equal(page_tables_map(&f.pool, root, &within), -EEXIST);
    assert_int_equal(page_tables_map(&f.pool, root, &around), -EEXIST);
    for (i = 0; i < 3; i++)
        assert_int_equal(page_tables_map(&f.pool, root, &crooked[i]), -EINVAL);
    destroy(&f);
}

/* page_tables_bound() is never less than what is taken, and exact where a mapping stands alone without large pages. */
static void the_bound_holds(void **state)
{
    unsigned round;

    srand(1);
    for (round = 0; round < 2000; round++) {
        struct fixture f;
        struct mapping mapping;
        uint64_t root, before;

        make(&f, 3);
        mapping = (struct mapping){
            .virtual = ((uint64_t)rand() % 0x80000) << (12 + rand() % 12),
            .size = (1 + (uint64_t)rand() % 0x1000) << (12 + rand() % 6),
            .largest_level = 1 + rand() % 3,
        };
        mapping.physical = rand() % 2 ? mapping.virtual : (uint64_t)(rand() % 4096) << 21;
        if (mapping.physical != mapping.virtual || mapping.size > 128 * MIB)
            mapping.size = (mapping.size & (64 * MIB - 1)) + 4096;
        if (mapping.physical != mapping.virtual)
            mapping.largest_level = 1;
        root = table_pool_take(&f.pool);
        before = f.pool.next;
        assert_int_equal(page_tables_map(&f.pool, root, &mapping), 0);
        assert_true((f.pool.next - before) / 4096 <= page_tables_bound(&mapping));
        if (mapping.largest_level == 1)
            assert_int_equal((f.pool.next - before) / 4096, page_tables_bound(&mapping));
        destroy(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_machine),
        cmocka_unit_test(a_processor_without_1g_pages),
        cmocka_unit_test(the_image_at_the_edge_of_memory),
        cmocka_unit_test(ragged_memory_in_high_places),
        cmocka_unit_test(a_pool_that_is_too_small),
        cmocka_unit_test(overlaps_and_crooked_addresses_are_refused),
        cmocka_unit_test(the_bound_holds),
    };

    return cmocka_run_group_tests_name("address_spaces", tests, NULL, NULL);
}
