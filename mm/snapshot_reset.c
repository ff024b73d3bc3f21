/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way back to a snapshot. The draft's sets become all the pages that may differ: what the log has, and what the snapshots
 * differ in on the way through the tree. They stay that until all is done, so an error loses none of them.
 *
 * A page that has a frame of its own gets the content there, mapped as it is: no fault and no flush. As for every access
 * of the hypervisor the frame is used under the VM's lock, and only while nobody changes the page (mm/invalidation.h). What
 * is shared, lost or not there is first made the page's own, as for a write, or a hole.
 */
#include "mm/snapshot_internal.h"

#include "mm/backing_change.h"
#include "mm/dirty_internal.h"
#include "mm/mapping_level.h"
#include "mm/mem.h"
#include "mm/port.h"
#include "mm/vm.h"

/* Pages that are looked at under one lock, and how often that is done before others run. */
enum { BATCH = 16, BATCHES = 8 };

struct reset {
    struct vm_memory *vm;
    const struct memslot *slot;
    struct snapshot_slot *to;
    struct map_cursor cursor; /* in the slot's backing */
    u64 batches;
    struct snapshot_result result;
};

/* What a page was: as map_cursor_entry(), where a hole is as good as SAVED_ZEROS. The stores are held. */
static inline u64 find_saved(struct snapshot_slot *slot, u64 page)
{
    u64 entry;

    while (entry = map_cursor_entry(&slot->cursor, page), entry == MAP_EMPTY && slot->parent != NULL)
        slot = slot->parent;
    return entry;
}

/* Whether a page that has no frame of its own is as it was. */
static bool is_same(u64 entry, u64 saved)
{
    if (!(saved & MAP_PIECE))
        return entry == MAP_EMPTY;
    return entry & MAP_PIECE && map_frame(entry).v == map_frame(saved).v;
}

static inline void put_content(u64 entry, u64 saved)
{
    void *to = port_frame_address(map_frame(entry));

    if (saved & MAP_PIECE)
        memcpy(to, port_frame_address(map_frame(saved)), PAGE_SIZE);
    else
        memset(to, 0, PAGE_SIZE);
}

/*
 * Takes a batch out of *bits, where bit n is the page first + n. Those that need a frame first are in *rest then. 0, -EAGAIN
 * (somebody is changing some of them, and nothing is done), -EIO.
 */
static int restore_batch(struct reset *reset, u64 first, u64 *bits, u64 *rest)
{
    struct rwlock *lock = &reset->vm->spt.lock;
    u64 todo = *bits;
    u64 begin = first + (u64)__builtin_ctzll(todo), end = first + (64 - (u64)__builtin_clzll(todo));
    int error = 0;

    rwlock_lock_shared(lock);
    /* Under the lock: what is not in flight here changes nothing before it is released. Only holes may be filled. */
    if (backing_is_changing(reset->slot->backing, begin, end))
        error = -EAGAIN;
    for (unsigned i = 0; i < BATCH && todo != 0 && error == 0; i++, todo &= todo - 1) {
        u64 page = first + (u64)__builtin_ctzll(todo);
        u64 entry = map_cursor_entry(&reset->cursor, page), saved = find_saved(reset->to, page);

        reset->result.examined++;
        if (map_is_own(entry) && saved != MAP_LOST) {
            put_content(entry, saved);
            reset->result.restored++;
        } else if (saved == MAP_LOST) {
            error = entry == MAP_LOST ? 0 : -EIO;
        } else if (!is_same(entry, saved)) {
            *rest |= todo & -todo;
            reset->result.examined--;
        }
    }
    rwlock_unlock_shared(lock);
    *bits = todo;
    return error;
}

/* Makes the page a hole, or gives it a frame of its own. No lock is held. 0 (it is to be looked at again), -ENOMEM. */
static int make_own(struct reset *reset, u64 page)
{
    const struct memslot *slot = reset->slot;
    struct backing_page found;
    gfn_t gfn = { page - slot->offset + slot->base.v };
    int error;

    if (!(find_saved(reset->to, page) & MAP_PIECE)) {
        error = backing_punch(slot->backing, page, 1);
        reset->result.restored += error == 0;
        return error;
    }
    error = backing_resolve(slot->backing, page, mapping_piece(slot, gfn), true, &found);
    /* What was lost may be forgotten. */
    if (error == -EIO)
        error = backing_punch(slot->backing, page, 1);
    if (error == -EAGAIN)
        port_yield();
    return error == -EAGAIN ? 0 : error;
}

