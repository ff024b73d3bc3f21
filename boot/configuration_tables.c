/* SPDX-License-Identifier: BSD-2-Clause */
/* See configuration_tables.h. */
#include "boot/configuration_tables.h"

#include "boot/firmware.h"
#include "hv/lib/string.h"

static uint64_t find(const EFI_GUID *guid)
{
    UINTN i;

    for (i = 0; i < firmware.system->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *table = &firmware.system->ConfigurationTable[i];

        if (memcmp(&table->VendorGuid, guid, sizeof *guid) == 0)
            return (uintptr_t)table->VendorTable;
    }
    return 0;
}

uint64_t configuration_table_rsdp(void)
{
    static const EFI_GUID version_2 = ACPI_20_TABLE_GUID, version_1 = ACPI_TABLE_GUID;
    uint64_t rsdp = find(&version_2);

    return rsdp ? rsdp : find(&version_1);
}

uint64_t configuration_table_smbios(void)
{
    static const EFI_GUID version_3 = SMBIOS3_TABLE_GUID, version_2 = SMBIOS_TABLE_GUID;
    uint64_t smbios = find(&version_3);

    return smbios ? smbios : find(&version_2);
}
