/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/memslots.c against a flat array: millions of random operations with sets of all sizes. After each change nothing may
 * differ from the model, and now and then all properties of all trees of both sets are checked. Now and then also a reader
 * stays in the old set while a change waits for it, and finds there what the model was before.
 */
#include "tests/unit/mm_support.h"

#include "mm/memslots.h"

enum { MOST = 32768, SPACE = 1 << 18, BACKINGS = 2, RAM = 16384 };

/* The slot number k has the id k * ID_FACTOR: ids are spread over all 32 bits, and lead back to k. */
#define ID_FACTOR  2654435761u
#define ID_INVERSE 244002641u
static_assert(ID_FACTOR * ID_INVERSE == 1u, "the inverse, modulo 2^32");

struct entry {
    struct memslot *slot; /* NULL: there is none of this number */
    u64 base;             /* relative to `window` */
    u64 npages, offset;
    u32 backing, flags;
    bool invalid;
};

struct model {
    u64 generation;
    u32 count;
    u32 at[SPACE]; /* number of the slot at that gfn, relative to `window`, + 1; 0: none */
    struct entry entry[MOST];
};

static struct model now, before;
static struct memslots slots;
static struct backing *backings[BACKINGS];
static u64 seed, backing_size;

/* Of this run: there are at most `limit` slots, all between the gfns window and window + space. */
static u64 window, space;
static u32 limit;
static u64 operations;

static u64 hva_of(const struct entry *entry)
{
    return backing_hva(backings[entry->backing]).v + entry->offset * PAGE_SIZE;
}

static struct memslot *slot_at(const struct model *model, u64 gfn)
{
    return gfn < space && model->at[gfn] != 0 ? model->entry[model->at[gfn] - 1].slot : NULL;
}

/* The entry of a slot that was found; it asserts that the model has just this slot. */
static const struct entry *entry_of(const struct model *model, const struct memslot *slot)
{
    u32 k = slot->id * ID_INVERSE;

    assert_true(k < limit);
    assert_ptr_equal(model->entry[k].slot, slot);
    return &model->entry[k];
}

/* ---- checks of a whole set */

static void check_order(struct memslot_set *set, const struct model *model)
{
    struct memslot *slot = memslots_first(set);
    u32 count = 0;

    for (u64 gfn = 0; gfn < space; gfn++) {
        if (model->at[gfn] == 0)
            continue;
        const struct entry *entry = &model->entry[model->at[gfn] - 1];

        assert_non_null(slot);
        assert_ptr_equal(slot, entry->slot);
        assert_true(slot->base.v == window + entry->base && slot->npages == entry->npages);
        assert_true(slot->offset == entry->offset && slot->backing == backings[entry->backing]);
        assert_int_equal(slot->flags, entry->flags);
        assert_int_equal(memslots_is_invalid(set, slot), entry->invalid);
        slot = memslots_next(set, slot);
        gfn += entry->npages - 1;
        count++;
    }
    assert_null(slot);
    assert_int_equal(count, model->count);
    assert_int_equal(set->count, model->count);
    assert_true(set->generation == model->generation);
}

/* Red-black properties at and below `node`; the number of black nodes on each path. The nodes are counted. */
static unsigned check_tree(const struct rb_node *node, const struct rb_node *parent, u32 *count)
{
    if (node == NULL)
        return 0;
    assert_ptr_equal(rb_parent(node), parent);
    assert_false(rb_is_red(node) && (parent == NULL || rb_is_red(parent)));
    *count += 1;
    unsigned black = check_tree(node->child[0], node, count);
    assert_int_equal(check_tree(node->child[1], node, count), black);
    return black + !rb_is_red(node);
}

/* The largest end at and below `node`. */
static u64 check_max(const struct rb_node *rb)
{
    const struct interval_node *node = container_of(rb, struct interval_node, rb);
    u64 max = node->last;

    for (unsigned side = 0; side < 2; side++) {
        u64 end = rb->child[side] == NULL ? 0 : check_max(rb->child[side]);

        max = end > max ? end : max;
    }
    assert_true(node->max_last == max);
    return max;
}

