/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/memslots.h. */
#include "mm/memslots.h"

#include "mm/atomic.h"
#include "mm/list.h"
#include "mm/port.h"

static struct memslot *by_gfn(const struct rb_node *node, unsigned index)
{
    return container_of(node - index, struct memslot, by_gfn[0]);
}

static struct memslot *by_id(const struct rb_node *node, unsigned index)
{
    return container_of(node - index, struct memslot, by_id[0]);
}

static struct memslot *by_hva(const struct interval_node *node, unsigned index)
{
    return container_of(node - index, struct memslot, by_hva[0]);
}

void memslots_init(struct memslots *slots)
{
    *slots = (struct memslots){ 0 };
    for (unsigned i = 0; i < 2; i++) {
        slots->set[i].index = i;
        interval_tree_init(&slots->set[i].by_hva);
    }
}

struct memslot_set *memslots_read_begin(struct memslots *slots)
{
    return memslots_read_begin_on(slots, stripe());
}

void memslots_read_end(struct memslot_set *set)
{
    memslots_read_end_on(set, stripe());
}

/* Not a part of the loop that waits: it would prepare all addresses for rounds that hardly ever come. */
__attribute__((noinline)) bool memslots_is_read(const struct memslot_set *set)
{
#pragma GCC unroll 8
    for (unsigned i = 0; i < STRIPES; i++) {
        if (atomic_read(&set->readers[i].count) != 0)
            return true;
    }
    return false;
}

/* The slot with the largest base that is not above `gfn`. */
static struct memslot *at_or_below(const struct memslot_set *set, gfn_t gfn)
{
    const struct rb_node *node = set->by_gfn.root;
    struct memslot *found = NULL;

    while (node != NULL) {
        struct memslot *slot = by_gfn(node, set->index);
        bool larger = gfn.v >= slot->base.v;

        if (larger)
            found = slot;
        node = node->child[larger];
    }
    return found;
}

struct memslot *memslots_find(struct memslot_set *set, gfn_t gfn)
{
    /* Relaxed: whatever slot it is, the set that the caller uses already led here with all that is in it. */
    struct memslot *slot = __atomic_load_n(&set->last_used, __ATOMIC_RELAXED);

    if (slot != NULL && memslot_holds(slot, gfn))
        return slot;
    slot = at_or_below(set, gfn);
    if (slot == NULL || !memslot_holds(slot, gfn))
        return NULL;
    __atomic_store_n(&set->last_used, slot, __ATOMIC_RELAXED);
    return slot;
}

struct memslot *memslots_find_from(struct memslot_set *set, gfn_t gfn)
{
    struct memslot *below = at_or_below(set, gfn);

    if (below == NULL)
        return memslots_first(set);
    return memslot_holds(below, gfn) ? below : memslots_next(set, below);
}

struct memslot *memslots_find_id(struct memslot_set *set, u32 id)
{
    const struct rb_node *node = set->by_id.root;

    while (node != NULL) {
        struct memslot *slot = by_id(node, set->index);

        if (slot->id == id)
            return slot;
        node = node->child[id > slot->id];
    }
    return NULL;
}

struct memslot *memslots_first_hva(struct memslot_set *set, hva_t first, hva_t last)
{
    const struct interval_node *found = interval_tree_first(&set->by_hva, first.v, last.v);

    return found == NULL ? NULL : by_hva(found, set->index);
}

struct memslot *memslots_next_hva(struct memslot_set *set, const struct memslot *slot, hva_t first, hva_t last)
{
    const struct interval_node *found = interval_tree_next(&slot->by_hva[set->index], first.v, last.v);

    return found == NULL ? NULL : by_hva(found, set->index);
}

struct memslot *memslots_first(const struct memslot_set *set)
{
    const struct rb_node *node = rb_first(&set->by_gfn);

    return node == NULL ? NULL : by_gfn(node, set->index);
}

struct memslot *memslots_next(const struct memslot_set *set, const struct memslot *slot)
{
    const struct rb_node *node = rb_next(&slot->by_gfn[set->index]);

    return node == NULL ? NULL : by_gfn(node, set->index);
}

