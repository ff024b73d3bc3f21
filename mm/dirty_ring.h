/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other interface to a dirty log: each vCPU has a ring of the pages that it wrote, in the order of writing. What
 * is in the log is what counts; a ring tells where to look, and holds its vCPU back while it is full. So nothing is
 * lost where a page does not come into a ring: because the hypervisor wrote it, or because it was logged already.
 */
#ifndef MM_DIRTY_RING_H
#define MM_DIRTY_RING_H

#include "mm/dirty_log.h"

/* PML_ENTRIES: the processor logs so many writes before it exits. A ring has at least twice as many places. */
enum { PML_ENTRIES = 512, DIRTY_RING_MIN = 2 * PML_ENTRIES, DIRTY_RING_MAX = 1 << 18 };

struct dirty_ring {
    /* set once: */
    u64 size; /* a power of 2 */
    unsigned order;
    u64 *gfns;
    /* atomic: */
    u64 head;    /* moves with each page that is put in: the vCPU's */
    u64 tail;    /* moves with each one that is taken: whoever reaps */
    u64 dropped; /* pages that were found in the log but had no room here */
};

/*
 * The vCPU, which is not inside, has a ring of `entries` places, a power of 2, from now on. 0, -EINVAL, -EEXIST,
 * -ENOMEM. Closing takes it away; then nobody reaps.
 */
int vcpu_memory_open_ring(struct vcpu_memory *vcpu, u64 entries);
void vcpu_memory_close_ring(struct vcpu_memory *vcpu);

/*
 * Takes up to `max` entries out of the rings of the VM's vCPUs, first where the least room is left; takes their pages
 * out of the log of `user`, arms them again, with one flush for each slot, and puts them into `report`, a set of
 * gfns, whose pages are to be read afterwards. What lies outside of it stays in the log. One task at a time for each
 * VM. Yields. The number of entries that were taken: 0 also where memory does not suffice.
 */
u64 vm_memory_reap(struct vm_memory *vm, enum dirty_user user, u64 max, struct page_set *report);

/* ---- inside mm/ */

/* The vCPU's own processor only. */
void dirty_ring_put(struct dirty_ring *ring, gfn_t gfn);

/* Whether what one more stay in the guest can log does not fit. */
static inline bool dirty_ring_is_full(const struct dirty_ring *ring)
{
    return atomic_read(&ring->head) - atomic_read(&ring->tail) + PML_ENTRIES + 1 > ring->size;
}

#endif
