/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots are taken and dropped; the way back is mm/snapshot_reset.c. See mm/snapshot.h.
 *
 * The log comes first, then the frames are shared, page by page: what is written in between is in the snapshot and in the
 * log, and the way back finds that there is nothing to do.
 */
#include "mm/snapshot_internal.h"

#include "mm/backing_change.h"
#include "mm/dirty_log.h"
#include "mm/pool.h"
#include "mm/port.h"
#include "mm/vm.h"

POOL(all_pool, struct snapshots);

static struct list_node vms = LIST_EMPTY(vms); /* struct snapshots; lock */
static struct spinlock lock;

/* The lock is held. */
static struct snapshots *find(const struct vm_memory *vm)
{
    for (struct list_node *node = vms.next; node != &vms; node = node->next) {
        struct snapshots *all = container_of(node, struct snapshots, link);

        if (all->vm == vm)
            return all;
    }
    return NULL;
}

/* Finds the snapshots of a VM, and waits for its turn. With `made`, which is used then, also where there are none. */
static struct snapshots *begin(struct vm_memory *vm, struct snapshots **made)
{
    spin_lock(&lock);
    struct snapshots *all = find(vm);
    if (all == NULL && made != NULL && *made != NULL) {
        all = *made;
        *made = NULL;
        list_add(&vms, &all->link);
    }
    if (all != NULL)
        all->users++;
    spin_unlock(&lock);
    while (all != NULL && atomic_xchg(&all->busy, 1) != 0)
        port_yield();
    return all;
}

static void end(struct snapshots *all)
{
    if (list_is_empty(&all->list))
        vm_memory_stop_logs(all->vm, DIRTY_SNAPSHOT);
    atomic_write(&all->busy, 0);
    spin_lock(&lock);
    all->users--;
    bool is_last = all->users == 0 && list_is_empty(&all->list);
    if (is_last)
        list_remove(&all->link);
    spin_unlock(&lock);
    if (is_last)
        pool_free(&all_pool, all);
}

static struct snapshots *begin_or_create(struct vm_memory *vm)
{
    struct snapshots *made = pool_alloc(&all_pool);

    if (made != NULL) {
        made->vm = vm;
        list_init(&made->list);
    }
    struct snapshots *all = begin(vm, &made);
    if (made != NULL)
        pool_free(&all_pool, made);
    return all;
}

/* Every slot is logged for us when it returns, but those that come meanwhile. */
static int start_logs(struct snapshots *all)
{
    struct vm_memory *vm = all->vm;
    gfn_t at = { 0 };
    u32 id;

    while (vm_next_slot(vm, &at, &id)) {
        /* Large pages need not be split: the snapshot takes them out of the tree anyway. */
        int error = vm_memory_start_log(vm, id, DIRTY_SNAPSHOT, DIRTY_LAZY);

        if (error == -ENOMEM || error == -EBUSY)
            return error;
        /* It may look like one that was there before: what was written until now nobody knows, so there is no way back. */
        if (error == 0)
            snapshot_end_draft(all);
    }
    return 0;
}

/* The store of an earlier slot that shows the same backing. */
static struct backing *known_store(const struct snapshot *node, const struct snapshot_slot *slot)
{
    const struct snapshot_slot *other = snapshot_next_slot(node, NULL);

    while (other->backing != slot->backing)
        other = snapshot_next_slot(node, other);
    backing_get(other->store);
    return other->store;
}

/* Gives all slots stores: clones of their backings, or empty ones. 0, -ENOMEM. */
static int make_stores(struct snapshot *node, bool empty)
{
    struct snapshot_slot *slot = snapshot_next_slot(node, NULL);
    int error = 0;

    for (; slot != NULL && error == 0; slot = snapshot_next_slot(node, slot)) {
        if (!slot->has_own_backing)
            slot->store = known_store(node, slot);
        else if (empty)
            error = backing_create_empty(slot->backing->map.pages, &slot->store);
        else
            error = backing_clone(slot->backing, &slot->store);
    }
    return error;
}

static void drop_stores(struct snapshot *node)
{
    struct snapshot_slot *slot = snapshot_next_slot(node, NULL);

    for (; slot != NULL; slot = snapshot_next_slot(node, slot)) {
        if (slot->store != NULL)
            backing_put(slot->store);
        slot->store = NULL;
    }
}

