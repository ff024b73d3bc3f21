/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's memory, from the boot application to the frame allocator. */
#ifndef HV_MEMORY_SETUP_H
#define HV_MEMORY_SETUP_H

#include "boot/handoff.h"
#include "mm/types.h"

/* Gives the machine's free RAM to the frame allocator. 0; -ENOMEM: there is no place for the allocator's own map. */
int memory_setup(const struct boot_info *info);

/*
 * `count` pages below 1 MiB in one piece that are RAM and that nobody uses after the handoff: what processors start in. They are
 * never given to the allocator. 0 or -ENOMEM. Before memory_setup_free_boot_data().
 */
int memory_setup_low_pages(const struct boot_info *info, unsigned count, hpa_t *pages);

/* What the boot application left for us to read is read: frees it. `info` and all it points to is gone afterwards. */
void memory_setup_free_boot_data(const struct boot_info *info);

/*
 * The most bytes that slat itself has occupied when it was noted: image, page tables, allocator's map, control structures,
 * EPT tables.
 */
void memory_setup_note_own_bytes(void);
uint64_t memory_setup_own_bytes(void);

#endif
