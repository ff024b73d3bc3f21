/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that outlive boot services, and what the hypervisor will be told about them. */
#ifndef BOOT_OWN_MEMORY_H
#define BOOT_OWN_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "boot/handoff.h"

/* The ranges are these, and are kept until the end. */
enum { OWN_MEMORY_MAX = CONF_MAX_GUESTS * (1 + CONF_MAX_MODULES) + 16 };

/*
 * Contiguous pages for `size` bytes, not zeroed; their address is both virtual and physical. `alignment` is a power of two,
 * at least 4096. The firmware chooses where, also above 4 GiB. NULL: there are none.
 */
void *own_memory_allocate(uint64_t size, uint64_t alignment, enum memory_type type);

void own_memory_free(void *pages);

/* Says that the end of an allocation, from the page border `end` on, is MEMORY_FREE after all; also after boot services. */
void own_memory_cut(void *pages, uint64_t end);

const struct memory_range *own_memory_ranges(size_t *count);

#endif
