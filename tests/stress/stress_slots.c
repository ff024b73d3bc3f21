/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/memslots.c: threads read the slots of one VM while others add, move and remove them. Whoever changes them notes, before
 * anybody can see it, what the next generation is; a reader that finds generation and slots unlike that found a set that never
 * was (M1). Slots are freed as soon as their change has returned: who still has one reads what is not his any more.
 */
#include "tests/stress/stress.h"

#include <stdio.h>

#include "mm/atomic.h"

enum { THREADS = 4, CHANGERS = 2, IDS = 24, PLACE = 64, PLACES = 32, PAGES = IDS * PLACE / 2 };

/* More generations than a reader can stay behind. */
enum { HISTORY = 1024 };

static struct memslots slots;
static struct backing *backing;
static u64 history[HISTORY];     /* what the set is, by generation */
static struct memslot *all[IDS]; /* by id; whoever changes the slots */
static bool invalid[IDS];
static u64 changes, reads;

/* Of a slot, so that the sum is that of the set. */
static u64 mark_of(const struct memslot *slot, bool is_invalid)
{
    u64 mark = (u64)slot->id << 40 ^ slot->base.v << 8 ^ slot->npages << 1 ^ is_invalid;

    return (mark + 1) * 0x9e3779b97f4a7c15ull;
}

/* Some overlap in hva (M7). */
static struct memslot *new_slot(u32 id, u64 *seed)
{
    struct memslot wanted = { .id = id,
                              .largest = LEVEL_2M,
                              .base = { random_below(seed, PLACES) * PLACE },
                              .npages = 1 + random_below(seed, PLACE),
                              .backing = backing,
                              .offset = (u64)id * PLACE / 2 };

    if (wanted.offset + wanted.npages > PAGES)
        wanted.npages = PAGES - wanted.offset;
    if (memslots_check(&slots, &wanted, all[id]) != 0)
        return NULL;
    return memslot_create(&wanted);
}

static void note_next_generation(void)
{
    u64 sum = 0;

    for (u32 id = 0; id < IDS; id++)
        sum += all[id] == NULL ? 0 : mark_of(all[id], invalid[id]);
    atomic_write(&history[(slots.generation + 1) % HISTORY], sum);
}

static void invalidate(u32 id)
{
    invalid[id] = true;
    note_next_generation();
    memslots_invalidate(&slots, all[id]);
}

/* NULL: it goes. */
static void put_in_place(u32 id, struct memslot *slot)
{
    struct memslot *old = all[id];

    all[id] = slot;
    invalid[id] = false;
    note_next_generation();
    if (old == NULL)
        memslots_insert(&slots, slot);
    else if (slot == NULL)
        memslots_remove(&slots, old);
    else
        memslots_replace(&slots, old, slot);
    if (old != NULL)
        memslot_destroy(old);
}

static void change(u64 *seed)
{
    u32 id = (u32)random_below(seed, IDS);

    if (memslots_begin_change(&slots) != 0)
        return;
    bool goes = all[id] != NULL && random_below(seed, 3) == 0;
    struct memslot *slot = goes ? NULL : new_slot(id, seed);
    if (all[id] != NULL && (goes || (slot != NULL && random_below(seed, 2) == 0)))
        invalidate(id);
    if (slot != NULL || goes)
        put_in_place(id, slot);
    counter_add(&changes, 1);
    memslots_end_change(&slots);
}

static void check_all(struct memslot_set *set)
{
    u64 sum = 0, count = 0, end = 0;

    for (const struct memslot *slot = memslots_first(set); slot != NULL; slot = memslots_next(set, slot)) {
        STRESS_CHECK(slot->base.v >= end && slot->backing == backing);
        STRESS_CHECK(memslots_find_id(set, slot->id) == slot);
        end = memslot_end(slot).v;
        sum += mark_of(slot, memslots_is_invalid(set, slot));
        count++;
    }
    STRESS_CHECK(count == set->count);
    STRESS_CHECK(sum == atomic_read(&history[set->generation % HISTORY]));
}

static void check_gfn(struct memslot_set *set, gfn_t gfn)
{
    const struct memslot *slot = memslots_find(set, gfn), *from = memslots_find_from(set, gfn);

    STRESS_CHECK(slot == NULL || (memslot_holds(slot, gfn) && from == slot));
    STRESS_CHECK(slot != NULL || from == NULL || from->base.v > gfn.v);
}

/* All slots that show the page, and no other. */
static void check_page(struct memslot_set *set, u64 page)
{
    hva_t first = { backing_hva(backing).v + page * PAGE_SIZE }, last = { first.v + PAGE_SIZE - 1 };
    u64 expected = 0, found = 0;

    for (const struct memslot *slot = memslots_first(set); slot != NULL; slot = memslots_next(set, slot))
        expected += page - slot->offset < slot->npages;
    for (const struct memslot *slot = memslots_first_hva(set, first, last); slot != NULL;
         slot = memslots_next_hva(set, slot, first, last)) {
        STRESS_CHECK(page - slot->offset < slot->npages);
        found++;
    }
    STRESS_CHECK(found == expected);
}

/* What a vCPU remembers, with the generation. */
struct remembered {
    const struct memslot *slot;
    u64 generation;
};

static void read_slots(u64 *seed, struct remembered *last)
{
    struct memslot_set *set = memslots_read_begin(&slots);
    u64 generation = set->generation;
    gfn_t gfn = { random_below(seed, PLACES * PLACE) };

    STRESS_CHECK(generation >= last->generation);
    if (last->slot != NULL && last->generation == generation)
        STRESS_CHECK(memslots_find(set, last->slot->base) == last->slot);
    check_gfn(set, gfn);
    check_page(set, random_below(seed, PAGES));
    if (random_below(seed, 4) == 0)
        port_yield();
    check_all(set);
    STRESS_CHECK(set->generation == generation);
    *last = (struct remembered){ memslots_find_from(set, gfn), generation };
    counter_add(&reads, 1);
    memslots_read_end(set);
}

static void actor(unsigned number, u64 *seed)
{
    struct remembered last = { NULL, 0 };

    while (!stress_is_over()) {
        if (number < CHANGERS && random_below(seed, 4) != 0)
            change(seed);
        else
            read_slots(seed, &last);
    }
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    port_host_start(SMALL_RAM);
    STRESS_CHECK(backing_create(PAGES, BACKING_ON_DEMAND, &backing) == 0);
    memslots_init(&slots);
    stress_run(THREADS, actor);
    printf("# %llu changes, %llu reads\n", (unsigned long long)changes, (unsigned long long)reads);
    STRESS_CHECK(changes > 0 && reads > 0 && memslots_begin_change(&slots) == 0);
    for (u32 id = 0; id < IDS; id++) {
        if (all[id] != NULL) {
            invalidate(id);
            put_in_place(id, NULL);
        }
    }
    backing_put(backing);
    port_host_stop();
    return stress_end("slots read and changed by several threads");
}
