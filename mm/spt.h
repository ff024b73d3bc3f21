/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second-level page table: a root and all tables below it. A VM has one for each role that its vCPUs use.
 *
 * Every change of an entry goes through spt_set_entry(): the one place that counts leaves, present entries and tables,
 * notes the flush, and takes apart what was below a replaced entry (H1, H7).
 */
#ifndef MM_SPT_H
#define MM_SPT_H

#include "mm/shadow_page.h"
#include "mm/spt_iter.h"
#include "mm/table_cache.h"
#include "mm/tlb_gather.h"

struct vm_memory;

struct spt {
    /* set once: */
    struct vm_memory *vm;
    struct shadow_page *root;
    /* atomic: */
    u64 tables;               /* with the root */
    u64 mapped[LEVEL_1G + 1]; /* leaves by level */
    /* exclusive ownership of the tree: */
    struct list_node pages; /* struct shadow_page: every table that is reachable */
};

/* Only a root, for `levels` levels. 0, -ENOMEM. */
int spt_create(struct spt *spt, struct vm_memory *vm, unsigned levels);

/* Zaps all and frees all. No vCPU uses it any more. Yields. */
void spt_destroy(struct spt *spt);

/* The first gfn that the tree cannot map. */
gfn_t spt_end(const struct spt *spt);

/*
 * Replaces the entry where `it` stands, if it is still it->old; then it->old = value. Otherwise false, with what is there
 * now in it->old. `gather` may be NULL where nothing is removed. A `value` that points to a table takes over a table of
 * spt_place_table().
 */
bool spt_set_entry(struct spt_iter *it, u64 value, struct tlb_gather *gather);

/* Makes `page` the record of a table that could hang under the entry where `it` stands. */
void spt_place_table(const struct spt_iter *it, struct shadow_page *page);

/* A guest frame and where it shall lead. */
struct spt_mapping {
    gfn_t gfn;
    pfn_t pfn; /* the frame of `gfn` itself, also within a large page */
    enum level level;
    u64 permissions; /* EPT_READ | … */
};

/* Tables that spt_map() would need now. A hint: it is read without the lock. */
unsigned spt_missing_tables(struct spt *spt, gfn_t gfn, enum level level);

/*
 * Maps, for an access that needs the permissions `needed`. 0, -EEXIST (an entry that permits it was there), -EAGAIN (more
 * tables are needed than `cache` has). Where smaller pages are mapped around `gfn` already, it maps one of their size.
 */
int spt_map(struct spt *spt, const struct spt_mapping *mapping, u64 needed, struct table_cache *cache,
            struct tlb_gather *gather);

/*
 * Removes all that maps a part of [first, end), also where a large page reaches beyond it, and the tables that become
 * empty. It stops after a bounded number of tables: then finish the gather and go on from the gfn that it returns, until
 * that is `end`.
 */
gfn_t spt_zap_range(struct spt *spt, gfn_t first, gfn_t end, struct tlb_gather *gather);

/* spt_zap_range() to the end, with flush, release and yield after each step. */
void spt_zap_all(struct spt *spt, gfn_t first, gfn_t end);

#endif
