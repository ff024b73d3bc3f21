/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of our own, because the firmware's memory map cannot tell the image from a file, and its types cannot be trusted
 * for that. main.c and volume.c allocate; memory_map.c lays the list over the firmware's map.
 */
#include "boot/own_memory.h"

#include "boot/firmware.h"
#include "boot/memory_map.h"
#include "boot/page.h"

static struct memory_range ranges[OWN_MEMORY_MAX];
static size_t range_count;

/* Gives the pages from `base` to `end` back. */
static void give_back(EFI_PHYSICAL_ADDRESS base, EFI_PHYSICAL_ADDRESS end)
{
    if (base < end)
        firmware.services->FreePages(base, (end - base) / PAGE_BYTES);
}

void *own_memory_allocate(uint64_t size, uint64_t alignment, enum memory_type type)
{
    uint64_t spare = alignment - PAGE_BYTES;
    EFI_PHYSICAL_ADDRESS allocated, base;

    if (size == 0 || size > DIRECT_MAP_SIZE || range_count == OWN_MEMORY_MAX)
        return NULL;
    size = page_round_up(size);
    do { /* what lies below 1 MiB stays allocated, so that it is not offered again */
        if (EFI_ERROR(firmware.services->AllocatePages(AllocateAnyPages, EfiLoaderData, (size + spare) / PAGE_BYTES,
                                                       &allocated)))
            return NULL;
    } while (allocated < LOW_MEMORY_SIZE);
    base = (allocated + alignment - 1) & ~(alignment - 1);
    give_back(allocated, base);
    give_back(base + size, allocated + size + spare);
    ranges[range_count++] = (struct memory_range){ base, size, type, UEFI_LOADER_DATA };
    return (void *)(uintptr_t)base;
}

static size_t find(const void *pages)
{
    size_t i = 0;

    while (i < range_count && ranges[i].base != (uintptr_t)pages)
        i++;
    return i;
}

void own_memory_free(void *pages)
{
    size_t i = find(pages);

    if (i == range_count)
        return;
    give_back(ranges[i].base, ranges[i].base + ranges[i].size);
    ranges[i] = ranges[--range_count];
}

void own_memory_cut(void *pages, uint64_t end)
{
    size_t i = find(pages);

    if (i < range_count)
        ranges[i].size = end - ranges[i].base;
}

const struct memory_range *own_memory_ranges(size_t *count)
{
    *count = range_count;
    return ranges;
}