/* Those of the pages that have a frame of their own, or are as they were; the others are in *rest then. 0, -EIO. */
static int restore_own(struct reset *reset, u64 first, u64 bits, u64 *rest)
{
    int error = 0;

    while (bits != 0 && error == 0) {
        error = restore_batch(reset, first, &bits, rest);
        if (error == -EAGAIN || ++reset->batches % BATCHES == 0)
            port_yield();
        if (error == -EAGAIN)
            error = 0;
    }
    return error;
}

/* The pages first + n for bits n of a word. */
static int restore_word(struct reset *reset, u64 first, u64 bits)
{
    int error = 0;

    while (bits != 0 && error == 0) {
        u64 rest = 0;

        error = restore_own(reset, first, bits, &rest);
        for (bits = rest; rest != 0 && error == 0; rest &= rest - 1)
            error = make_own(reset, first + (u64)__builtin_ctzll(rest));
        if (bits != 0)
            port_yield();
    }
    return error;
}

static int restore_slot(struct reset *reset, const struct page_set *pages)
{
    const struct memslot *slot = reset->slot;
    u64 word = page_set_next(pages, 0);
    int error = 0;

    map_cursor_start(&reset->cursor, &slot->backing->map, false);
    for (; word != PAGE_SET_END && error == 0; word = page_set_next(pages, word + 1)) {
        u64 bits = page_set_get(pages, word);

        /* The first page of a word may lie before the slot; what is in the set does not. */
        error = restore_word(reset, word * PAGE_SET_WORD - slot->base.v + slot->offset, bits);
    }
    return error;
}

/* The other users of the log have been told of the pages when these were harvested; but maybe they have looked since. */
static void tell_others(struct dirty_log *log, const struct page_set *pages)
{
    dirty_log_begin(log);
    for (unsigned user = 0; user < DIRTY_USERS && log->users > 1; user++) {
        if (user != DIRTY_SNAPSHOT && dirty_log_is_user(log, user))
            page_set_add_set(&log->held[user], pages);
    }
    dirty_log_end(log);
}

/* All slots, which do not change meanwhile. */
static int restore_all(struct reset *reset, const struct snapshot *draft, const struct snapshot *to,
                       struct memslot_set *set)
{
    struct snapshot_slot *pages = snapshot_next_slot(draft, NULL), *saved = snapshot_next_slot(to, NULL);
    int error = 0;

    snapshot_hold(to);
    for (; saved != NULL && error == 0;
         pages = snapshot_next_slot(draft, pages), saved = snapshot_next_slot(to, saved)) {
        reset->slot = memslots_find_id(set, saved->id);
        reset->to = saved;
        error = restore_slot(reset, pages->delta);
        tell_others(memslots_log(set, reset->slot), pages->delta);
    }
    snapshot_release(to);
    return error;
}

static void add_deltas(const struct snapshot *draft, const struct snapshot *node)
{
    struct snapshot_slot *slot = snapshot_next_slot(draft, NULL), *from = snapshot_next_slot(node, NULL);

    for (; slot != NULL; slot = snapshot_next_slot(draft, slot), from = snapshot_next_slot(node, from))
        page_set_add_set(slot->delta, from->delta);
}

/* Adds to the draft what differs on the way from its parent to `to`: up to what is above both, and down again. */
static void add_way(const struct snapshot *draft, const struct snapshot *to)
{
    struct snapshot *node;
    const struct snapshot *common = to;

    for (node = draft->parent; node != NULL; node = node->parent)
        node->on_path = true;
    while (!common->on_path)
        common = common->parent;
    for (node = draft->parent; node != NULL; node = node->parent)
        node->on_path = false;
    for (node = draft->parent; node != common; node = node->parent) {
        assert(node != NULL);
        add_deltas(draft, node);
    }
    for (; to != common; to = to->parent)
        add_deltas(draft, to);
}

static const struct snapshot *root_of(const struct snapshot *node)
{
    while (node->parent != NULL)
        node = node->parent;
    return node;
}

int snapshot_go_back(struct snapshots *all, struct snapshot *to, struct snapshot_result *result)
{
    struct reset reset = { .vm = all->vm };
    struct snapshot *draft = all->draft;

    if (draft == NULL || root_of(draft) != root_of(to))
        return -ESTALE;

    /* Until the end: who changes slots waits. */
    struct memslot_set *set = memslots_read_begin(&all->vm->slots);
    int error = snapshot_matches(draft, set) && snapshot_harvest(all) == 0 ? 0 : -ESTALE;
    if (error == 0) {
        add_way(draft, to);
        error = restore_all(&reset, draft, to, set);
    }
    memslots_read_end(set);
    if (error != 0)
        return error;
    for (struct snapshot_slot *slot = snapshot_next_slot(draft, NULL); slot != NULL;
         slot = snapshot_next_slot(draft, slot))
        page_set_clear(slot->delta);
    snapshot_move_draft(all, to);
    *result = reset.result;
    return 0;
}
