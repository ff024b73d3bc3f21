/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest is told of its machine by ACPI (Advanced Configuration and Power Interface Specification 6.4): its
 * processors (APIC id = index), the IOAPIC with as many pins as the PC has wires, the power management ports of
 * hv/dev/acpi_pm.h, the reset by port 0x64, and the devices of dsdt.asl. There is no firmware that would have to hand
 * anything over, so the machine is in ACPI mode from the start.
 *
 *   RSDP  at the beginning      FACS  at the next 64 bytes      RSDT, XSDT, FADT, MADT, SSDT (processors), DSDT
 *
 * All of it lies in the reserved area below 1 MiB, at 0xe0000 or, if the image has something there, at the lowest free
 * place behind it. A kernel finds it by searching that area, or by the address that a boot protocol hands over. The area stays
 * "reserved" in the memory map: as "ACPI data" it could be used otherwise later, but the FACS may not.
 */
#ifndef HV_LOAD_ACPI_TABLES_H
#define HV_LOAD_ACPI_TABLES_H

#include "hv/load/loader.h"

#define ACPI_AREA     0xe0000ull
#define ACPI_AREA_END 0x100000ull

/*
 * Claims a place and writes the tables for conf->processors processors, 1 to CONF_MAX_PROCESSORS. Returns the RSDP's
 * address; 0 where there is no place, because the guest has too little memory or its image takes all of the area: such a
 * guest has no tables. To be called after the image is claimed.
 */
uint64_t acpi_tables_place(struct loader *loader);

#endif
