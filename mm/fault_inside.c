/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two kinds of EPT violation that come once for every page, without leaving the stay in the guest: a page of 4K whose write
 * permission was only taken to see the next write, which needs nothing but the entry itself; and the first access to a page
 * whose table is there (mm/first_touch.c). The vCPU counts as inside since it entered, so no table that it can reach is freed
 * (P2). The same in every detail as what mm/fault.c does; what it cannot do, or does not know, is left to that. Every
 * instruction counts here.
 *
 * Interrupts are off, and somebody's flush may be waiting for this vCPU to leave: nothing here waits for anybody.
 */
#include "mm/atomic.h"
#include "mm/dirty_log.h"
#include "mm/dirty_ring.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

/*
 * As dirty_log_permitted(), for a vCPU without a ring. Where the processor logs it will do so once more, which says nothing
 * new: that is not worth asking.
 */
static inline void log_write(struct vcpu_memory *vcpu, gfn_t gfn)
{
    struct vm_memory *vm = vcpu->vm;

    if (__builtin_expect(atomic_read(&vm->logging) == 0, false))
        return;

    unsigned at = vcpu_stripe(vcpu);
    struct memslot_set *set = memslots_read_begin_on(&vm->slots, at);
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);
    struct dirty_log *log = slot == NULL ? NULL : memslots_log(set, slot);
    if (log != NULL)
        page_set_add(&log->written, gfn.v);
    memslots_read_end_on(set, at);
}

/*
 * A page of 4K is mapped by `entry`, which was `old`. Gives write permission back, if that was taken, and is all that a write
 * needs.
 */
static __attribute__((noinline)) bool give_back(struct vcpu_memory *vcpu, gfn_t gfn, u64 *entry, u64 old)
{
    if ((old & (EPT_READ | EPT_WRITE | EPT_MAY_WRITE)) != (EPT_READ | EPT_MAY_WRITE) ||
        !pte_cmpxchg(entry, &old, old | EPT_WRITE))
        return false;
    /* The permission first, then the log: see mm/fault.c. */
    if (__builtin_expect(vcpu->ring == NULL, true)) {
        log_write(vcpu, gfn);
    } else {
        dirty_log_permitted(vcpu, gfn);
        if (dirty_ring_is_full(vcpu->ring))
            return false;
    }
    vcpu->quick_faults++;
    return true;
}

/* By the entry of a table of pages of 4K. */
static inline bool resolve(struct vcpu_memory *vcpu, gfn_t gfn, u32 access, u64 *entry)
{
    u64 old = pte_read(entry);

    if (old == EPT_EMPTY)
        return first_touch(vcpu, gfn, access & EPT_PERMISSIONS, entry);
    return (access & (ACCESS_WRITE | ACCESS_EXECUTE)) == ACCESS_WRITE && give_back(vcpu, gfn, entry, old);
}

static inline void remember(struct walked_table *table, gfn_t gfn, enum level level, u64 *entries)
{
    *table = (struct walked_table){ .first = { gfn.v & ~(level_pages(level + 1) - 1) }, .entries = entries };
}

/* By the tree that the processor walks; the table in which it ends is remembered. */
static __attribute__((noinline)) bool walk_and_resolve(struct vcpu_memory *vcpu, gfn_t gfn, u32 access)
{
    u64 *entries = port_frame_address(vcpu->loaded), *entry;
    enum level level = vcpu->root->top;

    if (gfn.v >= spt_root_end(vcpu->root).v)
        return false;
    for (; entry = &entries[ept_index(gfn, level)], level > LEVEL_4K; level--) {
        u64 old = pte_read(entry);

        if (!ept_is_table(old, level)) {
            if (level != LEVEL_2M || old != EPT_EMPTY)
                return false;
            remember(&vcpu->walked_large, gfn, LEVEL_2M, entries);
            return first_touch_large(vcpu, gfn, access & EPT_PERMISSIONS, entry);
        }
        entries = port_frame_address(ept_frame(old));
    }
    remember(&vcpu->walked, gfn, LEVEL_4K, entries);
    return resolve(vcpu, gfn, access, entry);
}

/*
 * By the table of pages of 2M that is remembered, if the entry is empty; else there may be a table of pages of 4K. Whether
 * the remembered table is in the tree still is for first_touch_large() to ask, under the lock.
 */
static __attribute__((noinline)) bool resolve_large(struct vcpu_memory *vcpu, gfn_t gfn, u32 access)
{
    u64 offset = gfn.v - vcpu->walked_large.first.v;

    if (offset < EPT_ENTRIES * level_pages(LEVEL_2M)) {
        u64 *entry = &vcpu->walked_large.entries[offset / level_pages(LEVEL_2M)];

        if (pte_read(entry) == EPT_EMPTY)
            return first_touch_large(vcpu, gfn, access & EPT_PERMISSIONS, entry);
    }
    return walk_and_resolve(vcpu, gfn, access);
}

bool vcpu_memory_fault_inside(struct vcpu_memory *vcpu, gpa_t gpa, u32 access)
{
    const struct vm_memory *vm = vcpu->vm;
    gfn_t gfn = gpa_to_gfn(gpa);
    u64 offset = gfn.v - vcpu->walked.first.v;

    /* A flush that has begun waits for this vCPU to leave; one that begins from here on kicks it out of the guest. */
    if (atomic_read(&vm->tlb_generation) != vcpu->flushed)
        return false;
    /* A table that this stay has met before is in the tree still, unless a removal was noted that is not flushed yet. */
    if (offset >= EPT_ENTRIES || atomic_read(&vm->unflushed) != 0)
        return resolve_large(vcpu, gfn, access);
    return resolve(vcpu, gfn, access, &vcpu->walked.entries[offset]);
}

void vcpu_memory_count_quick_faults(struct vcpu_memory *vcpu)
{
    struct fault_counts *counts = &vcpu->vm->faults[stripe()];
    s64 count = (s64)vcpu->quick_faults, installed = (s64)vcpu->quick_installed;

    vcpu->quick_faults = 0;
    vcpu->quick_installed = 0;
    counter_add(&counts->all, count);
    counter_add(&counts->installed, installed);
    counter_add(&counts->spurious, count - installed);
    counter_add(&counts->lockless, count - installed);
}
