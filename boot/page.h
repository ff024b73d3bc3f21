/* SPDX-License-Identifier: BSD-2-Clause */
/* The size of a page, of the processor's and of the firmware's. */
#ifndef BOOT_PAGE_H
#define BOOT_PAGE_H

#include <stdint.h>

#define PAGE_BYTES 4096ull

static inline uint64_t page_round_up(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

#endif
