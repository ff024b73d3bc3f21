/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EPT violation of a guest access. First without a lock: is the access permitted by now, or may the permission be given
 * back? Then slot, frame and largest level, and under the shared lock the check that they still stand, and the tree.
 * Everything that can fail comes before the tree is touched, and every way out gives back what was taken (R3).
 *
 * Bound (R8): a fault is retried by its guest only while its own page, or another page of the large page that it lies in, is
 * being invalidated, or its slot is on its way out. What is invalidated elsewhere can at most take tables away in front of
 * it, and the second attempt brings all tables that a path can need.
 */
#include "mm/atomic.h"
#include "mm/dirty_log.h"
#include "mm/mapping_level.h"
#include "mm/port.h"
#include "mm/vm.h"

static_assert(ACCESS_READ == EPT_READ && ACCESS_WRITE == EPT_WRITE && ACCESS_EXECUTE == EPT_EXECUTE,
              "what an access does is what an entry must permit");

/* The first attempt takes what it seems to need; the second can only fail because of its own page. */
enum { ATTEMPTS = 3 };

struct fault {
    struct vcpu_memory *vcpu;
    gfn_t gfn;
    u64 needed;
    enum level stopped; /* where the walk without a lock met no table */
    unsigned attempt;
    struct dirty_log *log; /* of the slot */
};

/*
 * Gives write permission back where it was only taken to see the next write. Whether the access is permitted now. A large
 * page of a slot that is logged is not given back but split, under the lock; which slot it is is not known here.
 */
static bool give_back(struct spt_iter *it, u64 needed)
{
    struct vm_memory *vm = it->spt->vm;

    for (unsigned attempt = 0; attempt < ATTEMPTS && ept_is_leaf(it->old, it->level); attempt++) {
        u64 value = it->old | EPT_WRITE;

        if (ept_permits(it->old, needed))
            return true;
        if (!(it->old & EPT_MAY_WRITE) || !ept_permits(value, needed) ||
            (it->level > LEVEL_4K && atomic_read(&vm->logging) != 0))
            return false;
        if (spt_set_entry(it, value, NULL)) {
            counter_add(&vm->faults[stripe()].lockless, 1);
            return true;
        }
    }
    return false;
}

/* Whether the access is permitted without any lock. Notes how far there are tables. */
static bool resolve_lockless(struct fault *fault)
{
    struct vcpu_memory *vcpu = fault->vcpu;
    struct spt_iter it;
    bool permitted;

    vcpu_memory_walk_begin(vcpu);
    spt_iter_start(&it, &vcpu->vm->spt, atomic_read(&vcpu->root->page), fault->gfn);
    while (ept_is_table(it.old, it.level))
        spt_iter_down(&it, fault->gfn);
    fault->stopped = it.level;
    permitted = give_back(&it, fault->needed);
    /*
     * The permission first, then the log: the other way round a harvest in between would find nothing to take away. Both
     * within the walk: others can write by now, and who moves the slot with its log waits for the walk when it flushes.
     */
    if (permitted && fault->needed & EPT_WRITE)
        dirty_log_permitted(vcpu, fault->gfn);
    vcpu_memory_walk_end(vcpu);
    return permitted;
}

/* Tables in the vCPU's cache, before the lock: nothing is allocated under it. */
static int prepare_tables(struct fault *fault, enum level level)
{
    struct vcpu_memory *vcpu = fault->vcpu;
    enum level from = fault->attempt == 0 ? fault->stopped : vcpu->root->top;

    spt_reclaim(&vcpu->vm->spt);
    return from > level ? table_cache_fill(&vcpu->cache, from - level) : 0;
}

/* The level of the piece that may be mapped: large pages are not executed where that is dangerous (C7). */
static enum level piece_for(const struct fault *fault, const struct backing_page *found)
{
    return fault->needed & EPT_EXECUTE && mm_caps()->nx_large ? LEVEL_4K : found->level;
}

/* One attempt, of which backing_resolve() has found `found`. 0, -EAGAIN (another attempt), or as spt_map(). */
static int install(struct fault *fault, const struct memslot *slot, u64 sequence, const struct backing_page *found,
                   struct tlb_gather *gather)
{
    struct spt *spt = &fault->vcpu->vm->spt;
    struct spt_mapping mapping = { .gfn = fault->gfn, .pfn = found->pfn };
    int error = -EAGAIN;

