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

/* Where the processor finds no table any more. */
struct place {
    u64 *table;       /* NULL: the root does not lead there */
    enum level level; /* of its entries */
};

/* In the tree that the processor walks. A table of entries of 4K is remembered. */
static __attribute__((noinline)) struct place walk(struct vcpu_memory *vcpu, gfn_t gfn)
{
    enum level level = vcpu->root->top;

    if (gfn.v >= spt_root_end(vcpu->root).v)
        return (struct place){ NULL, level };

    u64 *table = port_frame_address(vcpu->loaded);
    for (; level > LEVEL_4K; level--) {
        u64 entry = pte_read(&table[ept_index(gfn, level)]);

        if (!ept_is_table(entry, level))
            return (struct place){ table, level };
        table = port_frame_address(ept_frame(entry));
    }
    vcpu->walked = table;
    vcpu->walked_page = NULL;
    vcpu->walked_first = (gfn_t){ gfn.v & ~(u64)(EPT_ENTRIES - 1) };
    return (struct place){ table, LEVEL_4K };
}

/* Gives write permission back, if that was taken, and is all that a write needs. In a page of 4K, which was `old`. */
static inline bool give_back(u64 *entry, u64 old)
{
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
    struct place at = { vcpu->walked, LEVEL_4K };

    /* A flush that has begun waits for this vCPU to leave; one that begins from here on kicks it out of the guest. */
    if (atomic_read(&vm->tlb_generation) != vcpu->flushed)
        return false;
    /* A table that this stay has met before is in the tree still, unless a removal was noted that is not flushed yet. */
    if (gfn.v - vcpu->walked_first.v >= EPT_ENTRIES || atomic_read(&vm->unflushed) != 0) {
        at = walk(vcpu, gfn);
        if (at.table == NULL)
            return false;
    }

    u64 *entry = &at.table[ept_index(gfn, at.level)];
    u64 old = pte_read(entry);
    if (old == EPT_EMPTY)
        return first_touch(vcpu, gfn, access & EPT_PERMISSIONS, entry, at.level);
    if (at.level != LEVEL_4K || (access & (ACCESS_WRITE | ACCESS_EXECUTE)) != ACCESS_WRITE || !give_back(entry, old))
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
    s64 count = (s64)vcpu->quick_faults, installed = (s64)vcpu->quick_installed;

    vcpu->quick_faults = 0;
    vcpu->quick_installed = 0;
    counter_add(&counts->all, count);
    counter_add(&counts->installed, installed);
    counter_add(&counts->spurious, count - installed);
    counter_add(&counts->lockless, count - installed);
}
