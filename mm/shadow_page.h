/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of one EPT table. It lies in a pool and is found from the table's frame by mm/frame_record.h.
 *
 * The role is what makes a table usable at a place besides its gfn: two tables may stand for each other only where both
 * gfn and role are equal, and the role contains the level (H3).
 */
#ifndef MM_SHADOW_PAGE_H
#define MM_SHADOW_PAGE_H

#include "mm/list.h"

union role {
    struct {
        u32 level : 4;   /* of the entries in the table: enum level */
        u32 levels : 4;  /* of the root that it belongs to: 4 or 5 */
        u32 view : 16;   /* 0: the memory as it is */
        u32 direct : 1;  /* maps guest frames by their number */
        u32 invalid : 1; /* dying: nothing is added below it, or taken from it */
    };
    u32 word;
};
static_assert(sizeof(union role) == sizeof(u32), "the word is the whole role");

struct shadow_page {
    /* set once, before the table is reachable: */
    pfn_t frame;
    gfn_t gfn; /* the first that the table covers */
    struct shadow_page *parent;
    u64 generation; /* of the VM's slots */
    /* atomic: */
    u64 present; /* entries */
    /* exclusive ownership of the tree: */
    union role role;
    struct list_node link; /* in spt->pages, then in a tlb_gather; in a table_cache before */
    /* mm/audit.c: */
    u64 audited; /* the pass that reached it */
};

/* A table that is wholly filled with empty entries (P1), not reachable, with its record. NULL: no memory. */
struct shadow_page *shadow_page_alloc(void);

/* Nothing can reach the table any more (P2: that is tlb_gather_release(), or it was never reachable). */
void shadow_page_free(struct shadow_page *page);

/* The record of a table by its frame. */
struct shadow_page *shadow_page_of(pfn_t frame);

static inline gfn_t shadow_page_end(const struct shadow_page *page)
{
    return (gfn_t){ page->gfn.v + level_pages((enum level)(page->role.level + 1)) };
}

#endif
