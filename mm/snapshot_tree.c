/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of a VM's snapshots: nodes come, and go again. One that is dropped while others are below it stays until there is
 * one left; with that it is joined. The pages of the lower one go into the upper one's stores, so it costs what the lower
 * one has, and a first snapshot remains whole.
 */
#include "mm/snapshot_internal.h"

#include "mm/dirty_log.h"
#include "mm/pool.h"
#include "mm/port.h"
#include "mm/vm.h"

POOL(node_pool, struct snapshot);
POOL(slot_pool, struct snapshot_slot);

struct snapshot_slot *snapshot_next_slot(const struct snapshot *node, const struct snapshot_slot *slot)
{
    const struct list_node *next = slot == NULL ? node->slots.next : slot->link.next;

    return next == &node->slots ? NULL : container_of(next, struct snapshot_slot, link);
}

static void free_slot(struct snapshot_slot *slot)
{
    page_set_destroy(slot->delta);
    if (slot->store != NULL)
        backing_put(slot->store);
    backing_put(slot->backing);
    pool_free(&slot_pool, slot);
}

void snapshot_free_node(struct snapshot *node)
{
    if (node == NULL)
        return;
    while (!list_is_empty(&node->slots)) {
        struct snapshot_slot *slot = snapshot_next_slot(node, NULL);

        list_remove(&slot->link);
        free_slot(slot);
    }
    pool_free(&node_pool, node);
}

static struct snapshot *create_empty(struct snapshots *all)
{
    struct snapshot *node = pool_alloc(&node_pool);

    if (node != NULL) {
        node->all = all;
        list_init(&node->slots);
    }
    return node;
}

static bool has_backing(const struct snapshot *node, const struct backing *backing)
{
    const struct snapshot_slot *slot = snapshot_next_slot(node, NULL);

    while (slot != NULL && slot->backing != backing)
        slot = snapshot_next_slot(node, slot);
    return slot != NULL;
}

/* Adds a slot like `like`, behind the others. NULL: no memory. */
static struct snapshot_slot *add_slot(struct snapshot *node, const struct snapshot_slot *like)
{
    struct snapshot_slot *slot = pool_alloc(&slot_pool);

    if (slot == NULL)
        return NULL;
    *slot = (struct snapshot_slot){ .id = like->id,
                                    .base = like->base,
                                    .npages = like->npages,
                                    .offset = like->offset,
                                    .backing = like->backing,
                                    .has_own_backing = !has_backing(node, like->backing) };
    backing_get(slot->backing);
    list_add(node->slots.previous, &slot->link);
    return slot;
}

static bool is_logged(const struct memslot_set *set, const struct memslot *slot)
{
    const struct dirty_log *log = memslots_log(set, slot);

    return !memslots_is_invalid(set, slot) && log != NULL && dirty_log_is_user(log, DIRTY_SNAPSHOT);
}

int snapshot_create_node(struct snapshots *all, struct memslot_set *set, struct snapshot **node)
{
    struct snapshot *created = create_empty(all);
    const struct memslot *slot = memslots_first(set);
    int error = created == NULL ? -ENOMEM : slot == NULL ? -ENOENT : 0;

    for (; slot != NULL && error == 0; slot = memslots_next(set, slot)) {
        const struct snapshot_slot like = {
            .id = slot->id, .base = slot->base, .npages = slot->npages, .offset = slot->offset, .backing = slot->backing
        };

        if (!is_logged(set, slot))
            error = -EBUSY;
        else if (add_slot(created, &like) == NULL)
            error = -ENOMEM;
    }
    if (error != 0)
        snapshot_free_node(created);
    else
        *node = created;
    return error;
}

struct snapshot *snapshot_create_below(const struct snapshot *parent)
{
    struct snapshot *node = create_empty(parent->all);
    const struct snapshot_slot *like = snapshot_next_slot(parent, NULL);

    for (; like != NULL && node != NULL; like = snapshot_next_slot(parent, like)) {
        struct snapshot_slot *slot = add_slot(node, like);

        if (slot == NULL || page_set_create(like->base.v, like->base.v + like->npages, false, &slot->delta) != 0) {
            snapshot_free_node(node);
            node = NULL;
        }
    }
    return node;
}

void snapshot_attach(struct snapshot *node, struct snapshot *parent)
{
    struct snapshot_slot *above = snapshot_next_slot(parent, NULL), *slot = snapshot_next_slot(node, NULL);

    for (; slot != NULL; slot = snapshot_next_slot(node, slot), above = snapshot_next_slot(parent, above))
        slot->parent = above;
    node->parent = parent;
    parent->children++;
}

bool snapshot_matches(const struct snapshot *node, struct memslot_set *set)
{
    const struct snapshot_slot *known = snapshot_next_slot(node, NULL);
    const struct memslot *slot = memslots_first(set);

    for (; slot != NULL && known != NULL; slot = memslots_next(set, slot), known = snapshot_next_slot(node, known)) {
        if (slot->id != known->id || slot->base.v != known->base.v || slot->npages != known->npages ||
            slot->offset != known->offset || slot->backing != known->backing || !is_logged(set, slot))
            return false;
    }
    return slot == NULL && known == NULL;
}

int snapshot_harvest(struct snapshots *all)
{
    struct snapshot_slot *slot = snapshot_next_slot(all->draft, NULL);
    int error = 0;

    for (; slot != NULL && error == 0; slot = snapshot_next_slot(all->draft, slot))
        error = vm_memory_harvest(all->vm, slot->id, DIRTY_SNAPSHOT, slot->base, slot->npages, slot->delta);
    return error;
}

