/* SPDX-License-Identifier: BSD-2-Clause */
/* The DSDT, compiled from hv/load/dsdt.asl by tools/make-dsdt: a whole table with its header and checksum. */
#ifndef HV_LOAD_DSDT_H
#define HV_LOAD_DSDT_H

#include <stdint.h>

extern const uint8_t acpi_dsdt[];
extern const uint32_t acpi_dsdt_size;

#endif
