/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/memslots.c: against a flat array. */
#include "tests/unit/mm_support.h"

enum { SPACE = 512, IDS = 64 };

static struct memslots slots;
static struct backing *backing;

/* The model: which slot is at each gfn, and which slots there are. */
static struct memslot *at[SPACE];
static struct memslot *by_id[IDS];

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    memslots_init(&slots);
    memset(at, 0, sizeof(at));
    memset(by_id, 0, sizeof(by_id));
    backing = new_backing(SPACE, BACKING_ON_DEMAND);
    return 0;
}

static int finish(void **state)
{
    backing_put(backing);
    port_host_stop();
    return 0;
}

static struct memslot wanted_slot(u32 id, u64 base, u64 npages, u64 offset)
{
    return (struct memslot){
        .id = id, .base = { base }, .npages = npages, .largest = LEVEL_1G, .backing = backing, .offset = offset
    };
}

static struct memslot *add(u32 id, u64 base, u64 npages, u64 offset)
{
    struct memslot wanted = wanted_slot(id, base, npages, offset);
    struct memslot *slot = memslot_create(&wanted);

    assert_non_null(slot);
    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_insert(&slots, slot);
    memslots_end_change(&slots);
    return slot;
}

static void drop(struct memslot *slot)
{
    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_invalidate(&slots, slot);
    assert_true(memslots_is_invalid(&slots, slot));
    assert_ptr_equal(memslots_find(&slots, slot->base), slot);
    memslots_remove(&slots, slot);
    memslots_end_change(&slots);
    memslot_destroy(slot);
}

static void check_hva(u64 page)
{
    hva_t hva = { backing_hva(backing).v + page * PAGE_SIZE };
    const struct memslot *found = memslots_first_hva(&slots, hva, hva);
    unsigned count = 0;

    for (; found != NULL; found = memslots_next_hva(&slots, found, hva, hva)) {
        assert_ptr_equal(by_id[found->id], found);
        assert_true(found->offset <= page && page < found->offset + found->npages);
        count++;
    }
    for (u32 id = 0; id < IDS; id++) {
        if (by_id[id] != NULL && by_id[id]->offset <= page && page < by_id[id]->offset + by_id[id]->npages)
            count--;
    }
    assert_int_equal(count, 0);
}

static void check_sets(void)
{
    const struct memslot *one = memslots_first(&slots, 0), *two = memslots_first(&slots, 1);
    u64 count = 0, end = 0;

    while (one != NULL) {
        assert_ptr_equal(one, two);
        assert_true(one->base.v >= end);
        assert_false(one->node[0].invalid || one->node[1].invalid);
        end = memslot_end(one).v;
        one = memslots_next(one, 0);
        two = memslots_next(two, 1);
        count++;
    }
    assert_null(two);
    for (u32 id = 0; id < IDS; id++)
        count -= by_id[id] != NULL;
    assert_int_equal(count, 0);
    assert_int_equal(slots.set[0].generation, slots.generation);
    assert_int_equal(slots.set[1].generation, slots.generation);
}

static void test_M5_M7_random_operations_match_the_model(void **state)
{
    u64 seed = 17, generation = slots.generation;

    for (unsigned step = 0; step < 4000; step++) {
        u32 id = (u32)random_below(&seed, IDS);
        u64 base = random_below(&seed, SPACE);
        u64 npages = 1 + random_below(&seed, SPACE - base < 20 ? SPACE - base : 20);

        if (random_below(&seed, 2) == 0) {
            struct memslot wanted = wanted_slot(id, base, npages, random_below(&seed, SPACE - npages + 1));
            bool taken = by_id[id] != NULL;

            for (u64 i = 0; i < npages; i++)
                taken = taken || at[base + i] != NULL;
            assert_int_equal(memslots_check(&slots, &wanted), taken ? -EEXIST : 0);
            if (taken)
                continue;
            by_id[id] = add(id, base, npages, wanted.offset);
            for (u64 i = 0; i < npages; i++)
                at[base + i] = by_id[id];
            generation += 1;
        } else if (by_id[id] != NULL) {
            for (u64 i = 0; i < SPACE; i++)
                at[i] = at[i] == by_id[id] ? NULL : at[i];
            drop(by_id[id]);
            by_id[id] = NULL;
            generation += 2;
        }
        assert_int_equal(slots.generation, generation);
        check_sets();
        for (u64 i = 0; i < SPACE; i += 1 + random_below(&seed, 9))
            assert_ptr_equal(memslots_find(&slots, (gfn_t){ i }), at[i]);
        assert_null(memslots_find(&slots, (gfn_t){ ~0ull }));
        for (u32 i = 0; i < IDS; i++)
            assert_ptr_equal(memslots_find_id(&slots, i), by_id[i]);
        check_hva(random_below(&seed, SPACE));
    }
    for (u32 id = 0; id < IDS; id++) {
        if (by_id[id] != NULL)
            drop(by_id[id]);
    }
}

