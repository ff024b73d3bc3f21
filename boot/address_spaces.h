/* SPDX-License-Identifier: BSD-2-Clause */
/* The two sets of page tables that boot/handoff.h promises. */
#ifndef BOOT_ADDRESS_SPACES_H
#define BOOT_ADDRESS_SPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/handoff.h"
#include "boot/load_hypervisor.h"
#include "boot/page_tables.h"

struct address_spaces {
    /* What to map: */
    const struct memory_range *ranges; /* sorted, without overlap */
    size_t range_count;
    const struct hypervisor_layout *layout;
    uint64_t image_base;  /* physical address of what is at IMAGE_BASE */
    uint64_t switch_page; /* physical address */
    int largest_level;    /* 3 if the processor has 1G pages, else 2 */

    /* What address_spaces_build() makes, physical addresses: */
    uint64_t hypervisor_root;
    uint64_t firmware_root;
};

/* An upper bound of the pages that address_spaces_build() takes. */
size_t address_spaces_bound(const struct address_spaces *spaces);

/* Returns 0, -ENOMEM if the pool is used up, or what page_tables_map() returns if the ranges overlap. */
int address_spaces_build(struct address_spaces *spaces, struct table_pool *pool);

#endif
