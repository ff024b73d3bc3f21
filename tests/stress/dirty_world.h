/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests/stress/stress_dirty.c's threads share. A VM shows one backing in three slots: aligned, off by one page, and small.
 * In each page every vCPU's thread has a word that only it writes. The mirror is what a migration would have sent: a copy of
 * each page as it was when it was last read after a report of the log. Whenever all stand still, and the last report is read, it
 * must be equal to the memory: then no write was lost.
 *
 * After some time the VM gives way to another one, on another kind of processor.
 */
#ifndef TESTS_STRESS_DIRTY_WORLD_H
#define TESTS_STRESS_DIRTY_WORLD_H

#include "tests/stress/guest.h"
#include "tests/stress/stress.h"

enum { DIRTY_VCPUS = 3, MIRROR = DIRTY_VCPUS, CHANGERS = 2, DIRTY_THREADS = DIRTY_VCPUS + 1 + CHANGERS };
enum { SLOTS = 3, PAGES = 1600, PAGE_WORDS = PAGE_SIZE / sizeof(u64), WORD_STEP = 8 };

/* The last slot is here or there, and moves. */
enum { MOVING = SLOTS - 1, PLACES = 2 };

struct dirty_slot {
    gfn_t base[PLACES]; /* equal, where it does not move */
    u64 offset, npages;
};
extern const struct dirty_slot dirty_slots[SLOTS];

struct dirty_world {
    struct vm_memory *vm;
    struct backing *backing;
    u64 hot;    /* page around which most is written */
    u64 writes; /* by all vCPUs, since the program began */
    u64 stale;  /* of which through a translation of before the last kick */
};
extern struct dirty_world dirty_world;

/* A gfn of some slot, or where it may be, most often near the hot page. */
gfn_t dirty_gfn(u64 *seed);

/* The page of the backing that a gfn shows, if it shows something. False: it never does. */
bool dirty_decode(gfn_t gfn, u64 *page);

/* Between two lives of a VM, and while the mirror is compared, everybody waits here, with no vCPU. False: the end. */
bool dirty_goes_on(unsigned number);
/* Whether the others wait, or are about to. */
bool dirty_stands_still(void);
/* The number of this VM. */
u64 dirty_life(void);

/* The threads. */
void dirty_vcpu(unsigned number, u64 *seed);
void dirty_changer(unsigned number, u64 *seed);

/* The mirror's: when the VM has come, while it runs, while all stand still, before the VM goes. */
void dirty_mirror_begin(u64 *seed);
void dirty_mirror_step(u64 *seed);
void dirty_compare(void);
void dirty_mirror_end(void);
u64 dirty_reports(void);

#endif
