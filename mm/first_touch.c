/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first access to a page, where the tables and the frame are there and nothing is unusual: one entry is filled. The same as
 * mm/fault.c does, but the lock comes before the frame is looked up. What is not in flight in the backing then does not come
 * to change anything before the lock is released (mm/invalidation.h), so what is found is current: there is no sequence to
 * compare (R1, R2). Nothing is allocated, and the lock is taken only where nobody has it exclusively or waits to: the vCPU
 * counts as inside, and who flushes waits for it.
 */
#include "mm/atomic.h"
#include "mm/backing_object.h"
#include "mm/mapping_level.h"
#include "mm/pte.h"
#include "mm/vm.h"

/* Whether a large page may be mapped, for such an access, where a piece of level `found` is. */
static inline bool fits(const struct memslot *slot, gfn_t gfn, u64 needed, enum level level, enum level found)
{
    /* Executing splits (C7). */
    return level <= found && !(needed & EPT_EXECUTE && mm_caps()->nx_large) && mapping_fits(slot, gfn, level);
}

/* The lock is held, shared. */
static inline bool fill(const struct vcpu_memory *vcpu, const struct memslot *slot, gfn_t gfn, u64 needed,
                        struct walked_table *table, u64 *entry, enum level level)
{
    struct vm_memory *vm = vcpu->vm;
    struct backing_page found;

    /* Where nothing was unlinked that is not flushed yet, a table that this stay has met is in the tree. */
    if (atomic_read(&vm->unflushed) != 0 || backing_has_changes(slot->backing) || spt_is_at_limit(&vm->spt) ||
        backing_peek(slot->backing, memslot_page(slot, gfn), &found) != 0)
        return false;

    u64 permissions = memslot_permissions(slot, found.writable);
    if (!ept_permits(permissions, needed) || (level > LEVEL_4K && !fits(slot, gfn, needed, level, found.level)))
        return false;
    if (table->page == NULL)
        table->page = shadow_page_of(port_frame_of(entry));
    return spt_fill_entry(&vm->spt, table->page, entry, spt_leaf(found.pfn, level, permissions), level,
                          vcpu_stripe(vcpu));
}

static inline bool touch(struct vcpu_memory *vcpu, gfn_t gfn, u64 needed, struct walked_table *table, u64 *entry,
                         enum level level)
{
    struct vm_memory *vm = vcpu->vm;
    unsigned at = vcpu_stripe(vcpu);
    bool filled = false;

    if (vcpu->root->view != NULL)
        return false;

    struct memslot_set *set = memslots_read_begin_on(&vm->slots, at);
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);
    if (slot != NULL && !memslots_is_invalid(set, slot) && memslots_log(set, slot) == NULL &&
        rwlock_try_lock_shared(&vm->spt.lock)) {
        filled = fill(vcpu, slot, gfn, needed, table, entry, level);
        rwlock_unlock_shared(&vm->spt.lock);
    }
    memslots_read_end_on(set, at);
    vcpu->quick_faults += filled;
    vcpu->quick_installed += filled;
    return filled;
}

/* Each is one function for its level, without a call: that is half of what it costs. */
__attribute__((flatten)) bool first_touch(struct vcpu_memory *vcpu, gfn_t gfn, u64 needed, u64 *entry)
{
    return touch(vcpu, gfn, needed, &vcpu->walked, entry, LEVEL_4K);
}

__attribute__((flatten)) bool first_touch_large(struct vcpu_memory *vcpu, gfn_t gfn, u64 needed, u64 *entry)
{
    return touch(vcpu, gfn, needed, &vcpu->walked_large, entry, LEVEL_2M);
}
