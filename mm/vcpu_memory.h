/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a virtual CPU has of its own in the memory core: the root it runs on, what it was told to flush, tables for its next
 * fault. A part of the hypervisor's vCPU; used by one processor at a time.
 *
 * vcpu_memory_enter() and _leave() stand around every stay in the guest, vcpu_memory_walk_begin() and _end() around every
 * walk of tables that the hypervisor does for this vCPU without a lock. Who flushes waits until nobody is inside who came
 * in before (mm/tlb.c), so tables are freed only when neither hardware nor such a walk can be in them (P2).
 */
#ifndef MM_VCPU_MEMORY_H
#define MM_VCPU_MEMORY_H

#include "mm/list.h"
#include "mm/table_cache.h"

struct vm_memory;
struct memslot;
struct spt_root;
struct dirty_ring;

/* Far from every gfn, and from every generation of slots. */
#define NO_GFN        ((gfn_t){ 1ull << 63 })
#define NO_GENERATION (1ull << 63)

enum { VCPU_COMING_IN = 1, VCPU_INSIDE = 2 };

/* A table that vcpu_memory_fault_inside() met in this stay. */
struct walked_table {
    gfn_t first; /* that it covers; NO_GFN: none was met */
    u64 *entries;
    struct shadow_page *page; /* its record; NULL: not asked for yet */
};

struct vcpu_memory {
    /* set once: */
    struct vm_memory *vm;
    /* vm->vcpus_lock: */
    struct list_node link;
    /* atomic: */
    u64 inside; /* 0: outside; VCPU_COMING_IN; or VCPU_INSIDE + the TLB generation that was read when it came in */
    /* this vCPU only: */
    struct spt_root *root;
    pfn_t loaded;                     /* the root's frame at the last entry */
    u64 flushed;                      /* the VM's TLB generation at the last entry */
    bool has_run;                     /* `loaded`, `flushed` and `processor` say something */
    unsigned processor;               /* of the last entry: translations are the processor's */
    struct table_cache cache;         /* for the next fault, filled before any lock is taken */
    struct memslot *last_used;        /* of the slots' generation `last_used_generation` only (M6) */
    u64 last_used_generation;         /* NO_GENERATION: there is none */
    struct dirty_ring *ring;          /* NULL: none */
    struct walked_table walked;       /* the last one of pages of 4K */
    struct walked_table walked_large; /* of pages of 2M */
    u64 quick_faults;                 /* successes of vcpu_memory_fault_inside() in this stay */
    u64 quick_installed;              /* of which installed an entry */
};

/* The vCPU looks at the memory as it is, through a root for as many levels as mm_init() was told. */
void vcpu_memory_init(struct vcpu_memory *vcpu, struct vm_memory *vm);

/* It does not run and will not any more. */
void vcpu_memory_destroy(struct vcpu_memory *vcpu);

/*
 * From the next entry on the vCPU uses `view` (0: the memory as it is) through a root for `levels` levels, 4 or 5; whether
 * the processor can walk so many is the caller's to know. 0, -ENOENT (there is no such view), -ENOMEM, -EINVAL; on an error
 * it stays where it was.
 */
int vcpu_memory_select(struct vcpu_memory *vcpu, u32 view, unsigned levels);

struct vcpu_entry {
    pfn_t root; /* for the EPTP */
    unsigned levels;
    bool invept;  /* single-context INVEPT of that root is due (G5) */
    bool log;     /* the processor shall log modifications (PML), and vm_memory_log_writes() be called at the exit */
    bool blocked; /* not to be entered: the dirty ring has no room. vcpu_memory_leave(), and let others run */
};

/*
 * Right before VM entry, with interrupts off, so that a kick that comes from here on ends the stay in the guest at once.
 * The caller does what the result says and enters, or calls vcpu_memory_leave().
 */
struct vcpu_entry vcpu_memory_enter(struct vcpu_memory *vcpu);

/*
 * Between vcpu_memory_enter() and _leave(), after an exit for an EPT violation of kind `access` (ACCESS_ bits, others are
 * ignored) at `gpa`: where write permission is all that is missing, and was only taken to see the write, gives it back and
 * logs the write; where the page was not mapped yet, and all that it takes is there, maps it. True: the vCPU may enter again
 * as if it had not come out, all that vcpu_memory_enter() said still holds. False: vcpu_memory_leave() and vm_memory_fault(),
 * which finds what is left to do.
 */
bool vcpu_memory_fault_inside(struct vcpu_memory *vcpu, gpa_t gpa, u32 access);

/* Right after VM exit. */
void vcpu_memory_leave(struct vcpu_memory *vcpu);

/* Around a walk of tables without a lock. Short: nothing waits inside, and the vCPU is not in the guest. */
void vcpu_memory_walk_begin(struct vcpu_memory *vcpu);
void vcpu_memory_walk_end(struct vcpu_memory *vcpu);

#endif
