/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one kind of EPT violation that needs nothing but the entry itself: a page of 4K whose write permission was only taken to
 * see the next write. The vCPU counts as inside since it entered, so no table that it can reach is freed (P2), and it need
 * not leave and come in for this. The same in every detail as what mm/fault.c does without a lock; what it cannot do, or
 * does not know, is left to that. Every instruction counts here: each first write to a logged page comes through it.
 */
#include "mm/atomic.h"
#include "mm/dirty_log.h"
#include "mm/dirty_ring.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

/* The table of entries of 4K in the tree that the processor walks, remembered; NULL: there is none. */
static __attribute__((noinline)) u64 *walk(struct vcpu_memory *vcpu, gfn_t gfn)
{
    enum level level = vcpu->root->top;

    if (gfn.v >= spt_root_end(vcpu->root).v)
        return NULL;

    u64 *table = port_frame_address(vcpu->loaded);
    for (; level > LEVEL_4K; level--) {
        u64 entry = pte_read(&table[ept_index(gfn, level)]);

        if (!ept_is_table(entry, level))
            return NULL;
        table = port_frame_address(ept_frame(entry));
    }
    vcpu->walked = table;
    vcpu->walked_first = (gfn_t){ gfn.v & ~(u64)(EPT_ENTRIES - 1) };
    return table;
}

/* Gives write permission back, if that was taken, and is all that a write needs. In a page of 4K. */
static inline bool give_back(u64 *entry)
{
    u64 old = pte_read(entry);

    return (old & (EPT_READ | EPT_WRITE | EPT_MAY_WRITE)) == (EPT_READ | EPT_MAY_WRITE) &&
           pte_cmpxchg(entry, &old, old | EPT_WRITE);
}

/*
 * As dirty_log_permitted(), for a vCPU without a ring. Where the processor logs it will do so once more, which says nothing
 * new: that is not worth asking.
 */
static inline void log_write(struct vcpu_memory *vcpu, gfn_t gfn)
{
    struct vm_memory *vm = vcpu->vm;

    if (atomic_read(&vm->logging) == 0)
        return;

    unsigned at = stripe();
    struct memslot_set *set = memslots_read_begin_on(&vm->slots, at);
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);
    if (slot != NULL && slot->log != NULL)
        page_set_add(&slot->log->written, gfn.v);
    memslots_read_end_on(set, at);
}

bool vcpu_memory_fault_inside(struct vcpu_memory *vcpu, gpa_t gpa, u32 access)
{
    struct vm_memory *vm = vcpu->vm;
    gfn_t gfn = gpa_to_gfn(gpa);
    u64 *table = vcpu->walked;

    /* A flush that has begun waits for this vCPU to leave; one that begins from here on kicks it out of the guest. */
    if ((access & (ACCESS_WRITE | ACCESS_EXECUTE)) != ACCESS_WRITE || atomic_read(&vm->tlb_generation) != vcpu->flushed)
        return false;
    /* A table that this stay has met before is in the tree still, unless a removal was noted that is not flushed yet. */
    if (gfn.v - vcpu->walked_first.v >= EPT_ENTRIES || atomic_read(&vm->unflushed) != 0) {
        table = walk(vcpu, gfn);
        if (table == NULL)
            return false;
    }
    if (!give_back(&table[ept_index(gfn, LEVEL_4K)]))
        return false;
    /* The permission first, then the log: see mm/fault.c. */
    if (vcpu->ring == NULL) {
        log_write(vcpu, gfn);
    } else {
        dirty_log_permitted(vcpu, gfn);
        if (dirty_ring_is_full(vcpu->ring))
            return false;
    }
    vcpu->quick_faults++;
    return true;
}

void vcpu_memory_count_quick_faults(struct vcpu_memory *vcpu)
{
    struct fault_counts *counts = &vcpu->vm->faults[stripe()];
    s64 count = (s64)vcpu->quick_faults;

    vcpu->quick_faults = 0;
    counter_add(&counts->all, count);
    counter_add(&counts->spurious, count);
    counter_add(&counts->lockless, count);
}
