/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What other tasks do while a snapshot is taken or the memory goes back to one: before the first, the second, … atomic
 * operation of it, wherever nothing is held that the other one would wait for. What is written meanwhile is written before or
 * after, and the log knows it; nothing else changes any content.
 */
#include "tests/unit/snapshot_support.h"

#include "mm/snapshot_internal.h"

/* X is what others change; of the other dirty pages one was a hole, one will be a hole, and one has a frame with others. */
enum { X = 70, WAS_HOLE = PAGES_0 + 1, IS_HOLE = 5, IS_SHARED = 71 };

static void (*act)(void);
static bool needs_no_reader; /* the action changes slots */
static u64 act_at, points, acts;
static struct backing *clones[2], *sharer;
static struct model mirror; /* of who copies slot 0 */
static bool has_mirror;

static u64 first_word(u64 index)
{
    struct backing_page found;

    return backing_lookup(backing_of(index), page_of(index), &found) == 0 ? *(u64 *)port_frame_address(found.pfn) : 0;
}

static bool is_held(void)
{
    const struct memslot *slot = memslots_first(memslots_active(&vm->slots));
    bool is_held = !is_free(&vm->spt.lock) || backings[0]->changing_count != 0 || backings[1]->changing_count != 0 ||
                   vm->slots.changing != 0;

    for (; slot != NULL; slot = memslots_next(memslots_active(&vm->slots), slot))
        is_held = is_held || (memslot_log(slot) != NULL && memslot_log(slot)->busy != 0);
    if (needs_no_reader)
        is_held = is_held || memslots_is_read(&vm->slots.set[0]) || memslots_is_read(&vm->slots.set[1]);
    return is_held;
}

static void now(void)
{
    port_host_processor = 1;
    act();
    port_host_processor = 0;
    acts++;
}

static void at_point(const void *word)
{
    (void)word;
    port_host.on_point = NULL;
    if (points++ >= act_at && !is_held())
        now();
    else
        port_host.on_point = at_point;
}

static void begin(u64 at)
{
    act_at = at;
    points = acts = 0;
    port_host.on_point = at_point;
}

/* Whether the other one had its turn. */
static bool end(void)
{
    port_host.on_point = NULL;
    return acts != 0;
}

/* ---- what the others do */

static void writes(void)
{
    host_write(X);
}

static void balloons(void)
{
    balloon(X, 1);
}

static void moves(void)
{
    assert_int_equal(backing_migrate(backings[0], 71), 0);
    assert_int_equal(backing_migrate(backings[0], X), 0);
}

static void compacts(void)
{
    (void)backing_compact(backings[0], X);
}

static void shares(void)
{
    struct backing *other = new_backing(1, 0);

    put_content(other, 0, content(backings[0], X));
    assert_int_equal(backing_share(other, 0, backings[0], X), 0);
    assert_int_equal(backing_share(backings[0], X, backings[0], X), 0);
    if (clones[0] != NULL)
        backing_put(clones[0]);
    clones[0] = other;
}

static void copies(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (clones[i] != NULL)
            backing_put(clones[i]);
        clones[i] = clone_of(backings[i]);
    }
}

static void retires(void)
{
    struct backing_page found = lookup(backings[0], X);

    assert_int_equal(memory_retire(found.pfn, true), 0);
}

static void harvests(void)
{
    struct page_set *report;

    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, PAGES_0, report), 0);
    for (u64 index = 0; index < PAGES_0; index++) {
        if (page_set_has(report, index))
            mirror.values[index] = first_word(index);
    }
    page_set_destroy(report);
}

static void changes_slots(void)
{
    assert_int_equal(vm_memory_move_slot(vm, 1, (gfn_t){ 1 << 20 }), 0);
    assert_int_equal(vm_memory_move_slot(vm, 1, gfn_of(PAGES_0)), 0);
}

static void drop_clones(void)
{
    if (sharer != NULL)
        backing_put(sharer);
    sharer = NULL;
    for (unsigned i = 0; i < 2; i++) {
        if (clones[i] != NULL)
            backing_put(clones[i]);
        clones[i] = NULL;
    }
}

/* Who copies the guest has missed nothing. */
static void check_mirror(void)
{
    if (!has_mirror)
        return;
    harvests();
    for (u64 index = 0; index < PAGES_0; index++)
        assert_int_equal(mirror.values[index], first_word(index));
}

/* ---- with what they are done together */

static void make_dirty(void)
{
    for (u64 index = 0; index < 3; index++)
        guest_write(index);
    guest_write(X);
    host_write(IS_SHARED);
    balloon(IS_HOLE, 1);
    guest_write(WAS_HOLE);
    struct backing *other = new_backing(1, 0);
    put_content(other, 0, model[IS_SHARED]);
    assert_int_equal(backing_share(other, 0, backings[0], IS_SHARED), 0);
    if (sharer != NULL)
        backing_put(sharer);
    sharer = other;
}

static u64 go_back(struct snapshot *snapshot, const struct model *remembered, u64 at)
{
    struct snapshot_result result;

    make_dirty();
    begin(at);
    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    bool has_acted = end();
    u64 now_there = model[X];
    memcpy(model, remembered->values, sizeof(model));
    if (has_acted && content(backings[0], X) != model[X]) {
        assert_int_equal(content(backings[0], X), now_there);
        model[X] = now_there;
    }
    check_all();
    check_mirror();
    reset(snapshot, remembered);
    check_mirror();
    return has_acted;
}

