/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds one of the machine's ACPI tables. Firmware may say anything: every length is checked, nothing is read twice to be
 * used, and what does not add up is not there. ACPI specification 6.5, 5.2 "ACPI System Description Tables". Pure.
 */
#ifndef ARCH_X86_ACPI_FIND_H
#define ARCH_X86_ACPI_FIND_H

#include "mm/types.h"

/* Where `size` bytes at a physical address can be read; NULL: nowhere. */
typedef const void *(*acpi_map_t)(u64 address, u64 size);

enum { ACPI_HEADER_SIZE = 36, ACPI_TABLE_MAX = 1 << 20 };

static inline u32 acpi_u32(const u8 *bytes)
{
    return bytes[0] | (u32)bytes[1] << 8 | (u32)bytes[2] << 16 | (u32)bytes[3] << 24;
}

static inline u64 acpi_u64(const u8 *bytes)
{
    return acpi_u32(bytes) | (u64)acpi_u32(bytes + 4) << 32;
}

/* The first table with that signature that is whole, and its size, header and all; NULL: there is none. `rsdp` 0: none. */
const u8 *acpi_find(acpi_map_t map, u64 rsdp, const char signature[4], u32 *size);

#endif