    mapping.level = mapping_level(slot, fault->log, fault->gfn, piece_for(fault, found));
    mapping.permissions = dirty_log_permissions(fault->log, memslot_permissions(slot, found->writable), fault->needed);
    mapping.arm = dirty_log_arm(fault->log);
    if (prepare_tables(fault, mapping.level) != 0)
        return -ENOMEM;
    rwlock_lock_shared(&spt->lock);
    if (backing_is_current(slot->backing, sequence, memslot_page(slot, fault->gfn), found, mapping.level))
        error = spt_map(spt, fault->vcpu->root, &mapping, fault->needed, &fault->vcpu->cache, gather);
    rwlock_unlock_shared(&spt->lock);
    return error;
}

static int resolve(struct fault *fault, const struct memslot *slot, struct tlb_gather *gather)
{
    u64 page = memslot_page(slot, fault->gfn);
    struct backing_page found;

    /* Read before the frame is resolved (R1): if it has not moved under the lock, nothing has. */
    u64 sequence = backing_sequence(slot->backing);
    if (backing_is_changing(slot->backing, page, page + 1))
        return -EBUSY;
    enum level wanted = mapping_piece(slot, fault->gfn);
    int error = backing_resolve(slot->backing, page, wanted, (fault->needed & EPT_WRITE) != 0, &found);
    if (error == -EAGAIN)
        return -EBUSY;
    return error != 0 ? error : install(fault, slot, sequence, &found, gather);
}

static enum fault_result fault_in_slot(struct fault *fault, const struct memslot *slot)
{
    TLB_GATHER(gather, fault->vcpu->vm);
    int error = -EAGAIN;

    if (!ept_permits(memslot_permissions(slot, true), fault->needed))
        return FAULT_READ_ONLY;
    for (fault->attempt = 0; fault->attempt < ATTEMPTS && error == -EAGAIN; fault->attempt++)
        error = resolve(fault, slot, &gather);
    tlb_gather_finish(&gather);
    if (fault->needed & EPT_WRITE && (error == 0 || error == -EEXIST))
        dirty_log_mark_vcpu(fault->vcpu, fault->log, fault->gfn);
    switch (error) {
    case 0:
        return FAULT_INSTALLED;
    case -EEXIST:
        return FAULT_SPURIOUS;
    case -EACCES:
        return FAULT_DENIED;
    case -EIO:
        return FAULT_LOST;
    case -ENOMEM:
        return FAULT_NO_MEMORY;
    default:
        return FAULT_RETRY;
    }
}

static enum fault_result fault_locked(struct fault *fault)
{
    struct vcpu_memory *vcpu = fault->vcpu;
    struct memslot_set *set = memslots_read_begin(&vcpu->vm->slots);
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, fault->gfn);
    enum fault_result result;

    if (slot == NULL) {
        result = FAULT_NO_SLOT;
    } else if (memslots_is_invalid(set, slot)) {
        result = FAULT_RETRY;
    } else {
        fault->log = memslots_log(set, slot);
        result = fault_in_slot(fault, slot);
    }
    memslots_read_end(set);
    return result;
}

enum fault_result vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access)
{
    struct fault fault = { .vcpu = vcpu, .gfn = gpa_to_gfn(gpa), .needed = access & EPT_PERMISSIONS };
    struct fault_counts *counts = &vcpu->vm->faults[stripe()];
    enum fault_result result = FAULT_SPURIOUS;

    counter_add(&counts->all, 1);
    if (fault.gfn.v >= spt_root_end(vcpu->root).v)
        return FAULT_NO_SLOT;
    if (!resolve_lockless(&fault))
        result = fault_locked(&fault);
    if (result == FAULT_INSTALLED)
        counter_add(&counts->installed, 1);
    else if (result == FAULT_SPURIOUS)
        counter_add(&counts->spurious, 1);
    else if (result == FAULT_RETRY)
        counter_add(&counts->retried, 1);
    return result;
}
