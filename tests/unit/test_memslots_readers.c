/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/memslots.c: what a reader sees that comes, stays, or leaves in the middle of a change. */
#include <pthread.h>
#include <sched.h>

#include "mm/dirty_log.h"
#include "tests/unit/memslots_support.h"

/* All that a set shows, the same in each of its trees. */
struct picture {
    u64 generation;
    unsigned count;
    struct {
        const struct memslot *slot;
        bool invalid;
        const struct dirty_log *log;
    } at[4];
};

static struct picture picture_of(struct memslot_set *set)
{
    struct picture picture = { .generation = set->generation };
    hva_t first = backing_hva(backing), last = { first.v + SPACE * PAGE_SIZE - 1 };

    for (struct memslot *slot = memslots_first(set); slot != NULL; slot = memslots_next(set, slot)) {
        assert_true(picture.count < 4);
        assert_ptr_equal(memslots_find_id(set, slot->id), slot);
        assert_ptr_equal(memslots_find(set, slot->base), slot);
        picture.at[picture.count].slot = slot;
        picture.at[picture.count].invalid = memslots_is_invalid(set, slot);
        picture.at[picture.count].log = memslots_log(set, slot);
        picture.count++;
    }
    unsigned count = 0;
    for (struct memslot *slot = memslots_first_hva(set, first, last); slot != NULL;
         slot = memslots_next_hva(set, slot, first, last))
        count++;
    assert_int_equal(count, picture.count);
    assert_int_equal(set->count, picture.count);
    return picture;
}

static void assert_same(const struct picture *a, const struct picture *b)
{
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        assert_ptr_equal(a->at[i].slot, b->at[i].slot);
        assert_int_equal(a->at[i].invalid, b->at[i].invalid);
        assert_ptr_equal(a->at[i].log, b->at[i].log);
    }
}

/* A reader that comes at the atomic operation number `when` of a change, and stays for some yields of who waits for it. */
enum { PATIENCE = 3 };
static struct {
    unsigned when, points, yields;
    bool inside; /* what the hooks do is not observed */
    struct memslot_set *set;
    struct picture saw;
} reader;

static void come_at_point(const void *word)
{
    if (reader.inside || reader.points++ != reader.when)
        return;
    reader.inside = true;
    reader.set = memslots_read_begin(&slots);
    reader.saw = picture_of(reader.set);
    reader.inside = false;
}

static void leave_at_yield(void)
{
    struct picture now = picture_of(reader.set);
    struct memslot wanted = wanted_slot(99, 0, 1, 0);

    reader.inside = true;
    assert_same(&now, &reader.saw);
    /* Nothing that a reader may need is held (M4): another section, a slot from the pool, the frame of the pool. */
    struct memslot_set *fresh = memslots_read_begin(&slots);
    assert_ptr_not_equal(fresh, reader.set);
    assert_int_equal(picture_of(fresh).generation, reader.saw.generation + 1);
    memslots_read_end(fresh);
    memslot_destroy(memslot_create(&wanted));
    assert_int_equal(memslots_begin_change(&slots), -EBUSY);
    if (++reader.yields == PATIENCE) {
        memslots_read_end(reader.set);
        reader.set = NULL;
    }
    reader.inside = false;
}

static void insert(struct memslot *old, struct memslot *slot)
{
    memslots_insert(&slots, slot);
}

static void invalidate(struct memslot *old, struct memslot *slot)
{
    memslots_invalidate(&slots, old);
}

static void take_out(struct memslot *old, struct memslot *slot)
{
    memslots_remove(&slots, old);
}

static void replace(struct memslot *old, struct memslot *slot)
{
    memslots_replace(&slots, old, slot);
}

/* It is only looked for, not looked at. */
static struct dirty_log some_log;

static void begin_log(struct memslot *old, struct memslot *slot)
{
    memslots_set_log(&slots, old, &some_log);
}

