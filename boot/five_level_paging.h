/* SPDX-License-Identifier: BSD-2-Clause */
/* slat's tables have four levels; firmware's may have five. */
#ifndef BOOT_FIVE_LEVEL_PAGING_H
#define BOOT_FIVE_LEVEL_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/processor.h"

static inline bool five_level_paging_is_on(void)
{
    return processor_cr4() & CR4_LA57;
}

/*
 * Goes on with the 4-level tables at `root`, which map all memory where it is. The code, the stack and the root table lie
 * below 4 GiB; interrupts are off, boot services have ended.
 */
void five_level_paging_leave(uint64_t root);

#endif