int memslots_check(struct memslots *slots, const struct memslot *wanted, const struct memslot *old)
{
    struct memslot_set *set = memslots_active(slots);
    u64 last = memslot_end(wanted).v - 1;
    const struct memslot *other = memslots_find_from(set, wanted->base);

    assert(memslots_is_changing(slots));
    if (other != NULL && other == old)
        other = memslots_next(set, old);
    if (other != NULL && other->base.v <= last)
        return -EEXIST;
    other = memslots_find_id(set, wanted->id);
    return other != NULL && other != old ? -EEXIST : 0;
}

/* Where a slot goes in a tree: as child `side` of the node of `parent`. NULL: the tree is empty. */
struct place {
    struct memslot *parent;
    unsigned side;
};

static void place_by_gfn(const struct memslot_set *set, const struct memslot *slot, struct place *place)
{
    struct memslot *parent = NULL;
    unsigned side = 0;

    for (const struct rb_node *at = set->by_gfn.root; at != NULL; at = at->child[side]) {
        parent = by_gfn(at, set->index);
        /* Both neighbours lie on the way, so who overlaps a slot meets one that it overlaps (M7). */
        assert(!memslot_holds(parent, slot->base) && !memslot_holds(slot, parent->base));
        side = slot->base.v > parent->base.v;
    }
    *place = (struct place){ parent, side };
}

static void place_by_id(const struct memslot_set *set, const struct memslot *slot, struct place *place)
{
    struct memslot *parent = NULL;
    unsigned side = 0;

    for (const struct rb_node *at = set->by_id.root; at != NULL; at = at->child[side]) {
        parent = by_id(at, set->index);
        assert(slot->id != parent->id);
        side = slot->id > parent->id;
    }
    *place = (struct place){ parent, side };
}

static void place_by_hva(const struct memslot_set *set, struct memslot *slot, struct place *place)
{
    const struct rb_node *at = interval_tree_place(&set->by_hva, &slot->by_hva[set->index], &place->side);

    place->parent = at == NULL ? NULL : by_hva(container_of(at, struct interval_node, rb), set->index);
}

/* What a change does in each set. */
struct edit {
    enum { INSERT, INVALIDATE, REMOVE, REPLACE, EXCHANGE, SET_LOG } what;
    struct memslot *slot;
    struct memslot *by;    /* what comes in; REPLACE: the id and the pages of the backing are the same as of `slot` */
    struct dirty_log *log; /* SET_LOG */
};

/* Where `by` goes: not said where `known` is not set, so that a change that needs none does not clear it. */
struct places {
    bool known; /* the first set was edited */
    struct place by_gfn, by_id, by_hva;
};

static void insert_by_gfn(struct memslot_set *set, struct memslot *slot, const struct place *place)
{
    struct rb_node *parent = place->parent == NULL ? NULL : &place->parent->by_gfn[set->index];

    rb_insert(&set->by_gfn, &slot->by_gfn[set->index], parent, place->side);
}

static void insert_by_id(struct memslot_set *set, struct memslot *slot, const struct place *place)
{
    struct rb_node *parent = place->parent == NULL ? NULL : &place->parent->by_id[set->index];

    rb_insert(&set->by_id, &slot->by_id[set->index], parent, place->side);
}

static void insert_by_hva(struct memslot_set *set, struct memslot *slot, const struct place *place)
{
    struct rb_node *parent = place->parent == NULL ? NULL : &place->parent->by_hva[set->index].rb;

    rb_insert(&set->by_hva, &slot->by_hva[set->index].rb, parent, place->side);
}

/*
 * Both sets have had the same edits, so their trees have the same shape (M5): the place that was found in the first one
 * is the place in the second one, and its nodes need not be looked through.
 */
static void insert_into(struct memslot_set *set, struct memslot *slot, struct places *places)
{
    if (!places->known) {
        place_by_gfn(set, slot, &places->by_gfn);
        place_by_id(set, slot, &places->by_id);
        place_by_hva(set, slot, &places->by_hva);
        places->known = true;
    }
    insert_by_gfn(set, slot, &places->by_gfn);
    insert_by_id(set, slot, &places->by_id);
    insert_by_hva(set, slot, &places->by_hva);
    set->count++;
}

