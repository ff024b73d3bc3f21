/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the tables that the firmware has left in memory. */
#ifndef BOOT_CONFIGURATION_TABLES_H
#define BOOT_CONFIGURATION_TABLES_H

#include <stdint.h>

/* Physical address of the ACPI root pointer, of version 2 or later if there is one; 0: none. */
uint64_t configuration_table_rsdp(void);

/* Physical address of the SMBIOS entry point, of version 3 if there is one; 0: none. */
uint64_t configuration_table_smbios(void);

#endif
