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

/*
 * The record of the table that the entry lies in. Under the lock, and nothing was unlinked that is not flushed yet: so the
 * table, which this stay has met, is in the tree.
 */
static struct shadow_page *record_of(struct vcpu_memory *vcpu, const u64 *entry, enum level level)
{
    if (level == LEVEL_4K && vcpu->walked_page != NULL)
        return vcpu->walked_page;

    struct shadow_page *page = shadow_page_of(port_frame_of(entry));
    if (level == LEVEL_4K)
        vcpu->walked_page = page;
    return page;
}

/* Whether the frame that was found may be mapped by an entry of `level`, for such an access. */
static bool suits(const struct memslot *slot, gfn_t gfn, u64 needed, const struct backing_page *found, enum level level)
{
    if (!found->writable && needed & EPT_WRITE)
        return false;
    if (level == LEVEL_4K)
        return true;
    /* Executing splits (C7). */
    return !(needed & EPT_EXECUTE && mm_caps()->nx_large) && mapping_level(slot, gfn, found->level) >= level;
}

/* The lock is held, shared. */
static bool fill(struct vcpu_memory *vcpu, const struct memslot *slot, gfn_t gfn, u64 needed, u64 *entry,
                 enum level level)
{
    struct vm_memory *vm = vcpu->vm;
    struct backing_page found;

    if (atomic_read(&vm->unflushed) != 0 || backing_has_changes(slot->backing) || spt_is_at_limit(&vm->spt))
        return false;
    if (backing_lookup(slot->backing, memslot_page(slot, gfn), &found) != 0 || !suits(slot, gfn, needed, &found, level))
        return false;
    return spt_fill_entry(&vm->spt, record_of(vcpu, entry, level), entry,
                          spt_leaf(found.pfn, level, memslot_permissions(slot, found.writable)));
}

bool first_touch(struct vcpu_memory *vcpu, gfn_t gfn, u64 needed, u64 *entry, enum level level)
{
    struct vm_memory *vm = vcpu->vm;
    unsigned at = stripe();
    bool filled = false;

    if (vcpu->root->view != NULL)
        return false;

    struct memslot_set *set = memslots_read_begin_on(&vm->slots, at);
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);
    if (slot != NULL && !memslots_is_invalid(set, slot) && slot->log == NULL &&
        ept_permits(memslot_permissions(slot, true), needed) && rwlock_try_lock_shared(&vm->spt.lock)) {
        filled = fill(vcpu, slot, gfn, needed, entry, level);
        rwlock_unlock_shared(&vm->spt.lock);
    }
    memslots_read_end_on(set, at);
    vcpu->quick_faults += filled;
    vcpu->quick_installed += filled;
    return filled;
}
