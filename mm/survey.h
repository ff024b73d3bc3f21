/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A look at what a VM's tables map, for people: nothing decides by it, and it may be old when it is read. It looks at the memory
 * as it is, not at views. In bounded steps; no lock is held; yields.
 */
#ifndef MM_SURVEY_H
#define MM_SURVEY_H

#include "mm/types.h"

struct vm_memory;

struct table_survey {
    /* index: the level of the entries */
    u64 tables[LEVEL_256T + 1];
    u64 leaves[LEVEL_1G + 1];
    u64 read_only[LEVEL_1G + 1]; /* of the leaves: without write permission */
    u64 dirty[LEVEL_1G + 1];     /* with D */
};

void vm_memory_survey_tables(struct vm_memory *vm, struct table_survey *survey);

/* All in pages. */
struct region_survey {
    u64 memory;               /* that a slot shows */
    u64 mapped[LEVEL_1G + 1]; /* by leaves of this level */
    u64 dirty;                /* in the log where the slot is logged; else in leaves with D */
    u64 shared;               /* mapped, and more than one page leads to the frame */
};

void vm_memory_survey_region(struct vm_memory *vm, gfn_t first, u64 npages, struct region_survey *survey);

#endif
