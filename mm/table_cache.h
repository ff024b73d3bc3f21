/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables that were taken from the allocator before a walk that may need them, because nothing is allocated under the lock.
 * Each vCPU has one for its faults; one for an operation is a variable, and what it did not use goes back when that leaves
 * its scope (R3).
 */
#ifndef MM_TABLE_CACHE_H
#define MM_TABLE_CACHE_H

#include "mm/shadow_page.h"

struct table_cache {
    struct list_node pages;
    unsigned count;
};

#define TABLE_CACHE(name) \
    __attribute__((cleanup(table_cache_drain))) struct table_cache name = { LIST_EMPTY((name).pages), 0 }

/* Adds tables until there are `count`. 0, -ENOMEM (what was added stays). */
int table_cache_fill(struct table_cache *cache, unsigned count);

/* NULL: it is empty. */
struct shadow_page *table_cache_take(struct table_cache *cache);

/* Gives back a table that was taken but not published. */
void table_cache_return(struct table_cache *cache, struct shadow_page *page);

void table_cache_drain(struct table_cache *cache);

#endif