/* One change with a reader that comes at point `when`. Which generation it saw: 0, 1; -1: the change has fewer points. */
static int observe(unsigned when, bool invalid, void (*change)(struct memslot *old, struct memslot *slot))
{
    struct memslot *old = add(0, 0, 10, 0);
    struct memslot wanted = wanted_slot(change == insert ? 2 : 0, 40, 10, 5), *slot = memslot_create(&wanted);

    add(1, 20, 10, 100);
    assert_int_equal(memslots_begin_change(&slots), 0);
    if (invalid)
        memslots_invalidate(&slots, old);
    struct picture before = picture_of(memslots_active(&slots));

    memset(&reader, 0, sizeof(reader));
    reader.when = when;
    port_host.on_point = come_at_point;
    port_host.on_yield = leave_at_yield;
    change(old, slot);
    port_host.on_point = NULL;
    port_host.on_yield = nobody_to_wait_for;
    memslots_end_change(&slots);

    int result = -1;
    struct picture after = picture_of(memslots_active(&slots));
    assert_int_equal(after.generation, before.generation + 1);
    if (reader.points > when) {
        result = (int)(reader.saw.generation - before.generation);
        assert_same(&reader.saw, result == 0 ? &before : &after);
        /* The change returned: a reader of the old set is gone, one of the new set need not be. */
        assert_int_equal(reader.yields, result == 0 ? PATIENCE : 0);
        assert_int_equal(reader.set == NULL, result == 0);
        if (reader.set != NULL) {
            struct picture now = picture_of(reader.set);

            assert_same(&now, &after);
            memslots_read_end(reader.set);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        struct picture set = picture_of(&slots.set[i]);

        assert_same(&set, &after);
        assert_false(memslots_is_read(&slots.set[i]));
    }
    old->log[0] = old->log[1] = NULL;
    while (slots.set[0].count > 0)
        drop(memslots_first(memslots_active(&slots)));
    if (change == take_out || change == replace)
        memslot_destroy(old);
    if (change == invalidate || change == take_out || change == begin_log)
        memslot_destroy(slot);
    return result;
}

static void test_M1_M4_M5_a_reader_keeps_what_it_found(void **state)
{
    static const struct {
        bool invalid;
        void (*change)(struct memslot *old, struct memslot *slot);
    } changes[] = { { false, insert },  { false, invalidate }, { true, take_out },
                    { false, replace }, { true, replace },     { false, begin_log } };

    for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        unsigned seen[2] = { 0 };
        int result;

        for (unsigned when = 0; result = observe(when, changes[i].invalid, changes[i].change), result >= 0; when++) {
            assert_in_range(result, 0, 1);
            seen[result]++;
        }
        assert_true(seen[0] > 0 && seen[1] > 0);
    }
}

/* Before the atomic operation number `when` of who begins to read, another thread makes changes until it must wait. */
static struct {
    unsigned when, points, changes;
    bool waits, done; /* atomic */
    pthread_t thread;
    struct memslot *slot;
} changer;

static void changer_waits(void)
{
    __atomic_store_n(&changer.waits, true, __ATOMIC_RELEASE);
    sched_yield();
}

