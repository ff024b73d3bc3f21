/* SPDX-License-Identifier: BSD-2-Clause */
/* From the firmware's memory map to the frame allocator. */
#include "hv/memory_setup.h"

#include "arch/x86/paging.h"
#include "hv/lib/string.h"
#include "mm/frame.h"

enum { EFI_CONVENTIONAL_MEMORY = 7, LOW_END = 0x100000 };

static u64 fixed_bytes; /* image, page tables, the allocator's map, pages below 1 MiB */
static u64 most_own_bytes;

static const struct memory_range *ranges(const struct boot_info *info)
{
    return phys_to_virt((hpa_t){ info->memory_ranges });
}

static bool becomes_free(const struct memory_range *range)
{
    return range->type == MEMORY_FREE || range->type == MEMORY_BOOT_DATA;
}

static u64 page_round_up(u64 bytes)
{
    return (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static void add(u64 base, u64 size)
{
    if (size)
        frame_add(hpa_to_pfn((hpa_t){ base }), size >> PAGE_SHIFT);
}

int memory_setup(const struct boot_info *info)
{
    const struct memory_range *range = ranges(info);
    u64 end = 0, map_size, map = 0;

    for (u32 i = 0; i < info->memory_range_count; i++) {
        if (becomes_free(&range[i]))
            end = range[i].base + range[i].size;
        if (range[i].type == MEMORY_HYPERVISOR)
            fixed_bytes += range[i].size;
    }
    map_size = page_round_up(frame_map_bytes(hpa_to_pfn((hpa_t){ end })));
    for (u32 i = 0; i < info->memory_range_count && !map; i++)
        if (range[i].type == MEMORY_FREE && range[i].size >= map_size)
            map = range[i].base;
    if (!map)
        return -ENOMEM;
    fixed_bytes += map_size;
    frame_init(hpa_to_pfn((hpa_t){ end }), phys_to_virt((hpa_t){ map }));
    for (u32 i = 0; i < info->memory_range_count; i++) {
        if (range[i].type == MEMORY_FREE) {
            u64 used = range[i].base == map ? map_size : 0;
            add(range[i].base + used, range[i].size - used);
        }
    }
    return 0;
}

int memory_setup_low_pages(const struct boot_info *info, unsigned count, hpa_t *pages)
{
    const struct memory_range *range = ranges(info);

    /* Page 0 is left alone: firmware is more likely than elsewhere to look there. */
    for (u32 i = 0; i < info->memory_range_count && range[i].base < LOW_END; i++) {
        u64 base = range[i].base ? range[i].base : PAGE_SIZE, end = range[i].base + range[i].size;

        if (range[i].uefi_type == EFI_CONVENTIONAL_MEMORY && base < end && end - base >= count * PAGE_SIZE) {
            *pages = (hpa_t){ base };
            fixed_bytes += count * PAGE_SIZE;
            return 0;
        }
    }
    return -ENOMEM;
}

void memory_setup_free_boot_data(const struct boot_info *info)
{
    const struct memory_range *range = ranges(info);
    u32 count = info->memory_range_count;
    u64 list_page = info->memory_ranges & ~(PAGE_SIZE - 1);

    /*
     * The list lies in the memory that is freed, and freeing writes links into it: the range with the list goes last, and
     * from a copy.
     */
    struct memory_range last = { 0 };
    for (u32 i = 0; i < count; i++) {
        struct memory_range r = range[i];
        if (r.type != MEMORY_BOOT_DATA)
            continue;
        if (list_page >= r.base && list_page < r.base + r.size)
            last = r;
        else
            add(r.base, r.size);
    }
    add(last.base, last.size);
}

void memory_setup_note_own_bytes(void)
{
    struct frame_stats stats = frame_get_stats();
    u64 bytes = fixed_bytes + ((stats.used[FRAME_CONTROL] + stats.used[FRAME_TABLE]) << PAGE_SHIFT);

    most_own_bytes = bytes > most_own_bytes ? bytes : most_own_bytes;
}

uint64_t memory_setup_own_bytes(void)
{
    return most_own_bytes;
}
