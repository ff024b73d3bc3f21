/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What most scenarios begin with: a VM that shows a backing of SCENE_PAGES pages from gfn SCENE_GFN on, with its guests.
 * Word 0 of each page holds scene_token() of the page. Everything is static, so it is brought back for each execution.
 */
#ifndef TESTS_EXPLORER_SCENE_H
#define TESTS_EXPLORER_SCENE_H

#include "mm/backing.h"
#include "mm/backing_change.h"
#include "mm/vm_memory.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/guest.h"

enum { SCENE_PAGES = 8, SCENE_GFN = 0x1000, SCENE_SLOT = 1, SCENE_GUESTS = 3 };

extern struct scene {
    struct vm_memory *vm;
    struct backing *backing;
    struct guest guest[SCENE_GUESTS];
    unsigned guests;
} scene;

/* The VM with `guests` vCPUs, and nothing mapped. */
void scene_start(unsigned guests);

/* The gpa of page n of the slot, and where it is after vm_memory_move_slot() by SCENE_MOVED pages. */
enum { SCENE_MOVED = 0x400 };
static inline u64 page(unsigned n)
{
    return (u64)(SCENE_GFN + n) << 12;
}
static inline u64 moved_page(unsigned n)
{
    return (u64)(SCENE_GFN + SCENE_MOVED + n) << 12;
}

static inline u64 scene_token(unsigned n)
{
    return 0x70ce0000 + n;
}

/* In setup: the guest reads the pages [0, n), so that they are mapped, and in its TLB. */
void scene_map(struct guest *guest, unsigned n);

/* What the backing holds now. 0 where it has no frame. */
u64 scene_content(struct backing *backing, unsigned n);

/* All invariants hold; then all is taken apart. */
void scene_check(void);

#endif