static void test_M6_last_used_never_outlives_its_slot(void **state)
{
    struct memslot *a = add(0, 0, 10, 0), *b = add(1, 20, 10, 0);

    assert_ptr_equal(memslots_find(&slots, (gfn_t){ 5 }), a);
    assert_ptr_equal(memslots_active(&slots)->last_used, a);
    drop(a);
    assert_null(memslots_find(&slots, (gfn_t){ 5 }));
    assert_ptr_equal(memslots_find(&slots, (gfn_t){ 25 }), b);
    /* The same, where the other set remembers it. */
    a = add(0, 0, 10, 0);
    assert_ptr_equal(memslots_find(&slots, (gfn_t){ 5 }), a);
    struct memslot *c = add(2, 40, 1, 0);
    assert_ptr_equal(memslots_find(&slots, (gfn_t){ 5 }), a);
    drop(a);
    assert_null(slots.set[0].last_used);
    assert_null(slots.set[1].last_used);
    drop(c);
    assert_null(memslots_find(&slots, (gfn_t){ 5 }));
    drop(b);
}

static void test_M1_readers_see_the_set_that_was_published(void **state)
{
    struct memslot *a = add(0, 0, 10, 0);
    const struct memslot_set *before = memslots_active(&slots);

    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_invalidate(&slots, a);
    assert_ptr_not_equal(memslots_active(&slots), before);
    assert_int_equal(memslots_begin_change(&slots), -EBUSY);
    assert_int_equal(memslots_active(&slots)->generation, slots.generation);
    memslots_remove(&slots, a);
    memslots_end_change(&slots);
    memslot_destroy(a);
}

static void test_M3_only_an_invalid_slot_is_removed(void **state)
{
    struct memslot *a = add(0, 0, 10, 0);

    assert_true(ASSERTS(memslots_insert(&slots, a)));
    assert_int_equal(memslots_begin_change(&slots), 0);
    assert_true(ASSERTS(memslots_remove(&slots, a)));
    memslots_end_change(&slots);
    drop(a);
}

static void test_M8_slot_is_freed_once(void **state)
{
    struct memslot wanted = wanted_slot(0, 0, 1, 0);
    struct memslot *a = memslot_create(&wanted), *b = memslot_create(&wanted);

    memslot_destroy(a);
    backing_get(backing); /* the wrong second destroy takes one before it asserts */
    assert_true(ASSERTS(memslot_destroy(a)));
    memslot_destroy(b);
}

static unsigned depth_of(const struct rb_node *node)
{
    unsigned depth = 0;

    for (; node != NULL; node = node->parent)
        depth++;
    return depth;
}

static void test_M9_costs_grow_with_the_slots_in_use(void **state)
{
    enum { MANY = 4096 };
    static struct memslot *many[MANY];
    u64 frames = frame_get_stats().used[FRAME_CONTROL];

    /* Three slots: one frame for all of them. */
    for (u32 i = 0; i < 3; i++)
        many[i] = add(i, i * 2, 1, i);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], frames + 1);
    for (u32 i = 3; i < MANY; i++)
        many[i] = add(i, i * 2, 1, i % SPACE);
    for (unsigned index = 0; index < 2; index++) {
        for (u32 i = 0; i < MANY; i++) {
            assert_true(depth_of(&many[i]->node[index].by_gfn) <= 2 * 13);
            assert_true(depth_of(&many[i]->node[index].by_id) <= 2 * 13);
            assert_true(depth_of(&many[i]->node[index].by_hva.rb) <= 2 * 13);
        }
    }
    for (u32 i = 0; i < MANY; i++) {
        assert_ptr_equal(memslots_find(&slots, (gfn_t){ i * 2 }), many[i]);
        assert_null(memslots_find(&slots, (gfn_t){ i * 2 + 1 }));
    }
    for (u32 i = 0; i < MANY; i++)
        drop(many[i]);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], frames);
}

#define SLOTS_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOTS_TEST(test_M5_M7_random_operations_match_the_model),
        SLOTS_TEST(test_M6_last_used_never_outlives_its_slot),
        SLOTS_TEST(test_M1_readers_see_the_set_that_was_published),
        SLOTS_TEST(test_M3_only_an_invalid_slot_is_removed),
        SLOTS_TEST(test_M8_slot_is_freed_once),
        SLOTS_TEST(test_M9_costs_grow_with_the_slots_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