void snapshot_hold(const struct snapshot *node)
{
    for (; node != NULL; node = node->parent) {
        struct snapshot_slot *slot = snapshot_next_slot(node, NULL);

        for (; slot != NULL; slot = snapshot_next_slot(node, slot)) {
            if (slot->has_own_backing)
                invalidation_begin(&slot->hold, slot->store, 0, slot->store->map.pages);
            map_cursor_start(&slot->cursor, &slot->store->map, true);
        }
    }
}

void snapshot_release(const struct snapshot *node)
{
    for (; node != NULL; node = node->parent) {
        struct snapshot_slot *slot = snapshot_next_slot(node, NULL);

        for (; slot != NULL; slot = snapshot_next_slot(node, slot)) {
            if (slot->has_own_backing)
                invalidation_end(&slot->hold);
        }
    }
}

static int make_place(const struct snapshot_slot *slot, u64 page)
{
    const struct snapshot_slot *to = slot->parent;

    return backing_make_place(slot->store, page, to->store, to->parent == NULL);
}

static int move_page(const struct snapshot_slot *slot, u64 page)
{
    const struct snapshot_slot *to = slot->parent;

    backing_move_saved(slot->store, page, to->store, to->parent == NULL);
    return 0;
}

/* Calls `visit` for the pages that `slot` may have saved, until one is not 0. Yields. */
static int visit_pages(const struct snapshot_slot *slot, int (*visit)(const struct snapshot_slot *slot, u64 page))
{
    u64 word = page_set_next(slot->delta, 0);
    int error = 0;

    for (; word != PAGE_SET_END && error == 0; word = page_set_next(slot->delta, word + 1)) {
        u64 bits = page_set_get(slot->delta, word);

        for (; bits != 0 && error == 0; bits &= bits - 1)
            error = visit(slot, word * PAGE_SET_WORD + (u64)__builtin_ctzll(bits) - slot->base.v + slot->offset);
        port_yield();
    }
    return error;
}

/*
 * Moves what a node has saved into the stores of its parent. First all places, so that no half of it can be there: the
 * parent's sets do not name these pages, and are what it goes by when it is joined in turn. 0, -ENOMEM: nothing has changed.
 */
static int move_all_pages(const struct snapshot *node)
{
    struct snapshot_slot *slot = snapshot_next_slot(node, NULL);
    int error = 0;

    snapshot_hold(node);
    for (; slot != NULL && error == 0; slot = snapshot_next_slot(node, slot))
        error = visit_pages(slot, make_place);
    for (slot = snapshot_next_slot(node, NULL); slot != NULL && error == 0; slot = snapshot_next_slot(node, slot))
        (void)visit_pages(slot, move_page);
    snapshot_release(node);
    return error;
}

/* What differs from the parent is what differs from the parent's parent, and what that differs in. */
static void add_delta(struct snapshot_slot *slot, const struct snapshot_slot *parent)
{
    if (parent->delta != NULL) {
        page_set_add_set(slot->delta, parent->delta);
    } else {
        page_set_destroy(slot->delta);
        slot->delta = NULL;
    }
}

/* The stores of the parent become those of `slot`; its own go with the parent. */
static void exchange_stores(struct snapshot_slot *slot)
{
    struct backing *store = slot->store;

    slot->store = slot->parent->store;
    slot->parent->store = store;
}

static struct snapshot *find_child(struct snapshots *all, const struct snapshot *node)
{
    if (all->draft != NULL && all->draft->parent == node)
        return all->draft;
    for (struct list_node *at = all->list.next; at != &all->list; at = at->next) {
        struct snapshot *child = container_of(at, struct snapshot, link);

        if (child->parent == node)
            return child;
    }
    return NULL;
}

/* `node` takes the place of its parent, which has no other child, and frees it. 0, -ENOMEM: nothing has changed. */
static int replace_parent(struct snapshot *node)
{
    struct snapshot *parent = node->parent;
    bool is_draft = node == node->all->draft;
    struct snapshot_slot *slot;

    if (!is_draft && move_all_pages(node) != 0)
        return -ENOMEM;
    for (slot = snapshot_next_slot(node, NULL); slot != NULL; slot = snapshot_next_slot(node, slot)) {
        if (!is_draft)
            exchange_stores(slot);
        add_delta(slot, slot->parent);
        slot->parent = slot->parent->parent;
    }
    node->parent = parent->parent;
    list_remove(&parent->link);
    snapshot_free_node(parent);
    return 0;
}

static void remove_leaf(struct snapshot *node)
{
    if (node->parent != NULL)
        node->parent->children--;
    list_remove(&node->link);
    snapshot_free_node(node);
}

void snapshot_end_draft(struct snapshots *all)
{
    struct snapshot *draft = all->draft, *from;

    if (draft == NULL)
        return;
    from = draft->parent;
    all->draft = NULL;
    from->children--;
    snapshot_free_node(draft);
    snapshot_settle(all, from);
}

void snapshot_move_draft(struct snapshots *all, struct snapshot *to)
{
    struct snapshot *from = all->draft->parent;

    from->children--;
    snapshot_attach(all->draft, to);
    snapshot_settle(all, from);
}

void snapshot_settle(struct snapshots *all, struct snapshot *node)
{
    while (node != NULL && node->dropped && node->children <= 1) {
        struct snapshot *parent = node->parent;

        if (node->children == 0) {
            remove_leaf(node);
        } else if (parent == NULL && find_child(all, node) == all->draft) {
            /* There is nothing in this tree any more that somebody could go back to: it all goes. */
            snapshot_end_draft(all);
            return;
        } else if (replace_parent(find_child(all, node)) != 0) {
            return;
        }
        node = parent;
    }
}