static void race_back(void (*what)(void))
{
    struct model first, second;
    struct snapshot *snapshot, *below;
    u64 at = 0;

    act = what;
    snapshot = take(&first);
    while (go_back(snapshot, &first, at))
        at += at < 30 ? 1 : 3;
    assert_true(at > 30);
    guest_write(X);
    guest_write(1);
    guest_write(900);
    below = take(&second);
    /* Here the saved pages have a node, and with it one more moment between the look at a page and the copy. */
    for (at = 0; go_back(below, &second, at); at++)
        ;
    assert_true(at > 30);
    snapshot_drop(below);
    snapshot_drop(snapshot);
    drop_clones();
}

/* What the snapshot has of X is what was there before or after; of all else what was there. */
static u64 take_at(u64 at, bool nested)
{
    struct model remembered;
    struct snapshot *first = NULL, *snapshot;

    if (nested)
        first = take(&remembered);
    make_dirty();
    remembered = remember();
    begin(at);
    int error = snapshot_take(vm, &snapshot);
    bool has_acted = end();
    assert_true(error == 0 || (error == -EBUSY && needs_no_reader));
    check_all();
    check_mirror();
    if (error == 0) {
        u64 after = model[X];
        struct snapshot_result result;

        make_dirty();
        error = snapshot_reset(snapshot, &result);
        assert_int_equal(error, 0);
        u64 value = content(backings[0], X);
        assert_true(value == remembered.values[X] || value == after);
        remembered.values[X] = value;
        reset(snapshot, &remembered);
        make_dirty();
        reset(snapshot, &remembered);
        check_mirror();
        snapshot_drop(snapshot);
    }
    if (first != NULL)
        snapshot_drop(first);
    check_all();
    return has_acted;
}

static void race_take(void (*what)(void))
{
    u64 at;

    act = what;
    for (at = 0; take_at(at, true); at += at < 30 ? 1 : 5)
        ;
    assert_true(at > 30);
    /* The first one of a tree has many more steps, most of them alike. */
    for (at = 0; take_at(at, false); at += at < 61 ? 3 : 211)
        ;
    assert_true(at > 60);
    drop_clones();
}

static void race(void (*what)(void))
{
    needs_no_reader = has_mirror = false;
    race_back(what);
    race_take(what);
}

static void test_writes(void **state)
{
    race(writes);
}

static void test_balloons(void **state)
{
    race(balloons);
}

static void test_moves(void **state)
{
    race(moves);
}

static void test_compacts(void **state)
{
    race(compacts);
}

static void test_shares(void **state)
{
    race(shares);
}

static void test_copies(void **state)
{
    race(copies);
}

static void start_mirror(void)
{
    needs_no_reader = false;
    has_mirror = true;
    mirror = remember();
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
}

static void stop_mirror(void)
{
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
}

static void test_C10_harvests(void **state)
{
    start_mirror();
    race_back(harvests);
    race_take(harvests);
    stop_mirror();
}

static void test_C10_writes_with_a_mirror(void **state)
{
    start_mirror();
    race_back(writes);
    stop_mirror();
}

static void test_changes_of_slots(void **state)
{
    has_mirror = false;
    needs_no_reader = true;
    act = changes_slots;
    for (u64 at = 0; take_at(at, true); at += at < 30 ? 1 : 5)
        ;
    for (u64 at = 0; take_at(at, false); at += at < 61 ? 3 : 211)
        ;
    drop_clones();
}

/* The frame that the snapshot leads to goes bad; who changes that waits until nobody copies from it. */
static struct snapshot *of_store;
static u64 waited;

static void retires_saved(void)
{
    const struct snapshot_slot *slot = snapshot_next_slot(of_store, NULL);
    bool is_held = slot->store->changing_count != 0;
    struct invalidation invalidation;

    if (is_held) {
        assert_false(invalidation_try_begin(&invalidation, slot->store, X, X + 1));
        waited++;
        return;
    }
    assert_int_equal(memory_retire(lookup(slot->store, X).pfn, true), 0);
}

static void test_frames_of_the_snapshot(void **state)
{
    struct model first;

    has_mirror = needs_no_reader = false;
    of_store = take(&first);
    act = retires_saved;
    waited = 0;
    u64 at = 0;
    while (go_back(of_store, &first, at))
        at++;
    /* From the first page that is looked at to the last. */
    assert_true(waited > 15 && waited < at);
    act = retires;
    for (at = 0; at < 20 && go_back(of_store, &first, at);)
        at++;
    drop_clones();
}

static struct invalidation in_flight;

static void ends_soon(void)
{
    if (++waited != 3)
        return;
    assert_true(holds(X, model[X]));
    invalidation_end(&in_flight);
}

/* While somebody changes a page nobody copies to its frame. */
static void test_R2_page_in_flight(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);
    struct snapshot_result result;

    guest_write(X);
    guest_write(1);
    waited = 0;
    invalidation_begin(&in_flight, backings[0], X, X + 1);
    port_host.on_yield = ends_soon;
    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    port_host.on_yield = NULL;
    assert_true(waited >= 3);
    assert_int_equal(result.restored, 2);
    memcpy(model, first.values, sizeof(model));
    check_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_writes),
        BOTH(test_balloons),
        BOTH(test_moves),
        BOTH(test_compacts),
        BOTH(test_shares),
        BOTH(test_copies),
        BOTH(test_C10_harvests),
        BOTH(test_C10_writes_with_a_mirror),
        BOTH(test_changes_of_slots),
        BOTH(test_frames_of_the_snapshot),
        BOTH(test_R2_page_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
