/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a guest's memory is, as its slots are laid out and as the loaders describe it to the guest:
 *
 *   [0, 0x9fc00)           usable
 *   [0x9fc00, 0x100000)    memory, but reserved: EBDA, video and BIOS area, with the ACPI tables from 0xe0000 on; the rest
 *                          is zeros, and writes go nowhere else
 *   [1 MiB, min(size, 3 GiB))  usable
 *   [4 GiB, …)             usable: what a guest has above 3 GiB
 */
#ifndef HV_LOAD_GUEST_MEMORY_MAP_H
#define HV_LOAD_GUEST_MEMORY_MAP_H

#include <stdint.h>

#define GUEST_LOW_END   0x9fc00ull
#define GUEST_HIGH_BASE 0x100000ull
#define GUEST_BELOW_4G  0xc0000000ull  /* RAM below 4 GiB ends here at the latest */
#define GUEST_ABOVE_4G  0x100000000ull /* RAM beyond GUEST_BELOW_4G continues here */

enum { GUEST_MAP_USABLE = 1, GUEST_MAP_RESERVED = 2 }; /* the e820 and Multiboot numbers */

struct guest_map_entry {
    uint64_t base, size;
    uint32_t type;
};

enum { GUEST_MAP_MAX = 4 };

/* Fills map[GUEST_MAP_MAX] for a guest with `size` bytes of memory (a multiple of 4 KiB, at least 4 KiB); the count. */
unsigned guest_memory_map(uint64_t size, struct guest_map_entry *map);

#endif
