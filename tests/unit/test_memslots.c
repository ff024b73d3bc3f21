/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/memslots.c: what each function promises. Concurrent readers: tests/unit/test_memslots_readers.c; long random histories
 * against a flat array: tests/unit/test_memslots_model.c.
 */
#include "tests/unit/memslots_support.h"

static int check(const struct memslot *wanted, const struct memslot *old)
{
    assert_int_equal(memslots_begin_change(&slots), 0);
    int error = memslots_check(&slots, wanted, old);
    memslots_end_change(&slots);
    return error;
}

static void test_M1_readers_see_the_set_that_was_published(void **state)
{
    struct memslot *a = add(0, 0, 10, 0);
    const struct memslot_set *before = memslots_active(&slots);

    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_invalidate(&slots, a);
    assert_ptr_not_equal(memslots_active(&slots), before);
    assert_int_equal(memslots_active(&slots)->generation, slots.generation);
    memslots_remove(&slots, a);
    memslots_end_change(&slots);
    memslot_destroy(a);
}

static void test_M1_one_change_at_a_time(void **state)
{
    struct memslot *a = add(0, 0, 10, 0);

    assert_int_equal(memslots_begin_change(&slots), 0);
    assert_int_equal(memslots_begin_change(&slots), -EBUSY);
    assert_int_equal(memslots_begin_change(&slots), -EBUSY);
    memslots_end_change(&slots);
    assert_true(ASSERTS(memslots_end_change(&slots)));
    assert_true(ASSERTS(memslots_invalidate(&slots, a)));
    assert_true(ASSERTS(memslots_check(&slots, a, NULL)));
    drop(a);
}

static void test_M4_without_readers_nothing_waits(void **state)
{
    u64 yields = port_host.yields;
    struct memslot_set *set = memslots_read_begin(&slots);

    memslots_read_end(set);
    drop(add(0, 0, 10, 0));
    assert_int_equal(port_host.yields, yields);
    assert_true(ASSERTS(memslots_read_end(set)));
    memslots_init(&slots);
}

static void test_M6_last_used_never_outlives_its_slot(void **state)
{
    struct memslot *a = add(0, 0, 10, 0), *b = add(1, 20, 10, 0);

    assert_ptr_equal(find(5), a);
    assert_ptr_equal(memslots_active(&slots)->last_used, a);
    drop(a);
    assert_null(find(5));
    assert_ptr_equal(find(25), b);
    /* The same, where the other set remembers it. */
    a = add(0, 0, 10, 0);
    assert_ptr_equal(find(5), a);
    struct memslot *c = add(2, 40, 1, 0);
    assert_ptr_equal(find(5), a);
    drop(a);
    assert_null(slots.set[0].last_used);
    assert_null(slots.set[1].last_used);
    drop(c);
    assert_null(find(5));
    drop(b);
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

static void test_M3_what_takes_the_place_of_an_invalid_slot_is_valid(void **state)
{
    struct memslot *a = add(7, 0, 10, 0);

    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_invalidate(&slots, a);
    /* As a move does it: all of the old slot but its base. */
    struct memslot wanted = *a;
    wanted.base.v = 5;
    struct memslot *b = memslot_create(&wanted);
    assert_int_equal(memslots_check(&slots, b, a), 0);
    memslots_replace(&slots, a, b);
    memslots_end_change(&slots);
    memslot_destroy(a);
    assert_ptr_equal(find(14), b);
    assert_null(find(4));
    for (unsigned i = 0; i < 2; i++) {
        assert_false(memslots_is_invalid(&slots.set[i], b));
        assert_ptr_equal(memslots_find_id(&slots.set[i], 7), b);
        assert_int_equal(slots.set[i].count, 1);
    }
    drop(b);
}

static void test_M7_check_and_the_slot_that_is_replaced(void **state)
{
    struct memslot *a = add(0, 10, 10, 0), *b = add(1, 20, 10, 0), *c = add(2, 40, 10, 0);
    const struct {
        u32 id;
        u64 base, npages;
        const struct memslot *old;
        int error;
    } cases[] = {
        { 3, 30, 10, NULL, 0 },      { 3, 29, 10, NULL, -EEXIST }, { 3, 30, 11, NULL, -EEXIST },
        { 3, 0, 10, NULL, 0 },       { 3, 0, 11, NULL, -EEXIST },  { 3, 0, 100, NULL, -EEXIST },
        { 3, 50, 1, NULL, 0 },       { 3, 49, 1, NULL, -EEXIST },  { 3, 22, 2, NULL, -EEXIST },
        { 1, 60, 1, NULL, -EEXIST }, { 1, 60, 1, b, 0 },           { 2, 60, 1, b, -EEXIST },
        { 1, 20, 10, b, 0 },         { 1, 20, 20, b, 0 },          { 1, 20, 21, b, -EEXIST },
        { 1, 19, 11, b, -EEXIST },   { 1, 22, 3, b, 0 },           { 1, 15, 30, b, -EEXIST },
        { 0, 5, 10, a, 0 },          { 0, 5, 15, a, 0 },           { 0, 5, 16, a, -EEXIST },
        { 2, 30, 1000, c, 0 },       { 2, 29, 1000, c, -EEXIST },  { 0, 20, 10, b, -EEXIST },
        { 3, ~0ull, 1, NULL, 0 },    { 3, 50, -50ull, NULL, 0 },   { 3, 49, -49ull, NULL, -EEXIST },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct memslot wanted = wanted_slot(cases[i].id, cases[i].base, cases[i].npages, 0);

        if (check(&wanted, cases[i].old) != cases[i].error)
            fail_msg("case %u", i);
    }
    /* Who did not ask is stopped: a slot that begins in front of another one, in one, and two ids. */
    const struct memslot wanted[] = { wanted_slot(3, 5, 6, 0), wanted_slot(3, 15, 2, 0), wanted_slot(3, 60, 1, 0),
                                      wanted_slot(1, 60, 1, 0) };
    struct memslot *wrong[4];
    for (unsigned i = 0; i < 4; i++)
        wrong[i] = memslot_create(&wanted[i]);
    assert_int_equal(memslots_begin_change(&slots), 0);
    assert_true(ASSERTS(memslots_insert(&slots, wrong[0])));
    assert_true(ASSERTS(memslots_insert(&slots, wrong[1])));
    assert_true(ASSERTS(memslots_replace(&slots, a, wrong[2])));
    assert_true(ASSERTS(memslots_insert(&slots, wrong[3])));
    /* That was in the middle of a change: it is the end of these sets. */
    memslots_init(&slots);
    for (unsigned i = 0; i < 4; i++)
        memslot_destroy(wrong[i]);
    memslot_destroy(a);
    memslot_destroy(b);
    memslot_destroy(c);
}

static void test_M7_ids_and_gfns_at_the_ends(void **state)
{
    static const u32 ids[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
    static const u64 bases[] = { 1ull << 63, ~0ull, 0, 1, (1ull << 63) - 1, ~0ull - 2 };
    struct memslot *added[6];

    for (unsigned i = 0; i < 6; i++)
        added[i] = add(ids[i], bases[i], bases[i] == ~0ull - 2 ? 2 : 1, 0);
    struct memslot_set *set = memslots_read_begin(&slots);
    for (unsigned i = 0; i < 6; i++) {
        assert_ptr_equal(memslots_find_id(set, ids[i]), added[i]);
        assert_ptr_equal(memslots_find(set, (gfn_t){ bases[i] }), added[i]);
        assert_ptr_equal(memslots_find_from(set, (gfn_t){ bases[i] }), added[i]);
    }
    assert_null(memslots_find_id(set, 2));
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ 2 }), added[4]);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ (1ull << 63) + 1 }), added[5]);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ ~0ull - 1 }), added[5]);
    memslots_read_end(set);
    for (unsigned i = 0; i < 6; i++)
        drop(added[i]);
}

