/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a VM's slots. Each is prepared, which can fail and changes nothing, and then done, which cannot fail (M2).
 *
 * What takes memory away from a guest goes through an INVALID slot (M3): that is published, and when no reader has the old
 * set any more nothing new can be mapped of the slot; what is mapped is zapped; only then it is gone, and its backing with it.
 */
#include "mm/atomic.h"
#include "mm/dirty_log.h"
#include "mm/vm.h"

static int check_place(gfn_t base, u64 npages)
{
    return npages != 0 && range_ends_within(base.v, npages, vm_gfn_limit()) ? 0 : -EINVAL;
}

static void insert(struct vm_memory *vm, struct memslot *slot)
{
    memslots_insert(&vm->slots, slot);
    vm_void_markers(vm);
}

static void replace_slot(struct vm_memory *vm, struct memslot *old, struct memslot *slot)
{
    memslots_replace(&vm->slots, old, slot);
    vm_void_markers(vm);
}

void vm_set_log(struct vm_memory *vm, struct memslot *slot, struct dirty_log *log)
{
    memslots_set_log(&vm->slots, slot, log);
    vm_void_markers(vm);
}

/* From here on no fault maps anything of the slot, and nothing of it is mapped. */
static void invalidate(struct vm_memory *vm, struct memslot *slot)
{
    memslots_invalidate(&vm->slots, slot);
    vm_void_markers(vm);
    spt_zap_all(&vm->spt, slot->base, memslot_end(slot));
}

bool vm_next_slot(struct vm_memory *vm, gfn_t *at, u32 *id)
{
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    const struct memslot *slot = memslots_find_from(set, *at);
    bool is_found = slot != NULL;

    if (is_found) {
        *id = slot->id;
        *at = memslot_end(slot);
    }
    memslots_read_end(set);
    return is_found;
}

int vm_memory_add_slot(struct vm_memory *vm, u32 id, gfn_t base, u64 npages, struct backing *backing, u64 offset,
                       u32 flags, enum level largest)
{
    if (check_place(base, npages) != 0 || !range_ends_within(offset, npages, backing_pages(backing)) ||
        (flags & ~(u32)MEMSLOT_READ_ONLY) != 0 || largest < LEVEL_4K || largest > LEVEL_1G)
        return -EINVAL;

    struct memslot wanted = { .id = id,
                              .flags = flags,
                              .largest = largest,
                              .base = base,
                              .npages = npages,
                              .backing = backing,
                              .offset = offset };
    int error = memslots_begin_change(&vm->slots);
    if (error != 0)
        return error;
    error = memslots_check(&vm->slots, &wanted, NULL);
    if (error == 0) {
        struct memslot *slot = memslot_create(&wanted);

        if (slot != NULL)
            insert(vm, slot);
        else
            error = -ENOMEM;
    }
    memslots_end_change(&vm->slots);
    return error;
}

int vm_memory_remove_slot(struct vm_memory *vm, u32 id)
{
    int error = memslots_begin_change(&vm->slots);

    if (error != 0)
        return error;
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), id);
    if (slot != NULL) {
        invalidate(vm, slot);
        memslots_remove(&vm->slots, slot);
        vm_void_markers(vm);
        if (memslot_log(slot) != NULL)
            atomic_add(&vm->logging, -1);
        memslot_destroy(slot);
    }
    memslots_end_change(&vm->slots);
    return slot != NULL ? 0 : -ENOENT;
}

/* A slot like `old`, but at `base` and with `flags`. */
static int prepare_changed(struct vm_memory *vm, const struct memslot *old, gfn_t base, u32 flags,
                           struct memslot **prepared)
{
    struct memslot wanted = *old;
    int error = check_place(base, old->npages);

    wanted.base = base;
    wanted.flags = flags;
    if (error == 0)
        error = memslots_check(&vm->slots, &wanted, old);
    if (error != 0)
        return error;
    /* What is logged is logged by gfn. */
    if (memslot_log(old) != NULL && base.v != old->base.v) {
        wanted.log[0] = wanted.log[1] = dirty_log_create_moved(base, old->npages, memslot_log(old));
        if (memslot_log(&wanted) == NULL)
            return -ENOMEM;
    }
    *prepared = memslot_create(&wanted);
    if (*prepared == NULL && memslot_log(&wanted) != memslot_log(old))
        dirty_log_destroy(memslot_log(&wanted));
    return *prepared == NULL ? -ENOMEM : 0;
}

static int move_slot(struct vm_memory *vm, struct memslot *old, gfn_t base)
{
    struct memslot *slot;
    int error = prepare_changed(vm, old, base, old->flags, &slot);

    if (error != 0)
        return error;
    invalidate(vm, old);
    /* Nothing of it is mapped, and no processor has a write of it left to log. */
    if (memslot_log(old) != NULL)
        dirty_log_move(memslot_log(slot), slot->base, memslot_log(old), old->base);
    replace_slot(vm, old, slot);
    /* What a change of the backing has put into the old log meanwhile. */
    if (memslot_log(old) != NULL)
        dirty_log_move(memslot_log(slot), slot->base, memslot_log(old), old->base);
    memslot_destroy(old);
    return 0;
}

static int change_flags(struct vm_memory *vm, struct memslot *old, u32 flags)
{
    struct memslot *slot;
    int error = prepare_changed(vm, old, old->base, flags, &slot);

    if (error != 0)
        return error;
    /* When nobody has the old slot any more, nothing new becomes writable; what is writable already is taken back then. */
    replace_slot(vm, old, slot);
    if (flags & MEMSLOT_READ_ONLY)
        spt_write_protect_all(&vm->spt, slot->base, memslot_end(slot), false);
    old->log[0] = old->log[1] = NULL;
    memslot_destroy(old);
    return 0;
}

int vm_memory_move_slot(struct vm_memory *vm, u32 id, gfn_t base)
{
    int error = memslots_begin_change(&vm->slots);

    if (error != 0)
        return error;
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), id);
    error = slot == NULL ? -ENOENT : 0;
    if (slot != NULL && slot->base.v != base.v)
        error = move_slot(vm, slot, base);
    memslots_end_change(&vm->slots);
    return error;
}

int vm_memory_set_slot_flags(struct vm_memory *vm, u32 id, u32 flags)
{
    if ((flags & ~(u32)MEMSLOT_READ_ONLY) != 0)
        return -EINVAL;

    int error = memslots_begin_change(&vm->slots);
    if (error != 0)
        return error;
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), id);
    error = slot == NULL ? -ENOENT : 0;
    if (slot != NULL && slot->flags != flags)
        error = change_flags(vm, slot, flags);
    memslots_end_change(&vm->slots);
    return error;
}
