/* SPDX-License-Identifier: BSD-2-Clause */
/* See machine.h. */
#include "arch/x86/machine.h"

#include "arch/x86/acpi_find.h"
#include "arch/x86/paging.h"

static struct madt madt;

/* ACPI memory is in the direct map, if the firmware calls it so. What it calls by another name is mapped as a device is. */
static const void *map(u64 address, u64 size)
{
    struct mapping mapping;

    if (address >= DIRECT_MAP_SIZE || size > DIRECT_MAP_SIZE - address)
        return NULL;
    for (u64 page = address & ~(PAGE_SIZE - 1); page < address + size; page += PAGE_SIZE)
        if (!paging_lookup(DIRECT_MAP_BASE + page, &mapping))
            return vmap_device((hpa_t){ address }, size);
    return phys_to_virt((hpa_t){ address });
}

void machine_read(u64 rsdp)
{
    u32 size = 0;
    const u8 *table = acpi_find(map, rsdp, "APIC", &size);

    madt_parse(table, size, &madt);
}

const struct madt *machine_madt(void)
{
    return &madt;
}
