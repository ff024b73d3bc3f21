/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests/stress/stress_mm.c's threads share: two VMs that show two backings. Each backing's page has a word for each
 * thread that only this thread writes, so it knows what must stand there, whatever is done to the memory meanwhile:
 *  - in `steady`, whose content nobody takes away, exactly what it wrote last;
 *  - in `loose`, which has a balloon, that or zero.
 * A gfn says what it shows, if it shows anything: window n of each VM is for backing n % 2. The first two windows are always
 * full; in the others slots come and go, but only of the first VM: in the second one most pages are mapped once at the most, so
 * that a flush that is missing for one mapping is not made for another one.
 */
#ifndef TESTS_STRESS_MM_WORLD_H
#define TESTS_STRESS_MM_WORLD_H

#include "tests/stress/stress.h"

#include "mm/atomic.h"
#include "mm/backing_change.h"

enum { VCPUS = 3, OPERATORS = 3, THREADS = VCPUS + OPERATORS };
enum { VMS = 2, STEADY = 0, LOOSE = 1, BACKINGS = 2 };
enum { STEADY_PAGES = 1536, LOOSE_PAGES = 1100, FROZEN_FIRST = 1024, MAX_PAGES = STEADY_PAGES };

enum {
    WINDOW = 2048, /* gfns */
    WINDOWS = 10,
    HOME_WINDOWS = 2,   /* each wholly of one slot, with the window's number as its id */
    FROZEN_WINDOW = 2,  /* the same from FROZEN_FIRST on, and sometimes read-only */
    CHANGING_WINDOW = 3 /* the first where slots come and go */
};

/* Words of a page: 8 bytes for each vCPU's thread, then those that are written in clones only; then an area for each operator. */
enum { OWN_WORD = 0, CLONE_WORD = 64, AREA = 256, AREA_SIZE = 256, AREA_WORDS = AREA_SIZE / 8 };

struct world_vm {
    struct vm_memory *vm;
    u64 frozen;   /* odd: since then, until it moves, FROZEN_WINDOW is read-only */
    u64 freezing; /* a thread does that */
};

struct world {
    struct backing *backings[BACKINGS];
    struct world_vm vms[VMS];
    /* By thread and page of `steady`: what it began to write last, and what it has written. */
    u64 begun[VCPUS][STEADY_PAGES], done[VCPUS][STEADY_PAGES];
    u64 retired;
    u64 hot; /* the page around which most things happen, so that they happen to the same pages */
};
extern struct world world;

static inline u64 pages_of(unsigned backing)
{
    return backing == STEADY ? STEADY_PAGES : LOOSE_PAGES;
}

/* Where page 0 of a window's backing would be: some large pages cannot be, in some windows (C5). */
static inline u64 window_base(u64 window)
{
    return window * WINDOW + (window == 6 || window == 7 ? 8 : window == 8 ? 1 : 0);
}

struct shown {
    unsigned backing;
    u64 window, page;
};

/* False: nothing, ever. */
bool world_decode(gfn_t gfn, struct shown *shown);

/* What a thread's `count`th value for a page is: no two pages have the same. */
static inline u64 value_of(unsigned backing, u64 page, u64 count)
{
    return count == 0 ? 0 : (u64)(backing + 1) << 56 | page << 40 | (count & 0xffffffffff);
}

/* Of `backing`, most often around the hot one. */
u64 world_page(unsigned backing, u64 *seed);

/* Most often the hot one, which is full. */
u64 world_window(u64 *seed);

void world_begin(void);
void world_end(void);

/* What a thread did, for the line at the end. */
enum counted { COUNT_STAYS, COUNT_ACCESSES, COUNT_WRITES, COUNT_FAULTS, COUNT_OPERATIONS, COUNT_PRIVATE, COUNT_KINDS };
void world_count(enum counted kind);
void world_report(void);

/* The threads, until world_goes_on() says no; it waits while all others stand still and the memory is audited. */
void vcpu_thread(unsigned number, u64 *seed);
void operator_thread(unsigned number, u64 *seed);
bool world_goes_on(unsigned number);
void operator_kicked(struct vm_memory *vm);
/* Whether world_goes_on() is about to wait: a vCPU, which holds tables, must not exist then. */
bool world_stands_still(void);

/* One VM's life, with memory of its own and a clone of somebody else's (mm_private.c). */
void private_life(unsigned number, u64 *seed);

/* The area of operator `number` in a page, as its own guest accesses see it (mm_operator.c). */
void area_check(struct vm_memory *vm, gfn_t base, unsigned number, unsigned backing, u64 page);

#endif
