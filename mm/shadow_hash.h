/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of a VM by what they are: generation, gfn and role (H2, H3). Only VMs with a second root have it (H5, H6).
 */
#ifndef MM_SHADOW_HASH_H
#define MM_SHADOW_HASH_H

#include "mm/shadow_page.h"
#include "mm/spinlock.h"

struct shadow_hash {
    /* set once: */
    unsigned order; /* of the block of frames that the buckets lie in */
    struct shadow_page **buckets;
    u64 mask;
    /* lock: */
    struct spinlock lock;
};

/* Room for about `tables` tables with short chains. NULL: no memory. */
struct shadow_hash *shadow_hash_create(u64 tables);
void shadow_hash_destroy(struct shadow_hash *hash);

/*
 * The table with gfn, role and generation of `wanted`, with one more reference; if there is none, `wanted` is added, with
 * the reference that it has. One step for everybody else.
 */
struct shadow_page *shadow_hash_find_or_add(struct shadow_hash *hash, struct shadow_page *wanted);

/* Gives up a reference. Whether it was the last: then the table is not found any more. */
bool shadow_hash_put(struct shadow_hash *hash, struct shadow_page *page);

/* For mm/audit.c: the table that is found for the key of `page`, NULL: none; and how many tables there are. */
struct shadow_page *shadow_hash_find(struct shadow_hash *hash, const struct shadow_page *page);
u64 shadow_hash_count(const struct shadow_hash *hash);

#endif
