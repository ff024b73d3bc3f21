/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's memory, from the boot application to the frame allocator. */
#ifndef HV_MEMORY_SETUP_H
#define HV_MEMORY_SETUP_H

#include "boot/handoff.h"

/* Gives the machine's free RAM to the frame allocator. 0; -ENOMEM: there is no place for the allocator's own map. */
int memory_setup(const struct boot_info *info);

/* What the boot application left for us to read is read: frees it. `info` and all it points to is gone afterwards. */
void memory_setup_free_boot_data(const struct boot_info *info);

/*
 * The most bytes that slat itself has occupied when it was noted: image, page tables, allocator's map, control structures,
 * EPT tables.
 */
void memory_setup_note_own_bytes(void);
uint64_t memory_setup_own_bytes(void);

#endif
