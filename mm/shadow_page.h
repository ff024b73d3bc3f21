/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of one EPT table. It lies in a pool and is found from the table's frame by mm/frame_record.h.
 *
 * The role is what makes a table usable at a place besides its gfn: two tables may stand for each other only where both
 * gfn and role are equal, and the role contains the level (H3). How many levels its root has is not in it: EPT entries look
 * the same below roots of 4 and of 5 levels, and so a 4-level root is also the first table below a 5-level one. Whether it is
 * dying is not in it either: that is its generation.
 */
#ifndef MM_SHADOW_PAGE_H
#define MM_SHADOW_PAGE_H

#include "mm/list.h"

union role {
    struct {
        u32 level : 4; /* of the entries in the table: enum level */
        u32 view : 16; /* 0: the memory as it is */
        u32 zero : 12; /* named, so that initializers set it */
    };
    u32 word;
};
static_assert(sizeof(union role) == sizeof(u32), "the word is the whole role");

struct shadow_page {
    /* set once, before the table is reachable: */
    pfn_t frame;
    gfn_t gfn; /* the first that the table covers */
    union role role;
    u64 generation; /* of the VM's tables: spt->generation */
    /* atomic: */
    u64 present; /* entries */
    /* the hash's lock, or, without a hash, the VM's lock: */
    u64 references; /* entries and roots that lead to it */
    struct shadow_page *hash_next;
    /* spt->pages_lock while it is in spt->pages; then in a tlb_gather; before, in a table_cache: */
    struct list_node link;
    /* spt->pages_lock: */
    struct list_node executed; /* in spt->executed; next == NULL: it is not */
    /* mm/audit.c: */
    u64 audited;          /* the pass that reached it */
    u64 audit_references; /* how often */
};

/* A table that is not reachable, with its record, whose entries are anything yet. NULL: no memory. */
struct shadow_page *shadow_page_alloc(void);

/* Fills a table that is not reachable yet (P1): entry n becomes `entry` + n * `step`. */
void shadow_page_fill(struct shadow_page *page, u64 entry, u64 step);

/* Nothing can reach the table any more (P2: that is tlb_gather_release(), or it was never reachable). */
void shadow_page_free(struct shadow_page *page);

/* The record of a table by its frame. */
struct shadow_page *shadow_page_of(pfn_t frame);

static inline gfn_t shadow_page_end(const struct shadow_page *page)
{
    return (gfn_t){ page->gfn.v + level_pages((enum level)(page->role.level + 1)) };
}

#endif
