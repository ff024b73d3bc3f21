/* SPDX-License-Identifier: BSD-2-Clause */
/* See acpi_find.h. */
#include "arch/x86/acpi_find.h"

#include "hv/lib/string.h"

/* The root pointer, of which version 1 has the first 20 bytes only. */
enum { RSDP_V1_SIZE = 20, RSDP_SIZE = 36, RSDP_REVISION = 15, RSDP_RSDT = 16, RSDP_LENGTH = 20, RSDP_XSDT = 24 };
enum { TABLE_LENGTH = 4 };

static bool sums_to_zero(const u8 *bytes, u32 size)
{
    u8 sum = 0;

    for (u32 i = 0; i < size; i++)
        sum = (u8)(sum + bytes[i]);
    return sum == 0;
}

/* A whole table: its header first, which says how long it is. */
static const u8 *table_at(acpi_map_t map, u64 address, const char signature[4], u32 *size)
{
    const u8 *header = address ? map(address, ACPI_HEADER_SIZE) : NULL;

    if (!header || memcmp(header, signature, 4) != 0)
        return NULL;
    u32 length = acpi_u32(header + TABLE_LENGTH);
    if (length < ACPI_HEADER_SIZE || length > ACPI_TABLE_MAX)
        return NULL;
    const u8 *table = map(address, length);
    if (!table || !sums_to_zero(table, length))
        return NULL;
    *size = length;
    return table;
}

/* The table of tables, and the size of its entries: XSDT, or where there is none RSDT. */
static const u8 *root_table(acpi_map_t map, u64 rsdp, u32 *size, u32 *entry_size)
{
    const u8 *pointer = rsdp ? map(rsdp, RSDP_V1_SIZE) : NULL, *table = NULL;

    if (!pointer || memcmp(pointer, "RSD PTR ", 8) != 0 || !sums_to_zero(pointer, RSDP_V1_SIZE))
        return NULL;
    if (pointer[RSDP_REVISION] >= 2) {
        const u8 *whole = map(rsdp, RSDP_SIZE);

        if (whole && acpi_u32(whole + RSDP_LENGTH) >= RSDP_SIZE && sums_to_zero(whole, RSDP_SIZE))
            table = table_at(map, acpi_u64(whole + RSDP_XSDT), "XSDT", size);
    }
    *entry_size = 8;
    if (!table) {
        table = table_at(map, acpi_u32(pointer + RSDP_RSDT), "RSDT", size);
        *entry_size = 4;
    }
    return table;
}

const u8 *acpi_find(acpi_map_t map, u64 rsdp, const char signature[4], u32 *size)
{
    u32 root_size, entry_size;
    const u8 *root = root_table(map, rsdp, &root_size, &entry_size);

    for (u32 at = ACPI_HEADER_SIZE; root && root_size - at >= entry_size; at += entry_size) {
        u64 address = entry_size == 8 ? acpi_u64(root + at) : acpi_u32(root + at);
        const u8 *table = table_at(map, address, signature, size);

        if (table)
            return table;
    }
    return NULL;
}