static void check_trees(const struct memslot_set *set)
{
    const struct rb_tree *trees[3] = { &set->by_gfn, &set->by_id, &set->by_hva };
    u64 id = 0, hva = 0;

    for (unsigned i = 0; i < 3; i++) {
        u32 count = 0;

        check_tree(trees[i]->root, NULL, &count);
        assert_int_equal(count, now.count);
    }
    if (set->by_hva.root != NULL)
        check_max(set->by_hva.root);
    /* The order by gfn is check_order()'s. */
    for (const struct rb_node *node = rb_first(&set->by_id); node != NULL; node = rb_next(node)) {
        const struct memslot *slot = container_of(node - set->index, struct memslot, by_id[0]);

        entry_of(&now, slot);
        assert_true(slot->id + 1ull > id);
        id = slot->id + 1ull;
    }
    for (const struct rb_node *node = rb_first(&set->by_hva); node != NULL; node = rb_next(node)) {
        const struct interval_node *interval = container_of(node, struct interval_node, rb);
        const struct memslot *slot = container_of(interval - set->index, struct memslot, by_hva[0]);
        const struct entry *entry = entry_of(&now, slot);

        assert_true(interval->first == hva_of(entry));
        assert_true(interval->last == hva_of(entry) + entry->npages * PAGE_SIZE - 1);
        assert_true(interval->first >= hva);
        hva = interval->first;
    }
}

/* Both sets are the model (M5), and all that holds for the trees holds. */
static void check_all(void)
{
    for (unsigned i = 0; i < 2; i++) {
        check_order(&slots.set[i], &now);
        check_trees(&slots.set[i]);
        assert_false(memslots_is_read(&slots.set[i]));
        if (slots.set[i].last_used != NULL)
            entry_of(&now, slots.set[i].last_used);
    }
    assert_true(slots.generation == now.generation);
}

/* ---- changes */

static struct memslot_set *held;

static void reader_leaves(void)
{
    struct memslot_set *fresh = memslots_read_begin(&slots);

    assert_ptr_not_equal(fresh, held);
    check_order(fresh, &now);
    check_order(held, &before);
    /* The old set remembers a slot that may be the one that goes. */
    struct memslot *first = memslots_first(held);
    if (first != NULL)
        assert_ptr_equal(memslots_find(held, first->base), first);
    memslots_read_end(fresh);
    memslots_read_end(held);
    held = NULL;
}

static void nobody_to_wait_for(void)
{
    fail_msg("a change waits, and nobody reads");
}

static bool with_reader;

/* Before the model changes. */
static void begin(void)
{
    assert_int_equal(memslots_begin_change(&slots), 0);
    port_host.on_yield = nobody_to_wait_for;
    with_reader = space <= 4096 && random_below(&seed, 32) == 0;
    if (!with_reader)
        return;
    before.generation = now.generation;
    before.count = now.count;
    memcpy(before.at, now.at, space * sizeof(now.at[0]));
    memcpy(before.entry, now.entry, limit * sizeof(now.entry[0]));
    held = memslots_read_begin(&slots);
    port_host.on_yield = reader_leaves;
}

/* After the change. `gone` is in no set any more, or NULL. */
static void end(struct memslot *gone)
{
    assert_null(held);
    port_host.on_yield = NULL;
    memslots_end_change(&slots);
    for (unsigned i = 0; i < 2 && gone != NULL; i++)
        assert_ptr_not_equal(slots.set[i].last_used, gone);
    if (gone != NULL)
        memslot_destroy(gone);
    if (with_reader || operations % 64 == 0)
        check_order(&slots.set[operations % 2], &now);
}

static void model_put(u32 k, const struct entry *entry)
{
    now.entry[k] = *entry;
    for (u64 i = 0; i < entry->npages; i++)
        now.at[entry->base + i] = k + 1;
    now.count++;
}

static void model_take(u32 k)
{
    for (u64 i = 0; i < now.entry[k].npages; i++)
        now.at[now.entry[k].base + i] = 0;
    now.entry[k].slot = NULL;
    now.count--;
}

/* What memslots_check() must say. */
static int model_check(u32 k, const struct entry *entry, u32 old)
{
    if (now.entry[k].slot != NULL && k != old)
        return -EEXIST;
    for (u64 i = 0; i < entry->npages; i++) {
        if (now.at[entry->base + i] != 0 && now.at[entry->base + i] != old + 1)
            return -EEXIST;
    }
    return 0;
}

static struct entry random_entry(void)
{
    u64 usual = 2 * space / limit;
    struct entry entry = { .backing = (u32)random_below(&seed, BACKINGS), .flags = (u32)random_below(&seed, 2) };

    entry.base = random_below(&seed, space);
    entry.npages = 1 + random_below(&seed, random_below(&seed, 16) == 0 ? 8 * usual : usual);
    if (entry.npages > space - entry.base)
        entry.npages = space - entry.base;
    entry.offset = random_below(&seed, backing_size - entry.npages + 1);
    return entry;
}