static void test_find_from_the_next_slot(void **state)
{
    struct memslot_set *set = memslots_active(&slots);

    assert_null(memslots_find_from(set, (gfn_t){ 0 }));
    struct memslot *a = add(0, 10, 10, 0), *b = add(1, 30, 10, 0);
    set = memslots_active(&slots);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ 0 }), a);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ 10 }), a);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ 19 }), a);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ 20 }), b);
    assert_ptr_equal(memslots_find_from(set, (gfn_t){ 39 }), b);
    assert_null(memslots_find_from(set, (gfn_t){ 40 }));
    assert_null(memslots_find_from(set, (gfn_t){ ~0ull }));
    drop(a);
    drop(b);
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

    for (; node != NULL; node = rb_parent(node))
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
            assert_true(depth_of(&many[i]->by_gfn[index]) <= 2 * 13);
            assert_true(depth_of(&many[i]->by_id[index]) <= 2 * 13);
            assert_true(depth_of(&many[i]->by_hva[index].rb) <= 2 * 13);
        }
    }
    for (u32 i = 0; i < MANY; i++) {
        assert_ptr_equal(find(i * 2), many[i]);
        assert_null(find(i * 2 + 1));
    }
    for (u32 i = 0; i < MANY; i++)
        drop(many[i]);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOTS_TEST(test_M1_readers_see_the_set_that_was_published),
        SLOTS_TEST(test_M1_one_change_at_a_time),
        SLOTS_TEST(test_M4_without_readers_nothing_waits),
        SLOTS_TEST(test_M6_last_used_never_outlives_its_slot),
        SLOTS_TEST(test_M3_only_an_invalid_slot_is_removed),
        SLOTS_TEST(test_M3_what_takes_the_place_of_an_invalid_slot_is_valid),
        SLOTS_TEST(test_M7_check_and_the_slot_that_is_replaced),
        SLOTS_TEST(test_M7_ids_and_gfns_at_the_ends),
        SLOTS_TEST(test_find_from_the_next_slot),
        SLOTS_TEST(test_M8_slot_is_freed_once),
        SLOTS_TEST(test_M9_costs_grow_with_the_slots_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