static int save_all(const struct snapshot *node)
{
    const struct snapshot_slot *slot = snapshot_next_slot(node, NULL);
    int error = 0;

    for (; slot != NULL && error == 0; slot = snapshot_next_slot(node, slot)) {
        u64 word = page_set_next(slot->delta, 0);

        for (; word != PAGE_SET_END && error == 0; word = page_set_next(slot->delta, word + 1)) {
            u64 bits = page_set_get(slot->delta, word);

            /* The first page of a word may lie before the slot; what is in the set does not. */
            if (bits != 0)
                error =
                    backing_save(slot->backing, word * PAGE_SET_WORD - slot->base.v + slot->offset, bits, slot->store);
            port_yield();
        }
    }
    return error;
}

/* Hangs a snapshot that is ready into the list, with the next draft below it. */
static void publish(struct snapshots *all, struct snapshot *node, struct snapshot *draft)
{
    list_add(&all->list, &node->link);
    snapshot_attach(draft, node);
    all->draft = draft;
}

/* The first of a tree. */
static int take_first(struct snapshots *all, struct snapshot **taken)
{
    struct snapshot *node, *draft;
    int error = start_logs(all);

    if (error != 0)
        return error;
    struct memslot_set *set = memslots_read_begin(&all->vm->slots);
    error = snapshot_create_node(all, set, &node);
    memslots_read_end(set);
    if (error != 0)
        return error;
    draft = snapshot_create_below(node);
    error = draft == NULL ? -ENOMEM : make_stores(node, false);
    if (error != 0) {
        snapshot_free_node(draft);
        snapshot_free_node(node);
        return error;
    }
    snapshot_end_draft(all);
    publish(all, node, draft);
    *taken = node;
    return 0;
}

/* Below the one that the memory has come from: the draft becomes the snapshot. -ESTALE: the slots are others. */
static int take_below(struct snapshots *all, struct snapshot **taken)
{
    struct snapshot *node = all->draft;
    struct memslot_set *set = memslots_read_begin(&all->vm->slots);
    int error = snapshot_matches(node, set) && snapshot_harvest(all) == 0 ? 0 : -ESTALE;

    memslots_read_end(set);
    if (error != 0)
        return error;
    struct snapshot *draft = snapshot_create_below(node);
    error = draft == NULL ? -ENOMEM : make_stores(node, true);
    if (error == 0)
        error = save_all(node);
    if (error != 0) {
        snapshot_free_node(draft);
        drop_stores(node);
        return error;
    }
    publish(all, node, draft);
    *taken = node;
    return 0;
}

int snapshot_take(struct vm_memory *vm, struct snapshot **snapshot)
{
    struct snapshots *all = begin_or_create(vm);
    int error = -ESTALE;

    if (all == NULL)
        return -ENOMEM;
    if (all->draft != NULL)
        error = take_below(all, snapshot);
    if (error == -ESTALE)
        error = take_first(all, snapshot);
    end(all);
    return error;
}

void snapshot_drop(struct snapshot *snapshot)
{
    struct snapshots *all = begin(snapshot->all->vm, NULL);

    assert(all == snapshot->all && !snapshot->dropped);
    snapshot->dropped = true;
    snapshot_settle(all, snapshot);
    end(all);
}

void snapshot_drop_all(struct vm_memory *vm)
{
    struct snapshots *all = begin(vm, NULL);

    if (all == NULL)
        return;
    snapshot_free_node(all->draft);
    all->draft = NULL;
    while (!list_is_empty(&all->list)) {
        struct snapshot *node = container_of(all->list.next, struct snapshot, link);

        list_remove(&node->link);
        snapshot_free_node(node);
    }
    end(all);
}

/* The nearest one, from `node` upwards, that has not been dropped. */
static const struct snapshot *living(const struct snapshot *node)
{
    while (node != NULL && node->dropped)
        node = node->parent;
    return node;
}

const struct snapshot *snapshot_at(struct vm_memory *vm)
{
    struct snapshots *all = begin(vm, NULL);

    if (all == NULL)
        return NULL;
    const struct snapshot *at = all->draft == NULL ? NULL : living(all->draft->parent);
    end(all);
    return at;
}

const struct snapshot *snapshot_parent(const struct snapshot *snapshot)
{
    return living(snapshot->parent);
}

bool snapshot_exist(const struct vm_memory *vm)
{
    spin_lock(&lock);
    const struct snapshots *all = find(vm);
    spin_unlock(&lock);
    return all != NULL;
}

int snapshot_reset(struct snapshot *snapshot, struct snapshot_result *result)
{
    struct snapshots *all = begin(snapshot->all->vm, NULL);
    int error;

    assert(all == snapshot->all && !snapshot->dropped);
    error = snapshot_go_back(all, snapshot, result);
    end(all);
    return error;
}
