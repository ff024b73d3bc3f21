/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/memslots.h. */
#include "mm/memslots.h"

#include "mm/list.h"

static struct memslot *slot_of(struct memslot_node *node, unsigned index)
{
    return container_of(node - index, struct memslot, node[0]);
}

static struct memslot *by_gfn(const struct rb_node *node, unsigned index)
{
    return slot_of(container_of(node, struct memslot_node, by_gfn), index);
}

static struct memslot *by_id(const struct rb_node *node, unsigned index)
{
    return slot_of(container_of(node, struct memslot_node, by_id), index);
}

static struct memslot *by_hva(const struct interval_node *node, unsigned index)
{
    return slot_of(container_of(node, struct memslot_node, by_hva), index);
}

static unsigned active_index(const struct memslots *slots)
{
    /* Pairs with the store in swap(). */
    return __atomic_load_n(&slots->active, __ATOMIC_ACQUIRE);
}

void memslots_init(struct memslots *slots)
{
    *slots = (struct memslots){ 0 };
    for (unsigned i = 0; i < 2; i++)
        interval_tree_init(&slots->set[i].by_hva);
}

struct memslot_set *memslots_active(struct memslots *slots)
{
    return &slots->set[active_index(slots)];
}

/* The slot with the largest base that is not above `gfn`. */
static struct memslot *at_or_below(const struct memslot_set *set, unsigned index, gfn_t gfn)
{
    const struct rb_node *node = set->by_gfn.root;
    struct memslot *found = NULL;

    while (node != NULL) {
        struct memslot *slot = by_gfn(node, index);
        bool larger = gfn.v >= slot->base.v;

        if (larger)
            found = slot;
        node = node->child[larger];
    }
    return found;
}

struct memslot *memslots_find(struct memslots *slots, gfn_t gfn)
{
    unsigned index = active_index(slots);
    struct memslot_set *set = &slots->set[index];
    struct memslot *slot = __atomic_load_n(&set->last_used, __ATOMIC_RELAXED);

    if (slot != NULL && memslot_holds(slot, gfn))
        return slot;
    slot = at_or_below(set, index, gfn);
    if (slot == NULL || !memslot_holds(slot, gfn))
        return NULL;
    __atomic_store_n(&set->last_used, slot, __ATOMIC_RELAXED);
    return slot;
}

struct memslot *memslots_find_id(struct memslots *slots, u32 id)
{
    unsigned index = active_index(slots);
    const struct rb_node *node = slots->set[index].by_id.root;

    while (node != NULL) {
        struct memslot *slot = by_id(node, index);

        if (slot->id == id)
            return slot;
        node = node->child[id > slot->id];
    }
    return NULL;
}

struct memslot *memslots_first_hva(struct memslots *slots, hva_t first, hva_t last)
{
    unsigned index = active_index(slots);
    const struct interval_node *found = interval_tree_first(&slots->set[index].by_hva, first.v, last.v);

    return found == NULL ? NULL : by_hva(found, index);
}

struct memslot *memslots_next_hva(struct memslots *slots, const struct memslot *slot, hva_t first, hva_t last)
{
    unsigned index = active_index(slots);
    const struct interval_node *found = interval_tree_next(&slot->node[index].by_hva, first.v, last.v);

    return found == NULL ? NULL : by_hva(found, index);
}

struct memslot *memslots_first(const struct memslots *slots, unsigned index)
{
    const struct rb_node *node = rb_first(&slots->set[index].by_gfn);

    return node == NULL ? NULL : by_gfn(node, index);
}

struct memslot *memslots_next(const struct memslot *slot, unsigned index)
{
    const struct rb_node *node = rb_next(&slot->node[index].by_gfn);

    return node == NULL ? NULL : by_gfn(node, index);
}

bool memslots_is_invalid(const struct memslots *slots, const struct memslot *slot)
{
    return slot->node[active_index(slots)].invalid;
}

int memslots_check(struct memslots *slots, const struct memslot *wanted)
{
    unsigned index = active_index(slots);
    gfn_t last = { memslot_end(wanted).v - 1 };
    const struct memslot *below = at_or_below(&slots->set[index], index, last);

    if (below != NULL && memslot_end(below).v > wanted->base.v)
        return -EEXIST;
    return memslots_find_id(slots, wanted->id) != NULL ? -EEXIST : 0;
}

int memslots_begin_change(struct memslots *slots)
{
    if (slots->changing)
        return -EBUSY;
    slots->changing = true;
    return 0;
}

void memslots_end_change(struct memslots *slots)
{
    assert(slots->changing);
    slots->changing = false;
}

static void insert_into(struct memslots *slots, unsigned index, struct memslot *slot)
{
    struct memslot_set *set = &slots->set[index];
    struct memslot_node *node = &slot->node[index];
    struct rb_node *parent = NULL;
    unsigned side = 0;

    for (struct rb_node *at = set->by_gfn.root; at != NULL; at = at->child[side]) {
        parent = at;
        side = slot->base.v > by_gfn(at, index)->base.v;
    }
    rb_insert(&set->by_gfn, &node->by_gfn, parent, side);

    parent = NULL;
    for (struct rb_node *at = set->by_id.root; at != NULL; at = at->child[side]) {
        parent = at;
        side = slot->id > by_id(at, index)->id;
    }
    rb_insert(&set->by_id, &node->by_id, parent, side);

    interval_tree_insert(&set->by_hva, &node->by_hva);
    set->count++;
}

static void remove_from(struct memslots *slots, unsigned index, struct memslot *slot)
{
    struct memslot_set *set = &slots->set[index];
    struct memslot_node *node = &slot->node[index];

    rb_erase(&set->by_gfn, &node->by_gfn);
    rb_erase(&set->by_id, &node->by_id);
    interval_tree_remove(&set->by_hva, &node->by_hva);
    set->count--;
}

static void set_invalid(struct memslots *slots, unsigned index, struct memslot *slot)
{
    slot->node[index].invalid = true;
}

/* Makes one edit in the set that nobody reads, shows that one to readers, and makes the edit in the other one. */
static void change(struct memslots *slots, struct memslot *slot,
                   void (*edit)(struct memslots *slots, unsigned index, struct memslot *slot))
{
    unsigned active = slots->active;

    assert(slots->changing);
    /* Nobody has read this set since it was edited last. */
    assert(slots->set[!active].last_used == NULL);
    slots->generation++;
    edit(slots, !active, slot);
    slots->set[!active].generation = slots->generation;
    /* Pairs with the load in active_index(): who reads the index finds the set as it was edited. */
    __atomic_store_n(&slots->active, !active, __ATOMIC_RELEASE);

    slots->set[active].last_used = NULL;
    edit(slots, active, slot);
    slots->set[active].generation = slots->generation;
}

void memslots_insert(struct memslots *slots, struct memslot *slot)
{
    change(slots, slot, insert_into);
}

void memslots_invalidate(struct memslots *slots, struct memslot *slot)
{
    change(slots, slot, set_invalid);
}

void memslots_remove(struct memslots *slots, struct memslot *slot)
{
    assert(memslots_is_invalid(slots, slot));
    change(slots, slot, remove_from);
}
