/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One processor's use of EPT, as adversarial as the manual permits: Intel SDM vol. 3, chapter "VMX Support for Address
 * Translation", sections "Accessed and Dirty Flags for EPT" and "Caching Translation Information".
 *
 * It has a TLB (guest-physical translations) and a paging-structure cache (pointers to tables below the root), both tagged
 * with the EP4TA, the root's frame. While it is in a guest it may load anything that is reachable, from memory or through
 * what it has cached already, at any time, and goes on using it until an INVEPT, also for other guests' stays in between.
 * Each access picks its way: a cached translation, a walk from a cached pointer, or one from the root. A walk reads the
 * tables as they are in memory now, whatever has become of them, and sets A and D bits there.
 *
 * It logs modifications (PML; section "Page-Modification Logging") while the driver says so: who sets a D bit logs its page.
 *
 * Nothing here comes from mm/ but the names of levels, and frame_watch() for whether a table still is one.
 */
#ifndef TESTS_HARDWARE_CPU_H
#define TESTS_HARDWARE_CPU_H

#include "mm/vm_memory.h"

enum { CPU_TRANSLATIONS = 192, CPU_POINTERS = 96, CPU_LOG = 512 };

struct cpu_translation {
    pfn_t ep4ta;
    gfn_t first;
    enum level level;
    pfn_t frame; /* of `first` */
    u32 permissions;
    bool dirty; /* the D bit was seen set: it is not set again */
};

struct cpu_pointer {
    pfn_t ep4ta;
    gfn_t first;      /* that the table covers */
    enum level level; /* of its entries */
    pfn_t table;
    u32 permissions; /* of all entries above */
    u64 serial;      /* of the table's allocation */
};

enum cpu_policy {
    CPU_RANDOM,  /* any way, and forgets now and then */
    CPU_STALEST, /* forgets nothing, and uses the oldest that it has: translations first, then pointers, then the root */
};

/* What the tables' owner did wrong. */
enum cpu_error {
    CPU_NO_ERROR,
    CPU_FREED_TABLE,     /* a walk came through a frame that is no table any more, or another table */
    CPU_FREED_FRAME,     /* a translation leads to a frame that is not a guest's */
    CPU_MISCONFIGURATION /* an entry that the processor does not have */
};

enum cpu_result {
    CPU_HIT,
    CPU_VIOLATION,     /* EPT violation */
    CPU_MISCONFIGURED, /* EPT misconfiguration: of the device marker, or with cpu->error */
    CPU_LOG_FULL,      /* there is no room to log what the access would modify: it was not done */
};

struct cpu {
    /* set by the test: */
    const struct mm_caps *caps;
    enum cpu_policy policy;
    u64 *seed;
    /* the current stay: */
    bool in_guest;
    struct cpu_pointer root;
    /* the driver's: */
    bool logs;          /* modifications, in this stay */
    unsigned log_count; /* since the driver has emptied it */
    unsigned log_size;  /* at most CPU_LOG */
    u64 log[CPU_LOG];   /* guest-physical addresses */
    /* caches: */
    unsigned translation_count, pointer_count;
    struct cpu_translation translations[CPU_TRANSLATIONS];
    struct cpu_pointer pointers[CPU_POINTERS];
    /* results: */
    enum cpu_error error;
    u64 walks, hits, stale_walks; /* stale_walks: began at a cached pointer */
    u64 logged, stale_writes; /* stale_writes: where the tables in memory do not permit it any more, or do not say D */
};

void cpu_init(struct cpu *cpu, const struct mm_caps *caps, enum cpu_policy policy, u64 *seed);

/* VM entry and exit. The caches stay. */
void cpu_enter(struct cpu *cpu, pfn_t root, unsigned levels);
void cpu_leave(struct cpu *cpu);

/* Single-context INVEPT. */
void cpu_invept(struct cpu *cpu, pfn_t root);

/* An access of kind `access` (ACCESS_ bits); `frame` of a hit is the one that `gfn` leads to. In the guest. */
enum cpu_result cpu_access(struct cpu *cpu, gfn_t gfn, u32 access, pfn_t *frame);

/* Loads what leads to `gfn` into the caches, as processors do whenever they want to. In the guest. */
void cpu_speculate(struct cpu *cpu, gfn_t gfn);

const char *cpu_error_text(enum cpu_error error);

#endif
