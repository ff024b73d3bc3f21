/* SPDX-License-Identifier: BSD-2-Clause */
/* From the firmware's memory map to the ranges that the hypervisor is given. */
#ifndef BOOT_MEMORY_MAP_H
#define BOOT_MEMORY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/handoff.h"

/* EFI_MEMORY_TYPE (UEFI specification, AllocatePages()), here because this also compiles without the EFI headers. */
enum uefi_memory_type {
    UEFI_RESERVED,
    UEFI_LOADER_CODE,
    UEFI_LOADER_DATA,
    UEFI_BOOT_SERVICES_CODE,
    UEFI_BOOT_SERVICES_DATA,
    UEFI_RUNTIME_SERVICES_CODE,
    UEFI_RUNTIME_SERVICES_DATA,
    UEFI_CONVENTIONAL,
    UEFI_UNUSABLE,
    UEFI_ACPI_RECLAIM,
    UEFI_ACPI_NVS,
    UEFI_MMIO,
    UEFI_MMIO_PORTS,
};

#define UEFI_ATTRIBUTE_WB      0x0000000000000008ull /* can be cached write-back */
#define UEFI_ATTRIBUTE_SP      0x0000000000040000ull /* set aside for a special purpose */
#define UEFI_ATTRIBUTE_RUNTIME 0x8000000000000000ull /* runtime services use it */

/* EFI_MEMORY_DESCRIPTOR */
struct uefi_descriptor {
    uint32_t type;
    uint32_t reserved;
    uint64_t physical;
    uint64_t virtual;
    uint64_t pages;
    uint64_t attribute;
};

/* What GetMemoryMap() returned. */
struct uefi_memory_map {
    const void *descriptors;
    size_t size;   /* bytes */
    size_t stride; /* bytes from one descriptor to the next: more than one has, in a later version */
};

/* Below this nothing is ever MEMORY_FREE: other processors start there, and firmware uses it in spite of what it says. */
#define LOW_MEMORY_SIZE 0x100000ull

/*
 * Writes the sorted, merged ranges that do not overlap. Where descriptors overlap, the one counts that leaves us less; the
 * `own` ranges (with their types) outweigh all of them. A merged range has the uefi_type of its first part. What lies
 * above the direct map's reach is left out.
 * Returns 0; -EINVAL if the stride is too small for a descriptor; -ENOSPC if there are more than `capacity` ranges (there
 * are never more than memory_map_capacity()).
 */
int memory_map_convert(const struct uefi_memory_map *map, const struct memory_range *own, size_t own_count,
                       struct memory_range *ranges, size_t capacity, size_t *count);

static inline size_t memory_map_capacity(size_t descriptor_count, size_t own_count)
{
    return 2 * (descriptor_count + own_count) + 2;
}

/* Whether the direct map shows it. The memory below 1 MiB belongs to it although it is reserved. */
bool memory_range_is_ram(const struct memory_range *range);

#endif