static void remove_from(struct memslot_set *set, struct memslot *slot)
{
    rb_erase(&set->by_gfn, &slot->by_gfn[set->index]);
    rb_erase(&set->by_id, &slot->by_id[set->index]);
    interval_tree_remove(&set->by_hva, &slot->by_hva[set->index]);
    set->count--;
}

static bool shows_the_same(const struct memslot *a, const struct memslot *b)
{
    return a->backing == b->backing && a->offset == b->offset && a->npages == b->npages;
}

/* By id and by hva the new slot stands where the old one stood, and most often by gfn too: those trees are not searched. */
static void replace_in(struct memslot_set *set, struct memslot *old, struct memslot *slot, struct places *places)
{
    unsigned index = set->index;

    rb_replace(&set->by_id, &old->by_id[index], &slot->by_id[index]);
    interval_tree_replace(&set->by_hva, &old->by_hva[index], &slot->by_hva[index]);
    if (old->base.v == slot->base.v) {
        rb_replace(&set->by_gfn, &old->by_gfn[index], &slot->by_gfn[index]);
        return;
    }
    rb_erase(&set->by_gfn, &old->by_gfn[index]);
    if (!places->known)
        place_by_gfn(set, slot, &places->by_gfn);
    places->known = true;
    insert_by_gfn(set, slot, &places->by_gfn);
}

static void edit_set(struct memslot_set *set, const struct edit *edit, struct places *places, u64 generation)
{
    /* A reader remembered it, and has left; what it remembered may go (M6). */
    __atomic_store_n(&set->last_used, NULL, __ATOMIC_RELAXED);
    switch (edit->what) {
    case EXCHANGE:
        remove_from(set, edit->slot);
        __attribute__((fallthrough));
    case INSERT:
        insert_into(set, edit->by, places);
        break;
    case INVALIDATE:
        edit->slot->invalid[set->index] = true;
        break;
    case REMOVE:
        remove_from(set, edit->slot);
        break;
    case REPLACE:
        replace_in(set, edit->slot, edit->by, places);
        break;
    case SET_LOG:
        edit->slot->log[set->index] = edit->log;
        break;
    }
    set->generation = generation;
}

/* Makes `set` the one that readers use, and returns when no reader uses the old one any more. */
static void publish(struct memslots *slots, const struct memslot_set *old, const struct memslot_set *set)
{
    /* Pairs with memslots_read_begin(): exchanged first, then looked; there it is counted first, then looked. */
    atomic_xchg(&slots->active, set->index);
    /* Pairs with memslots_read_end(). A reader may need any lock before it ends, and none is held here (M4). */
    while (memslots_is_read(old))
        port_yield();
}

/* Makes one edit in the set that nobody reads, shows that set to readers, and edits the other one too (M1, M5). */
static void change(struct memslots *slots, const struct edit *edit)
{
    struct memslot_set *old = memslots_active(slots), *other = &slots->set[!old->index];
    struct places places;

    assert(memslots_is_changing(slots));
    places.known = false;
    slots->generation++;
    edit_set(other, edit, &places, slots->generation);
    publish(slots, old, other);
    edit_set(old, edit, &places, slots->generation);
}

void memslots_insert(struct memslots *slots, struct memslot *slot)
{
    change(slots, &(struct edit){ .what = INSERT, .by = slot });
}

void memslots_invalidate(struct memslots *slots, struct memslot *slot)
{
    change(slots, &(struct edit){ .what = INVALIDATE, .slot = slot });
}

void memslots_remove(struct memslots *slots, struct memslot *slot)
{
    assert(memslots_is_invalid(memslots_active(slots), slot));
    change(slots, &(struct edit){ .what = REMOVE, .slot = slot });
}

void memslots_replace(struct memslots *slots, struct memslot *old, struct memslot *slot)
{
    assert(old->id == slot->id);
    change(slots, &(struct edit){ .what = shows_the_same(old, slot) ? REPLACE : EXCHANGE, .slot = old, .by = slot });
}

void memslots_set_log(struct memslots *slots, struct memslot *slot, struct dirty_log *log)
{
    change(slots, &(struct edit){ .what = SET_LOG, .slot = slot, .log = log });
}
