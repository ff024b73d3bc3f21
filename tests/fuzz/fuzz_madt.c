/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables of a machine whose firmware says anything: the input is its memory from address 16 on, and begins with the RSDP. */
#include <stdlib.h>
#include <string.h>

#include "arch/x86/acpi_find.h"
#include "arch/x86/madt.h"

enum { BASE = 16, COPIES = 4096 };

static const uint8_t *bytes;
static size_t count;
static void *copies[COPIES];
static unsigned copy_count;

static const void *map(u64 address, u64 size)
{
    if (address < BASE || address - BASE >= count || size > count - (address - BASE) || copy_count == COPIES)
        return NULL;
    /* A copy of just that size: what is read beyond it shows. */
    void *copy = copies[copy_count++] = malloc(size);
    memcpy(copy, bytes + (address - BASE), size);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct madt madt;
    u32 table_size = 0;

    bytes = data;
    count = size;
    const u8 *table = acpi_find(map, BASE, "APIC", &table_size);
    madt_parse(table, table_size, &madt);
    /* Sums are seldom right: the input as a table, too. */
    madt_parse(data, (u32)size, &madt);
    if (madt.processor_count > MADT_PROCESSORS || madt.ioapic_count > MADT_IOAPICS)
        abort();
    for (unsigned i = 0; i < madt.processor_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (madt.apic_ids[i] == madt.apic_ids[j])
                abort();
    while (copy_count)
        free(copies[--copy_count]);
    return 0;
}
