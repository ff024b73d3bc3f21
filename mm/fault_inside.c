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

    if (atomic_read(&vm->logging) == 0)
        return;

    unsigned at = vcpu_stripe(vcpu);
    struct memslot_set *set = memslots_read_begin_on(&vm->slots, at);
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);
    if (slot != NULL && slot->log != NULL)
        page_set_add(&slot->log->written, gfn.v);
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

/* The table in the tree that the processor walks in which it ends for `gfn`, remembered. False: the root does not lead there. */
static bool walk(struct vcpu_memory *vcpu, gfn_t gfn)
{
    enum level level = vcpu->root->top;
    u64 *table = port_frame_address(vcpu->loaded);

    if (gfn.v >= spt_root_end(vcpu->root).v)
        return false;
    for (; level > LEVEL_4K; level--) {
        u64 entry = pte_read(&table[ept_index(gfn, level)]);

        if (!ept_is_table(entry, level))
            break;
        table = port_frame_address(ept_frame(entry));
    }
    vcpu->walked = (struct walked_table){ .entries = table,
                                          .level = level,
                                          .order = level_order(level),
                                          .first = { gfn.v & ~(level_pages(level + 1) - 1) },
                                          .npages = level_pages(level + 1) };
    return true;
}

static bool walk_and_resolve(struct vcpu_memory *vcpu, gfn_t gfn, u32 access);

/* By the table that is remembered; `walked`: just now, for this gfn. */
static inline bool resolve(struct vcpu_memory *vcpu, gfn_t gfn, u32 access, bool walked)
{
    const struct walked_table *table = &vcpu->walked;
    enum level level = table->level;
    u64 offset = gfn.v - table->first.v;

    if (!walked && offset >= table->npages)
        return walk_and_resolve(vcpu, gfn, access);

    u64 *entry = &table->entries[offset >> table->order];
    u64 old = pte_read(entry);
    if (old == EPT_EMPTY)
        return first_touch(vcpu, gfn, access & EPT_PERMISSIONS, entry);
    if (level == LEVEL_4K)
        return (access & (ACCESS_WRITE | ACCESS_EXECUTE)) == ACCESS_WRITE && give_back(vcpu, gfn, entry, old);
    return !walked && walk_and_resolve(vcpu, gfn, access);
}

static __attribute__((noinline)) bool walk_and_resolve(struct vcpu_memory *vcpu, gfn_t gfn, u32 access)
{
    return walk(vcpu, gfn) && resolve(vcpu, gfn, access, true);
}

bool vcpu_memory_fault_inside(struct vcpu_memory *vcpu, gpa_t gpa, u32 access)
{
    const struct vm_memory *vm = vcpu->vm;
    gfn_t gfn = gpa_to_gfn(gpa);

    /* A flush that has begun waits for this vCPU to leave; one that begins from here on kicks it out of the guest. */
    if (atomic_read(&vm->tlb_generation) != vcpu->flushed)
        return false;
    /* A table that this stay has met before is in the tree still, unless a removal was noted that is not flushed yet. */
    if (atomic_read(&vm->unflushed) != 0)
        return walk_and_resolve(vcpu, gfn, access);
    return resolve(vcpu, gfn, access, false);
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
