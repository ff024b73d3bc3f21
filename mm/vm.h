/* SPDX-License-Identifier: BSD-2-Clause */
/* What is behind the public mm/vm_memory.h, for the files of mm/ only. */
#ifndef MM_VM_H
#define MM_VM_H

#include "mm/list.h"
#include "mm/memslots.h"
#include "mm/spinlock.h"
#include "mm/spt.h"
#include "mm/vcpu_memory.h"
#include "mm/vm_memory.h"

struct STRIPED fault_counts {
    u64 all, installed, spurious, retried, lockless;
};

struct vm_memory {
    /* the lock of the list of VMs: */
    struct list_node link;
    u64 users;    /* who found it in the list and still uses it */
    bool leaving; /* nobody finds it any more */
    /* own locks: */
    struct memslots slots;
    struct spt spt;
    /* vcpus_lock: */
    struct spinlock vcpus_lock;
    struct list_node vcpus; /* struct vcpu_memory */
    /* atomic: */
    u64 tlb_generation; /* moves with each flush */
    u64 unflushed;      /* gathers that have noted a removal and not flushed yet */
    u64 has_markers;    /* of devices; 0: certainly none (mm/device_marker.c) */
    u64 logging;        /* slots whose writes are logged */
    u64 harvested;      /* pages that harvests have reported */
    u64 flushes;
    bool wants_recovery; /* see vm_memory_wants_recovery() */
    struct fault_counts faults[STRIPES];
};

/* As mm_init() was told. */
extern struct mm_caps mm_capabilities;
static inline const struct mm_caps *mm_caps(void)
{
    return &mm_capabilities;
}

/*
 * All VMs, one after the other; NULL: the first, and at the end. The VM that is returned stays until it is given to the
 * next call, or to vm_put() by who stops before: so a VM may come or go while others are looked at.
 */
struct vm_memory *vm_next(struct vm_memory *vm);
void vm_put(struct vm_memory *vm);

/*
 * After each change of slots: if markers of devices could become as old as the counter in them is wide, all go (G7). No lock
 * is held. Yields.
 */
void vm_void_markers(struct vm_memory *vm);

/* stripe(), of a vCPU that is inside. */
static inline unsigned vcpu_stripe(const struct vcpu_memory *vcpu)
{
    return vcpu->processor % STRIPES;
}

/* The slot at `gfn` in `set`, which this vCPU reads, as memslots_find(); it remembers the last one (M6). */
struct memslot *vcpu_memory_find_slot(struct vcpu_memory *vcpu, struct memslot_set *set, gfn_t gfn);
static inline struct memslot *vcpu_memory_slot(struct vcpu_memory *vcpu, struct memslot_set *set, gfn_t gfn)
{
    if (__builtin_expect(vcpu->last_used_generation == set->generation && memslot_holds(vcpu->last_used, gfn), true))
        return vcpu->last_used;
    return vcpu_memory_find_slot(vcpu, set, gfn);
}

/*
 * For vcpu_memory_fault_inside(): maps the page of `gfn` by `entry`, which was found empty, of the table vcpu->walked; or the
 * 2M around it by one of vcpu->walked_large. False: nothing has changed, and it is mm/fault.c's.
 */
bool first_touch(struct vcpu_memory *vcpu, gfn_t gfn, u64 needed, u64 *entry);
bool first_touch_large(struct vcpu_memory *vcpu, gfn_t gfn, u64 needed, u64 *entry);

/* The leaf of `level` that leads to `pfn`, or the large page around it. */
static inline u64 spt_leaf(pfn_t pfn, enum level level, u64 permissions)
{
    if (level > LEVEL_4K && mm_caps()->nx_large)
        permissions &= ~EPT_EXECUTE; /* C7 */
    return ept_leaf((pfn_t){ pfn.v & ~(level_pages(level) - 1) }, level, permissions);
}

/* Adds them to the VM's. */
void vcpu_memory_count_quick_faults(struct vcpu_memory *vcpu);

/* Between begin and end of a change of slots: the slot has this log, or none, for all who look from now on. Yields. */
void vm_set_log(struct vm_memory *vm, struct memslot *slot, struct dirty_log *log);

/* Something that kept pages small is over, or may be. A hint, so nothing is ordered by it. */
static inline void vm_want_recovery(struct vm_memory *vm, bool wants)
{
    __atomic_store_n(&vm->wants_recovery, wants, __ATOMIC_RELAXED);
}

/* The id of the next slot from *at on, behind which *at is then. False: there is none. Slots may change between two calls. */
bool vm_next_slot(struct vm_memory *vm, gfn_t *at, u32 *id);

/* The first gfn that no guest of this processor can have. */
u64 vm_gfn_limit(void);

/* Whether [first, first + count) lies in [0, limit). */
static inline bool range_ends_within(u64 first, u64 count, u64 limit)
{
    return first <= limit && count <= limit - first;
}

/* The end of `npages` pages from `first` on, which may be more than there can be. */
static inline gfn_t vm_range_end(gfn_t first, u64 npages)
{
    u64 limit = vm_gfn_limit();

    return (gfn_t){ range_ends_within(first.v, npages, limit) ? first.v + npages : limit };
}

#endif
