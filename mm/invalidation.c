/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invalidations, and the questions that a fault asks about them. What makes it exact is the lock of each VM: begin() holds
 * it exclusively, after the invalidation is in the list, in every VM that shows a part of the range, while a fault holds it
 * from backing_is_current() until its leaf is in the tree. So either the leaf is zapped, or the invalidation is found (R2).
 */
#include "mm/invalidation.h"

#include "mm/atomic.h"
#include "mm/backing_object.h"
#include "mm/dirty_log.h"
#include "mm/port.h"
#include "mm/vm.h"

/* The lock of the backing is held. */
static bool overlaps(const struct backing *backing, u64 first, u64 end)
{
    const struct list_node *node = backing->changing.next;

    for (; node != &backing->changing; node = node->next) {
        const struct invalidation *other = container_of(node, const struct invalidation, link);

        if (other->first < end && first < other->end)
            return true;
    }
    return false;
}

static bool publish(struct invalidation *invalidation)
{
    struct backing *backing = invalidation->backing;

    spin_lock(&backing->lock);
    bool is_free = !overlaps(backing, invalidation->first, invalidation->end);
    if (is_free) {
        list_add(&backing->changing, &invalidation->link);
        /*
         * Sequentially consistent, as is the publication of a set of slots: whoever changes slots either is found by
         * visit_everywhere(), or its faults find this count (R7).
         */
        __atomic_fetch_add(&backing->changing_count, 1, __ATOMIC_SEQ_CST);
    }
    spin_unlock(&backing->lock);
    return is_free;
}

typedef void visit_shown(struct vm_memory *vm, struct dirty_log *log, gfn_t first, gfn_t end);

/* Visits every part of a slot, of any VM, that shows a part of the pages. */
static void visit_everywhere(const struct invalidation *invalidation, visit_shown *visit)
{
    hva_t first = { invalidation->backing->hva.v + invalidation->first * PAGE_SIZE };
    hva_t last = { invalidation->backing->hva.v + invalidation->end * PAGE_SIZE - 1 };

    for (struct vm_memory *vm = vm_next(NULL); vm != NULL; vm = vm_next(vm)) {
        struct memslot_set *set = memslots_read_begin(&vm->slots);
        const struct memslot *slot = memslots_first_hva(set, first, last);

        for (; slot != NULL; slot = memslots_next_hva(set, slot, first, last)) {
            u64 from = u64_max(slot->offset, invalidation->first);
            u64 to = u64_min(slot->offset + slot->npages, invalidation->end);

            visit(vm, memslots_log(set, slot), (gfn_t){ slot->base.v + (from - slot->offset) },
                  (gfn_t){ slot->base.v + (to - slot->offset) });
        }
        memslots_read_end(set);
    }
}

/* The lock of each VM is passed even where nothing was mapped: a fault that has checked already has installed then. */
static void zap(struct vm_memory *vm, struct dirty_log *log, gfn_t first, gfn_t end)
{
    spt_zap_all(&vm->spt, first, end);
}

static void mark_dirty(struct vm_memory *vm, struct dirty_log *log, gfn_t first, gfn_t end)
{
    if (log != NULL)
        page_set_add_range(&log->written, first.v, end.v);
}

void invalidation_mark_dirty(const struct invalidation *invalidation)
{
    visit_everywhere(invalidation, mark_dirty);
}

bool invalidation_try_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end)
{
    assert(first < end && end <= backing->map.pages);
    *invalidation = (struct invalidation){ .backing = backing, .first = first, .end = end };
    if (!publish(invalidation))
        return false;
    visit_everywhere(invalidation, zap);
    return true;
}

void invalidation_begin(struct invalidation *invalidation, struct backing *backing, u64 first, u64 end)
{
    while (!invalidation_try_begin(invalidation, backing, first, end))
        port_yield();
}

void invalidation_end(struct invalidation *invalidation)
{
    struct backing *backing = invalidation->backing;

    /* Before it is gone: who does not find it any more finds the sequence moved (R6). */
    atomic_add(&backing->sequence, 1);
    spin_lock(&backing->lock);
    list_remove(&invalidation->link);
    /* Pairs with the read in backing_is_changing(). */
    __atomic_store_n(&backing->changing_count, backing->changing_count - 1, __ATOMIC_RELEASE);
    spin_unlock(&backing->lock);
}

u64 backing_sequence(const struct backing *backing)
{
    return atomic_read(&backing->sequence);
}

bool backing_is_changing(const struct backing *backing, u64 first, u64 end)
{
    struct spinlock *lock = (struct spinlock *)&backing->lock;

    /* Pairs with the store in invalidation_end(): who finds 0 finds the sequence and the map as they were at that end. */
    if (atomic_read(&backing->changing_count) == 0)
        return false;
    spin_lock(lock);
    bool is_changing = overlaps(backing, first, end);
    spin_unlock(lock);
    return is_changing;
}

bool backing_is_current(const struct backing *backing, u64 sequence, u64 page, const struct backing_page *found,
                        enum level level)
{
    u64 first = page - map_offset(level, page);
    struct backing_page now;

    assert(level <= found->level);
    /*
     * First this: the VM's lock is held, so what is not in flight here does not come to change anything before it is
     * released. The other way round, an invalidation could change the page and end between the two looks.
     */
    if (backing_is_changing(backing, first, first + level_pages(level)))
        return false;
    if (backing_sequence(backing) == sequence)
        return true;
    /* Something ended since; most often elsewhere, and that is no reason to come again (R8). */
    return backing_lookup(backing, page, &now) == 0 && now.pfn.v == found->pfn.v && now.level >= level &&
           now.writable == found->writable;
}
