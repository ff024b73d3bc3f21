/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The image formats. Each has a test for its mark and a loader; image.c chooses. A loader returns 0 with result->start
 * set, or -EINVAL with result->error.
 */
#ifndef HV_LOAD_FORMATS_H
#define HV_LOAD_FORMATS_H

#include "hv/load/loader.h"

/*
 * Flat binary: the file as it is at conf->load, started at conf->entry in the mode conf->start. The whole file lies in
 * the guest's memory; the reserved area 0x9fc00..0x100000 is memory, and may be loaded into.
 *   real mode: CS is the entry's 64 KiB segment (0x7c00 starts as 0000:7c00, 0xffff0 as f000:fff0), the others 0
 *   32 and 64 bits: CS 0x10, the others 0x18, from the GDT of long_mode.h; 64 bits with its identity map
 *   the stack: 4 KiB, the highest that are free below the load address, and if there are none, below 4 GiB (real mode:
 *   below 0xfff0, SS 0)
 */
int flat_load(struct loader *loader);

/* Flat binary that starts at the reset vector: rom.c. */
int rom_load(struct loader *loader);

/* Multiboot 1: multiboot.c. */
bool multiboot_found(const struct image *image);
int multiboot_load(struct loader *loader);

/* PVH: pvh.c. An ELF file may turn out to be broken while the mark is looked for: -EINVAL with result->error. */
int pvh_find(struct loader *loader, bool *found);
int pvh_load(struct loader *loader);

/* Linux bzImage: linux.c. */
bool linux_found(const struct image *image);
int linux_load(struct loader *loader);

#endif
