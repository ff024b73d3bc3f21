/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor in a guest, whose translations stay until an INVEPT takes them: of pages (TLB), and of the tables of 2M regions
 * (the paging-structure cache). It leaves the guest some accesses after it was kicked. Where it logs modifications (PML), a
 * write that sets D in an entry is logged; one through a translation that had D before is not, whatever the entry says by now.
 */
#ifndef TESTS_STRESS_GUEST_H
#define TESTS_STRESS_GUEST_H

#include "mm/dirty_ring.h"
#include "mm/vm.h"

enum { GUEST_TLB = 64, GUEST_TABLES = 16, GUEST_THREADS = 16 };

struct guest_translation {
    pfn_t root; /* 0: none */
    u64 tag;    /* gfn, or for a table gfn / 512 */
    pfn_t pfn;
    u64 permissions;
    bool dirty;
};

struct guest {
    struct vcpu_memory memory;
    u64 *seed;
    /* in the guest: */
    struct vcpu_entry entry;
    unsigned late, latency; /* accesses since it was kicked, and how many there will be */
    struct guest_translation tlb[GUEST_TLB], tables[GUEST_TABLES];
    unsigned logged;
    u64 log[PML_ENTRIES];
};

/* Tells all guests of all threads that are of this VM. */
void guest_kick(struct vm_memory *vm);

/* The calling thread's vCPU of `vm`; one at a time. */
void guest_init(struct guest *guest, struct vm_memory *vm, u64 *seed);
void guest_destroy(struct guest *guest);

void guest_enter(struct guest *guest);
void guest_leave(struct guest *guest);

/* Whether it goes on, although it may have been kicked. */
bool guest_may_stay(struct guest *guest);

/* Whether it was kicked, and has not left yet; and then an access that it needs no table for. */
bool guest_is_late(const struct guest *guest, gfn_t *gfn, u64 *needed);

/* GUEST_FULL: there is no room to log it; the guest is left, and nothing else is to be done. */
enum guest_result { GUEST_DONE, GUEST_VIOLATION, GUEST_MISCONFIGURATION, GUEST_FULL };

/* Where an access, EPT_READ or with EPT_WRITE, leads now: a word of the frame. */
enum guest_result guest_translate(struct guest *guest, gfn_t gfn, u64 needed, unsigned word, u64 **address);

/* As the whole of an exit for a violation. Not in the guest. */
enum fault_result guest_fault(struct guest *guest, gfn_t gfn, u64 needed);

#endif