/* Puts a slot there, in the place of number `old`, if the model has room; MOST: of none. Both agree on that. */
static void put(u32 k, struct entry entry, u32 old)
{
    struct memslot wanted = { .id = k * ID_FACTOR, .flags = entry.flags, .largest = LEVEL_1G };
    struct memslot *old_slot = old == MOST ? NULL : now.entry[old].slot;

    wanted.base.v = window + entry.base;
    wanted.npages = entry.npages;
    wanted.backing = backings[entry.backing];
    wanted.offset = entry.offset;
    begin();
    int error = memslots_check(&slots, &wanted, old_slot);
    assert_int_equal(error, model_check(k, &entry, old));
    /* In the place of a slot with another id it only can be asked for. */
    if (error != 0 || (old != MOST && old != k)) {
        if (held != NULL)
            memslots_read_end(held);
        held = NULL;
        end(NULL);
        return;
    }
    entry.slot = memslot_create(&wanted);
    assert_non_null(entry.slot);
    now.generation++;
    if (old != MOST)
        model_take(old);
    model_put(k, &entry);
    if (old == MOST)
        memslots_insert(&slots, entry.slot);
    else
        memslots_replace(&slots, old_slot, entry.slot);
    end(old_slot);
}

static void invalidate(u32 k)
{
    begin();
    now.entry[k].invalid = true;
    now.generation++;
    memslots_invalidate(&slots, now.entry[k].slot);
    end(NULL);
}

static void take_out(u32 k)
{
    struct memslot *slot = now.entry[k].slot;

    begin();
    model_take(k);
    now.generation++;
    memslots_remove(&slots, slot);
    end(slot);
}

/* The number of some slot; there is one. */
static u32 some_slot(void)
{
    u32 k = (u32)random_below(&seed, limit);

    while (now.entry[k].slot == NULL)
        k = (k + 1) % limit;
    return k;
}

/* One random change that leads towards `target` slots. */
static void change(u32 target)
{
    u32 k = (u32)random_below(&seed, limit), old = now.count == 0 ? MOST : some_slot();
    struct entry entry = random_entry();
    unsigned kind = (unsigned)random_below(&seed, 16);

    if (old == MOST || kind < 4 + 8 * (now.count < target)) {
        put(k, entry, MOST);
    } else if (kind == 12) {
        put(k, entry, old); /* a question only, mostly */
    } else if (kind == 13) {
        put(old, entry, old);
    } else if (kind == 14) {
        /* A little further, over itself. */
        entry.npages = now.entry[old].npages;
        entry.base = now.entry[old].base + random_below(&seed, 2 * entry.npages);
        if (entry.base + entry.npages <= space)
            put(old, entry, old);
    } else if (kind == 15) {
        /* The same place with other flags. */
        entry = now.entry[old];
        entry.flags ^= 1;
        entry.invalid = false;
        put(old, entry, old);
    } else {
        if (!now.entry[old].invalid)
            invalidate(old);
        if (kind % 4 != 0)
            take_out(old);
    }
}

/* ---- questions */

static void ask_hva(struct memslot_set *set)
{
    static u64 asked, seen[MOST]; /* the last question whose answer had this slot */
    hva_t first = backing_hva(backings[random_below(&seed, BACKINGS)]), last;
    u64 hva = 0;
    s64 count = 0;

    first.v += random_below(&seed, backing_size * PAGE_SIZE);
    last.v = first.v + random_below(&seed, random_below(&seed, 64) == 0 ? backing_size * PAGE_SIZE : 8 * PAGE_SIZE);
    asked++;
    for (struct memslot *slot = memslots_first_hva(set, first, last); slot != NULL;
         slot = memslots_next_hva(set, slot, first, last)) {
        const struct entry *entry = entry_of(&now, slot);

        assert_true(hva_of(entry) <= last.v && hva_of(entry) + entry->npages * PAGE_SIZE > first.v);
        assert_true(hva_of(entry) >= hva);
        assert_true(seen[entry - now.entry] != asked);
        hva = hva_of(entry);
        seen[entry - now.entry] = asked;
        count++;
    }
    for (u32 k = 0; k < limit; k++) {
        const struct entry *entry = &now.entry[k];

        count -= entry->slot != NULL && hva_of(entry) <= last.v && hva_of(entry) + entry->npages * PAGE_SIZE > first.v;
    }
    assert_int_equal(count, 0);
}

