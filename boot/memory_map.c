/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firmware's memory map is not to be trusted in its form: descriptors come unsorted, overlap, are empty, or end
 * beyond the address space. So nothing is sorted here: a position goes from border to border, and each piece between two
 * borders asks all descriptors. That takes time with the square of their number (a hundred or two), and no memory. Pure:
 * main.c calls it after boot services have ended, tests/unit/test_memory_map.c on the host.
 */
#include "boot/memory_map.h"

#include <assert.h>
#include <errno.h>

#include "boot/page.h"
#include "hv/lib/string.h"

static_assert(sizeof(struct uefi_descriptor) == 40, "as in the UEFI specification");
/* Of two types that are claimed for the same memory, the greater counts. */
static_assert(MEMORY_FREE < MEMORY_ACPI && MEMORY_ACPI < MEMORY_FIRMWARE && MEMORY_FIRMWARE < MEMORY_MMIO &&
                  MEMORY_MMIO < MEMORY_RESERVED,
              "from what we may use to what nobody may touch");

struct piece {
    uint64_t base, end; /* bytes, multiples of 4 KiB, below DIRECT_MAP_SIZE */
    uint32_t type;      /* enum memory_type */
    uint32_t uefi_type;
};

static enum memory_type classify(const struct uefi_descriptor *descriptor)
{
    switch (descriptor->type) {
    case UEFI_LOADER_CODE:
    case UEFI_LOADER_DATA:
    case UEFI_BOOT_SERVICES_CODE:
    case UEFI_BOOT_SERVICES_DATA:
    case UEFI_CONVENTIONAL:
        if (!(descriptor->attribute & UEFI_ATTRIBUTE_WB) || (descriptor->attribute & UEFI_ATTRIBUTE_SP))
            return MEMORY_RESERVED;
        return MEMORY_FREE;
    case UEFI_ACPI_RECLAIM:
    case UEFI_ACPI_NVS:
        return MEMORY_ACPI;
    case UEFI_RUNTIME_SERVICES_CODE:
    case UEFI_RUNTIME_SERVICES_DATA:
        return MEMORY_FIRMWARE;
    case UEFI_MMIO:
    case UEFI_MMIO_PORTS:
        return MEMORY_MMIO;
    default:
        /* Runtime services need it mapped, whatever it is; uncached is right for all that it can be. */
        return (descriptor->attribute & UEFI_ATTRIBUTE_RUNTIME) ? MEMORY_MMIO : MEMORY_RESERVED;
    }
}

/* False if nothing of the descriptor is within the direct map's reach. */
static bool piece_from_descriptor(const struct uefi_memory_map *map, size_t offset, struct piece *piece)
{
    struct uefi_descriptor descriptor;
    uint64_t last_page;

    memcpy(&descriptor, (const char *)map->descriptors + offset, sizeof descriptor);
    if (descriptor.pages == 0 || descriptor.physical >= DIRECT_MAP_SIZE)
        return false;
    piece->base = descriptor.physical & ~(PAGE_BYTES - 1);
    piece->type = classify(&descriptor);
    piece->uefi_type = descriptor.type;
    last_page = DIRECT_MAP_SIZE / PAGE_BYTES;
    if (piece->base != descriptor.physical) {
        /* Half pages are not ours to use. */
        piece->type = piece->type == MEMORY_FREE ? MEMORY_RESERVED : piece->type;
        descriptor.pages += descriptor.pages < last_page;
    }
    last_page -= piece->base / PAGE_BYTES;
    if (descriptor.pages < last_page)
        last_page = descriptor.pages;
    piece->end = piece->base + last_page * PAGE_BYTES;
    return true;
}

/* Lowers *border to the piece's first border behind `position`. */
static void nearer_border(const struct piece *piece, uint64_t position, uint64_t *border)
{
    if (piece->base > position && piece->base < *border)
        *border = piece->base;
    if (piece->end > position && piece->end < *border)
        *border = piece->end;
}

/* What is at `position`, up to piece->end. False: nothing that anybody has described. */
static bool piece_at(const struct uefi_memory_map *map, const struct memory_range *own, size_t own_count,
                     uint64_t position, struct piece *piece)
{
    uint64_t border = position < LOW_MEMORY_SIZE ? LOW_MEMORY_SIZE : DIRECT_MAP_SIZE;
    bool found = false, is_own = false;
    size_t offset, i;

    for (i = 0; i < own_count; i++) {
        struct piece mine = { own[i].base, own[i].base + own[i].size, own[i].type, own[i].uefi_type };

        nearer_border(&mine, position, &border);
        if (mine.base <= position && position < mine.end) {
            *piece = mine;
            found = is_own = true;
        }
    }
    for (offset = 0; map->size - offset >= sizeof(struct uefi_descriptor); offset += map->stride) {
        struct piece theirs;

        if (piece_from_descriptor(map, offset, &theirs)) {
            nearer_border(&theirs, position, &border);
            if (!is_own && theirs.base <= position && position < theirs.end && (!found || theirs.type > piece->type)) {
                *piece = theirs;
                found = true;
            }
        }
        if (map->size - offset < map->stride)
            break;
    }
    piece->base = position;
    piece->end = border;
    return found;
}

int memory_map_convert(const struct uefi_memory_map *map, const struct memory_range *own, size_t own_count,
                       struct memory_range *ranges, size_t capacity, size_t *count)
{
    uint64_t position;
    size_t used = 0;
    struct piece piece;

    if (map->stride < sizeof(struct uefi_descriptor))
        return -EINVAL;
    for (position = 0; position < DIRECT_MAP_SIZE; position = piece.end) {
        struct memory_range *last = used ? &ranges[used - 1] : NULL;

        if (!piece_at(map, own, own_count, position, &piece))
            continue;
        if (piece.type == MEMORY_FREE && position < LOW_MEMORY_SIZE)
            piece.type = MEMORY_RESERVED;
        /* The border at 1 MiB stays, because memory_range_is_ram() looks at it. */
        if (last && last->base + last->size == position && position != LOW_MEMORY_SIZE && last->type == piece.type &&
            (piece.type <= MEMORY_BOOT_DATA || last->uefi_type == piece.uefi_type)) {
            last->size += piece.end - position;
            continue;
        }
        if (used == capacity)
            return -ENOSPC;
        ranges[used++] = (struct memory_range){ position, piece.end - position, piece.type, piece.uefi_type };
    }
    *count = used;
    return 0;
}

bool memory_range_is_ram(const struct memory_range *range)
{
    switch (range->type) {
    case MEMORY_FREE:
    case MEMORY_HYPERVISOR:
    case MEMORY_BOOT_DATA:
    case MEMORY_ACPI:
    case MEMORY_FIRMWARE:
        return true;
    case MEMORY_RESERVED:
        if (range->base >= LOW_MEMORY_SIZE)
            return false;
        return range->uefi_type == UEFI_CONVENTIONAL ||
               (range->uefi_type >= UEFI_LOADER_CODE && range->uefi_type <= UEFI_BOOT_SERVICES_DATA);
    default:
        return false;
    }
}