static void *make_changes(void *nothing)
{
    for (unsigned i = 0; i < changer.changes; i++) {
        if (i % 2 == 0) {
            changer.slot = add(0, 0, 10, 0);
            continue;
        }
        assert_int_equal(memslots_begin_change(&slots), 0);
        memslots_invalidate(&slots, changer.slot);
        memslots_remove(&slots, changer.slot);
        memslots_end_change(&slots);
        memslot_destroy(changer.slot);
    }
    __atomic_store_n(&changer.done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void change_at_point(const void *word)
{
    if (changer.points++ != changer.when)
        return;
    port_host.on_point = NULL;
    port_host.on_yield = changer_waits;
    assert_int_equal(pthread_create(&changer.thread, NULL, make_changes, NULL), 0);
    while (!__atomic_load_n(&changer.waits, __ATOMIC_ACQUIRE) && !__atomic_load_n(&changer.done, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void check_begin(unsigned when, unsigned changes)
{
    memset(&changer, 0, sizeof(changer));
    changer.when = when;
    changer.changes = changes;
    port_host.on_point = change_at_point;
    struct memslot_set *set = memslots_read_begin(&slots);

    assert_null(port_host.on_point);
    assert_ptr_equal(set, memslots_active(&slots));
    pthread_join(changer.thread, NULL);
    port_host.on_yield = nobody_to_wait_for;
    assert_int_equal(set->readers[0].count, 1);
    assert_false(memslots_is_read(&slots.set[!set->index]));
    assert_true(set->generation == slots.generation);
    assert_ptr_equal(memslots_find(set, (gfn_t){ 5 }), changes % 2 ? changer.slot : NULL);
    memslots_read_end(set);
    if (changes % 2)
        drop(changer.slot);
}

static void test_M1_a_reader_begins_in_the_active_set(void **state)
{
    /* Before it looks which one is active, and after that, before it is counted: one change, or back to the same set. */
    for (unsigned changes = 1; changes <= 4; changes++) {
        check_begin(0, changes);
        check_begin(1, changes);
    }
    /* Counted in a set that nobody can be sure of, before it looks again. */
    check_begin(2, 1);
}

/* The last thing that a reader of the old set does is to look up the slot that goes away. */
static void find_and_leave(void)
{
    assert_non_null(memslots_find(reader.set, (gfn_t){ 5 }));
    assert_non_null(reader.set->last_used);
    memslots_read_end(reader.set);
}

static void test_M6_a_late_reader_leaves_nothing_behind(void **state)
{
    struct memslot *b = add(1, 20, 10, 0);

    for (unsigned move = 0; move < 2; move++) {
        struct memslot *a = add(0, 0, 10, 0), wanted = wanted_slot(0, 40, 10, 0), *moved = memslot_create(&wanted);

        assert_int_equal(memslots_begin_change(&slots), 0);
        memslots_invalidate(&slots, a);
        reader.set = memslots_read_begin(&slots);
        port_host.on_yield = find_and_leave;
        if (move)
            memslots_replace(&slots, a, moved);
        else
            memslots_remove(&slots, a);
        port_host.on_yield = nobody_to_wait_for;
        memslots_end_change(&slots);
        assert_null(slots.set[0].last_used);
        assert_null(slots.set[1].last_used);
        memslot_destroy(a);
        assert_null(find(5));
        /* Both sets, one after the other. */
        drop(add(2, 100, 1, 0));
        assert_null(find(5));
        struct memslot *c = add(2, 100, 1, 0);
        assert_null(find(5));
        drop(c);
        if (move)
            drop(moved);
        else
            memslot_destroy(moved);
    }
    drop(b);
}

/* Readers are counted by groups of processors. */
static struct memslot_set *far_set;
static unsigned far_processor;

static void leave_far_away(void)
{
    assert_true(memslots_is_read(far_set));
    port_host_processor = far_processor;
    memslots_read_end(far_set);
    port_host_processor = 0;
    assert_false(memslots_is_read(far_set));
    reader.yields++;
}

static void test_M1_a_change_waits_for_readers_on_every_processor(void **state)
{
    for (far_processor = 0; far_processor < 2 * STRIPES; far_processor++) {
        reader.yields = 0;
        port_host_processor = far_processor;
        far_set = memslots_read_begin(&slots);
        port_host_processor = 0;
        port_host.on_yield = leave_far_away;
        struct memslot *slot = add(0, 0, 10, 0);
        port_host.on_yield = nobody_to_wait_for;
        assert_int_equal(reader.yields, 1);
        drop(slot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOTS_TEST(test_M1_M4_M5_a_reader_keeps_what_it_found),
        SLOTS_TEST(test_M1_a_reader_begins_in_the_active_set),
        SLOTS_TEST(test_M6_a_late_reader_leaves_nothing_behind),
        SLOTS_TEST(test_M1_a_change_waits_for_readers_on_every_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