static void ask(void)
{
    static u64 gfn;
    struct memslot_set *set = memslots_read_begin(&slots);
    unsigned kind = (unsigned)random_below(&seed, 16);
    struct memslot *slot;

    assert_true(set->generation == now.generation);
    /* Mostly near the last question: that is where the slot used last answers. */
    gfn = random_below(&seed, 4) == 0 ? random_below(&seed, space) : (gfn + random_below(&seed, 8)) % space;
    if (kind < 9) {
        slot = memslots_find(set, (gfn_t){ window + gfn });
        assert_ptr_equal(slot, slot_at(&now, gfn));
        if (slot != NULL) {
            assert_ptr_equal(set->last_used, slot);
            assert_int_equal(memslots_is_invalid(set, slot), entry_of(&now, slot)->invalid);
        }
    } else if (kind < 12) {
        u64 from = gfn;

        while (from < space && now.at[from] == 0)
            from++;
        assert_ptr_equal(memslots_find_from(set, (gfn_t){ window + gfn }), slot_at(&now, from));
    } else if (kind < 15) {
        u32 k = (u32)random_below(&seed, limit);

        assert_ptr_equal(memslots_find_id(set, k * ID_FACTOR), now.entry[k].slot);
        assert_null(memslots_find_id(set, (limit + k) * ID_FACTOR));
    } else if (limit <= 1024 || random_below(&seed, 32) == 0) {
        ask_hva(set);
    }
    if (window > 0)
        assert_null(memslots_find(set, (gfn_t){ window - 1 }));
    if (window + space != 0)
        assert_null(memslots_find_from(set, (gfn_t){ window + space }));
    memslots_read_end(set);
}

/* ---- runs */

static void start_run(u64 number, u64 first, u64 gfns, u32 most)
{
    memslots_init(&slots);
    memset(&now, 0, sizeof(now));
    window = first;
    space = gfns;
    limit = most;
    seed = number;
    backing_size = gfns;
    for (unsigned i = 0; i < BACKINGS; i++)
        backings[i] = new_backing(backing_size, BACKING_ON_DEMAND);
}

static void end_run(void)
{
    check_all();
    while (now.count > 0) {
        u32 k = some_slot();

        if (!now.entry[k].invalid)
            invalidate(k);
        take_out(k);
    }
    check_all();
    for (unsigned i = 0; i < BACKINGS; i++)
        backing_put(backings[i]);
}

/* So many operations, one in four a change, with a new target now and then. */
static void run(u64 steps, u32 least, u64 between_checks)
{
    u32 target = limit;

    for (u64 step = 1; step <= steps; step++, operations++) {
        if (step % (8 * limit + 200) == 0)
            target = least + (u32)random_below(&seed, limit - least + 1);
        if (random_below(&seed, 4) == 0)
            change(target);
        else
            ask();
        if (step % between_checks == 0)
            check_all();
    }
}

static int start(void **state)
{
    port_host_start(RAM);
    return 0;
}

static void test_M1_M3_M5_M6_M7_a_few_slots(void **state)
{
    for (u64 number = 1; number <= 20; number++) {
        start_run(number, number % 2 ? 0 : 1ull << 35, 64, 1 + (u32)number % 8);
        run(20000, 0, 20);
        end_run();
    }
}

static void test_M1_M3_M5_M6_M7_hundreds_of_slots(void **state)
{
    /* The first and the last gfn that the type has too. */
    const u64 windows[] = { 0, 0x12345, (1ull << 52) - 4096, -4096ull };

    for (u64 number = 0; number < 16; number++) {
        start_run(100 + number, windows[number % 4], 4096, 50 + 50 * (u32)number);
        run(150000, 0, 2000);
        end_run();
    }
}

static void test_M5_M7_M9_32760_slots(void **state)
{
    start_run(1000, 0x1000, SPACE, 32760);
    for (u32 k = 0; k < limit; k++, operations++) {
        struct entry entry = random_entry();

        /* In an order that jumps about. */
        entry.base = k * 7919ull % limit * 8 + random_below(&seed, 4);
        entry.npages = 1 + random_below(&seed, 4);
        put(k, entry, MOST);
    }
    assert_int_equal(now.count, 32760);
    check_all();
    run(200000, limit / 2, 50000);
    end_run();
    assert_true(operations >= 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_M1_M3_M5_M6_M7_a_few_slots, start, stop),
        cmocka_unit_test_setup_teardown(test_M1_M3_M5_M6_M7_hundreds_of_slots, start, stop),
        cmocka_unit_test_setup_teardown(test_M5_M7_M9_32760_slots, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
