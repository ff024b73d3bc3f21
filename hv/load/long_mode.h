/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest that starts in protected or in 64-bit mode finds in its memory: a small GDT, and identity page tables for
 * the first 4 GiB in 2 MiB pages. Both are placed as high as is free below 0x90000 (the GDT at 0x8ffe0 and the tables at
 * 0x89000..0x8f000 if nothing else is there), and where the image takes all of that, at the lowest free place from 1 MiB
 * on. They are ordinary memory of the guest, described as usable: a guest that goes on using it makes its own.
 */
#ifndef HV_LOAD_LONG_MODE_H
#define HV_LOAD_LONG_MODE_H

#include "hv/load/loader.h"

#define BOOT_STRUCTURES_END \
    0x90000ull /* loaders put their own structures below; the stack of a kernel at 1 MiB is above */

/* Linux calls them __BOOT_CS and __BOOT_DS; 0x08 is 32-bit code in both modes. */
enum { BOOT_CS = 0x10, BOOT_DS = 0x18 };

#define IDENTITY_MAP_END 0x100000000ull

/* A free place of `size` bytes as described above, claimed. 0, or -EINVAL with result->error. */
int boot_structure_place(struct loader *loader, uint64_t size, uint64_t align, const char *what, uint64_t *base);

/* Writes the GDT, and sets the segment selectors and GDT of `start` according to its mode. 0, or -EINVAL. */
int boot_gdt_place(struct loader *loader, struct guest_start *start);

/* Writes the page tables and sets start->cr3. 0, or -EINVAL with result->error. */
int identity_map_place(struct loader *loader, struct guest_start *start);

#endif
