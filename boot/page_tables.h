/* SPDX-License-Identifier: BSD-2-Clause */
/* Building 4-level page tables where physical addresses are the addresses in use, as under UEFI (and, by a trick, in tests). */
#ifndef BOOT_PAGE_TABLES_H
#define BOOT_PAGE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of an entry: SDM vol. 3, "4-Level Paging and 5-Level Paging", the tables of entry formats. */
#define PTE_PRESENT    0x001ull
#define PTE_WRITABLE   0x002ull
#define PTE_PWT        0x008ull
#define PTE_PCD        0x010ull
#define PTE_LARGE      0x080ull /* a 2M or 1G page */
#define PTE_NO_EXECUTE (1ull << 63)
#define PTE_ADDRESS    0x000ffffffffff000ull

/* Flags of a mapping: any of PTE_WRITABLE, PTE_NO_EXECUTE, PTE_PWT, PTE_PCD; present is understood. */
struct mapping {
    uint64_t virtual;
    uint64_t physical;
    uint64_t size; /* bytes; like both addresses a multiple of 4 KiB */
    uint64_t flags;
    int largest_level; /* of the pages: 1 4K, 2 2M, 3 1G */
};

/* Where tables come from: contiguous pages, used from the first to the last. */
struct table_pool {
    uint64_t next; /* physical address of the next unused page */
    uint64_t end;
};

/* A zeroed table; 0 if the pool is used up. */
uint64_t table_pool_take(struct table_pool *pool);

/*
 * Adds the mapping to the tables below `root`, with the largest pages that fit, and never maps a byte more.
 * Returns 0; -ENOMEM if the pool is used up; -EEXIST if something of it is mapped already; -EINVAL if it is not aligned.
 * After an error the tables are of no use.
 */
int page_tables_map(struct table_pool *pool, uint64_t root, const struct mapping *mapping);

/* An upper bound of the tables that page_tables_map() takes for it. */
size_t page_tables_bound(const struct mapping *mapping);

/* Makes the table for the 512 GiB at `virtual`, although it maps nothing yet. Returns 0 or -ENOMEM. */
int page_tables_prepare(struct table_pool *pool, uint64_t root, uint64_t virtual);

#endif
