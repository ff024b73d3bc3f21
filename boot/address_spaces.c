/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's address space: the image by its segments, so that no page is both writable and executable; the
 * direct map of all RAM, without the image's frames, so that there is no second, writable way to its code; the switch page.
 *
 * The firmware's address space is for calls of runtime services, which boot/main.c leaves in physical mode: all RAM and
 * their device registers where they are, since what a firmware touches is often more than it says; in the upper half it
 * is the hypervisor's own, through the same tables. They stay the same when the hypervisor maps something later, because
 * every entry of the root that it will ever use in VMAP or the image exists from the start.
 *
 * One list of mappings serves for counting and for building. Pure.
 */
#include "boot/address_spaces.h"

#include <errno.h>

#include "boot/memory_map.h"
#include "boot/page.h"
#include "hv/lib/string.h"

enum { ROOTS = 2, VMAP_TABLES = 1, HALF_ROOT = 256 };

/* Takes one mapping of the address space that `root` belongs to. */
struct visitor {
    int (*map)(struct visitor *visitor, uint64_t root, const struct mapping *mapping);
    struct table_pool *pool;
    size_t tables;
};

static int count_tables(struct visitor *visitor, uint64_t root, const struct mapping *mapping)
{
    visitor->tables += page_tables_bound(mapping);
    return 0;
}

static int build_tables(struct visitor *visitor, uint64_t root, const struct mapping *mapping)
{
    return page_tables_map(visitor->pool, root, mapping);
}

/* Neighboring ranges of RAM become one, so that their common borders do not break large pages. Returns false at the end. */
static bool next_ram(const struct address_spaces *spaces, size_t *position, uint64_t *base, uint64_t *end)
{
    const struct memory_range *range = spaces->ranges + *position, *last = spaces->ranges + spaces->range_count;

    while (range < last && !memory_range_is_ram(range))
        range++;
    if (range == last)
        return false;
    *base = *end = range->base;
    for (; range < last && memory_range_is_ram(range) && range->base == *end; range++)
        *end += range->size;
    *position = range - spaces->ranges;
    return true;
}

static int direct_map(const struct address_spaces *spaces, struct visitor *visitor, uint64_t base, uint64_t end)
{
    struct mapping mapping = { DIRECT_MAP_BASE + base, base, end - base, PTE_WRITABLE | PTE_NO_EXECUTE,
                               spaces->largest_level };

    return base < end ? visitor->map(visitor, spaces->hypervisor_root, &mapping) : 0;
}

/* The RAM from `base` to `end` without the image. */
static int direct_map_ram(const struct address_spaces *spaces, struct visitor *visitor, uint64_t base, uint64_t end)
{
    uint64_t image_base = spaces->image_base, image_end = image_base + spaces->layout->size;
    int error;

    if (image_end <= base || end <= image_base)
        return direct_map(spaces, visitor, base, end);
    error = direct_map(spaces, visitor, base, image_base);
    return error ? error : direct_map(spaces, visitor, image_end, end);
}

static int map_image(const struct address_spaces *spaces, struct visitor *visitor)
{
    uint32_t i;
    int error = 0;

    for (i = 0; i < spaces->layout->segment_count && !error; i++) {
        const struct hypervisor_segment *segment = &spaces->layout->segments[i];
        struct mapping mapping = {
            .virtual = segment->virtual,
            .physical = spaces->image_base + (segment->virtual - IMAGE_BASE),
            .size = page_round_up(segment->memory_size),
            .flags = (segment->writable ? PTE_WRITABLE : 0) | (segment->executable ? 0 : PTE_NO_EXECUTE),
            .largest_level = 1,
        };

        error = visitor->map(visitor, spaces->hypervisor_root, &mapping);
    }
    return error;
}

static int map_hypervisor(const struct address_spaces *spaces, struct visitor *visitor)
{
    struct mapping switch_page = { spaces->switch_page, spaces->switch_page, PAGE_BYTES, 0, 1 };
    uint64_t base, end;
    size_t position = 0;
    int error = visitor->map(visitor, spaces->hypervisor_root, &switch_page);

    if (!error)
        error = map_image(spaces, visitor);
    while (!error && next_ram(spaces, &position, &base, &end))
        error = direct_map_ram(spaces, visitor, base, end);
    return error;
}

static int map_firmware(const struct address_spaces *spaces, struct visitor *visitor)
{
    uint64_t base, end;
    size_t position = 0, i;
    int error = 0;

    while (!error && next_ram(spaces, &position, &base, &end)) {
        struct mapping ram = { base, base, end - base, PTE_WRITABLE, spaces->largest_level };

        error = visitor->map(visitor, spaces->firmware_root, &ram);
    }
    for (i = 0; i < spaces->range_count && !error; i++) {
        const struct memory_range *range = &spaces->ranges[i];
        struct mapping registers = { range->base, range->base, range->size, PTE_WRITABLE | PTE_PCD | PTE_PWT,
                                     spaces->largest_level };

        if (range->type == MEMORY_MMIO)
            error = visitor->map(visitor, spaces->firmware_root, &registers);
    }
    return error;
}

size_t address_spaces_bound(const struct address_spaces *spaces)
{
    struct visitor visitor = { .map = count_tables };

    map_hypervisor(spaces, &visitor);
    map_firmware(spaces, &visitor);
    return visitor.tables + ROOTS + VMAP_TABLES;
}

int address_spaces_build(struct address_spaces *spaces, struct table_pool *pool)
{
    struct visitor visitor = { .map = build_tables, .pool = pool };
    uint64_t *hypervisor_root, *firmware_root;
    int error;

    spaces->hypervisor_root = table_pool_take(pool);
    spaces->firmware_root = table_pool_take(pool);
    if (!spaces->hypervisor_root || !spaces->firmware_root)
        return -ENOMEM;
    error = page_tables_prepare(pool, spaces->hypervisor_root, VMAP_BASE);
    if (!error)
        error = map_hypervisor(spaces, &visitor);
    if (!error)
        error = map_firmware(spaces, &visitor);
    if (error)
        return error;

    hypervisor_root = (uint64_t *)(uintptr_t)spaces->hypervisor_root;
    firmware_root = (uint64_t *)(uintptr_t)spaces->firmware_root;
    memcpy(firmware_root + HALF_ROOT, hypervisor_root + HALF_ROOT, HALF_ROOT * sizeof *firmware_root);
    return 0;
}
