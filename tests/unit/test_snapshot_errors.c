/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/snapshot.c, mm/snapshot_reset.c: without memory, and with other slots than those that the snapshot has. */
#include "tests/unit/snapshot_support.h"

static void stale(struct snapshot *snapshot)
{
    struct snapshot_result result = { 77, 77 };

    assert_int_equal(snapshot_reset(snapshot, &result), -ESTALE);
    assert_int_equal(result.examined, 77);
    check_all();
}

static void test_other_slots(void **state)
{
    struct model first, second;
    struct snapshot *snapshot = take(&first), *other;

    guest_write(1);
    guest_write(PAGES_0);
    add_ram(vm, 2, 1 << 20, 10, LEVEL_1G);
    stale(snapshot);
    assert_int_equal(vm_memory_remove_slot(vm, 2), 0);
    assert_int_equal(vm_memory_move_slot(vm, 1, (gfn_t){ 1 << 20 }), 0);
    stale(snapshot);
    assert_int_equal(vm_memory_move_slot(vm, 1, gfn_of(PAGES_0)), 0);
    /* Others permissions are the same slot. And nothing that was written is forgotten. */
    assert_int_equal(vm_memory_set_slot_flags(vm, 1, MEMSLOT_READ_ONLY), 0);
    assert_int_equal(reset(snapshot, &first), 2);
    assert_int_equal(vm_memory_set_slot_flags(vm, 1, 0), 0);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    stale(snapshot);
    /* The same slot once more is another one: what was written in between nobody knows. */
    assert_int_equal(vm_memory_add_slot(vm, 1, gfn_of(PAGES_0), PAGES_1, backings[1], OFFSET_1, 0, LEVEL_1G), 0);
    stale(snapshot);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_OPERATOR, 0), 0);
    stale(snapshot);
    assert_int_equal(vm_memory_stop_log(vm, 1, DIRTY_OPERATOR), 0);
    host_write(PAGES_0 + 3);
    other = take(&second);
    assert_null(snapshot_parent(other));
    stale(snapshot);
    write_many(0, 20);
    reset(other, &second);
    snapshot_drop(snapshot);
    write_many(1, 20);
    reset(other, &second);
    /* In the same place, but another part of it, or another backing. */
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, gfn_of(PAGES_0), PAGES_1, backings[1], 0, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_SNAPSHOT, 0), 0);
    stale(other);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, gfn_of(PAGES_0), PAGES_1 - 1, backings[1], OFFSET_1, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_SNAPSHOT, 0), 0);
    stale(other);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_int_equal(vm_memory_add_slot(vm, 3, gfn_of(PAGES_0), PAGES_1, backings[1], OFFSET_1, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_start_log(vm, 3, DIRTY_SNAPSHOT, 0), 0);
    stale(other);
    assert_int_equal(vm_memory_remove_slot(vm, 3), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, gfn_of(PAGES_0), PAGES_1, backings[0], OFFSET_1, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_start_log(vm, 1, DIRTY_SNAPSHOT, 0), 0);
    stale(other);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
}

static void test_no_memory_to_take(void **state)
{
    struct snapshot *snapshot, *nested;
    struct snapshot_result result;
    struct model first = remember();
    int error = -ENOMEM;

    table_cache_drain(&vcpu.cache);
    for (u64 frames = 0; error != 0; frames++) {
        port_host_take_all_but(frames);
        error = snapshot_take(vm, &snapshot);
        port_host_give_back();
        if (error == 0)
            break;
        assert_int_equal(error, -ENOMEM);
        check_all();
        assert_int_equal(vm->logging, 0);
        assert_false(snapshot_exist(vm));
        assert_int_equal(frame_share_get_stats().frames, 0);
    }
    write_many(0, 20);
    struct model second = remember();
    error = -ENOMEM;
    for (u64 frames = 0; error != 0; frames++) {
        port_host_take_all_but(frames);
        error = snapshot_take(vm, &nested);
        port_host_give_back();
        if (error == 0)
            break;
        assert_int_equal(error, -ENOMEM);
        assert_ptr_equal(snapshot_at(vm), snapshot);
        check_all();
        /* What was harvested is not forgotten. */
        if (frames % 5 == 2) {
            assert_int_equal(snapshot_reset(snapshot, &result), 0);
            memcpy(model, first.values, sizeof(model));
            check_all();
            for (u64 index = 0; index < SPACE; index += 20)
                guest_writes(index, second.values[index]);
        }
    }
    reset(snapshot, &first);
    reset(nested, &second);
    reset(snapshot, &first);
}

/* What is missing is copied the next time, or by the way to another snapshot. */
static void test_no_memory_to_go_back(void **state)
{
    struct model models[2];
    struct snapshot *snapshots[2];
    struct snapshot_result result;
    struct backing *clone;
    u64 failures = 0;

    snapshots[0] = take(&models[0]);
    write_many(0, 20);
    snapshots[1] = take(&models[1]);
    for (unsigned which = 0; which < 4; which++) {
        struct snapshot *first = snapshots[which % 2], *then = snapshots[which / 2];
        int error = -ENOMEM;

        for (u64 frames = 0; error != 0; frames++) {
            write_many(frames % 7, 45);
            clone = clone_of(backings[0]);
            port_host_take_all_but(frames);
            error = snapshot_reset(first, &result);
            port_host_give_back();
            if (error != 0) {
                assert_int_equal(error, -ENOMEM);
                failures++;
            }
            backing_put(clone);
            if (error == 0)
                memcpy(model, models[which % 2].values, sizeof(model));
            else
                reset(then, &models[which / 2]);
            check_all();
        }
    }
    assert_true(failures > 40);
}

/* Wherever memory ends: what was begun is undone, and what was saved is not written to. */
static void test_no_memory_for_many(void **state)
{
    enum { DEEP = 3 };
    struct model models[DEEP];
    struct snapshot *snapshots[DEEP];
    u64 failures = 0;

    snapshots[0] = take(&models[0]);
    for (unsigned depth = 1; depth < DEEP; depth++) {
        int error = -ENOMEM;

        /* All pages: some are one piece, and split. */
        write_many(0, 1);
        if (depth % 2 == 1)
            assert_int_equal(backing_compact(backings[0], 512), 0);
        models[depth] = remember();
        table_cache_drain(&vcpu.cache);
        for (u64 frames = 0; error != 0; frames++) {
            port_host_take_all_but(frames);
            error = snapshot_take(vm, &snapshots[depth]);
            port_host_give_back();
            if (error == 0)
                break;
            assert_int_equal(error, -ENOMEM);
            assert_ptr_equal(snapshot_at(vm), snapshots[depth - 1]);
            failures++;
        }
        check_all();
    }
    assert_true(failures > 2 * DEEP);
    for (unsigned i = 0; i < 2 * DEEP; i++)
        reset(snapshots[i * 7 % DEEP], &models[i * 7 % DEEP]);
}

/* As many as it takes until each kind of object has filled its frame, and the next one has no memory. */
static void test_no_memory_for_the_next(void **state)
{
    enum { DEEP = 150 };
    struct snapshot *snapshots[DEEP];
    struct model first;
    u64 failures = 0;

    snapshots[0] = take(&first);
    for (unsigned depth = 1; depth < DEEP; depth++) {
        int error = -ENOMEM;

        for (u64 frames = 0; error != 0; frames++) {
            port_host_take_all_but(frames);
            error = snapshot_take(vm, &snapshots[depth]);
            port_host_give_back();
            failures += error != 0;
            assert_true(error == 0 || error == -ENOMEM);
        }
    }
    assert_true(failures > DEEP / 16);
    write_many(0, 10);
    reset(snapshots[DEEP - 1], &first);
    write_many(0, 10);
    reset(snapshots[0], &first);
}

static void end_change(void)
{
    port_host.on_yield = NULL;
    memslots_end_change(&vm->slots);
}

/* Slots are changed: no snapshot is taken now. */
static void test_slots_that_are_changed(void **state)
{
    struct snapshot *snapshot = NULL;

    assert_int_equal(memslots_begin_change(&vm->slots), 0);
    port_host.on_yield = end_change;
    assert_int_equal(snapshot_take(vm, &snapshot), -EBUSY);
    if (port_host.on_yield != NULL)
        end_change();
    assert_null(snapshot);
    assert_false(snapshot_exist(vm));
    check_all();
}

/* Comes behind the search for slots to log: below the one that was logged last. */
static void add_behind(const void *word)
{
    (void)word;
    if (vm->logging != 2 || vm->slots.changing != 0)
        return;
    port_host.on_point = NULL;
    add_ram(vm, 2, PAGES_0 + 100, 10, LEVEL_4K);
}

/* A slot that is not logged has no place in a snapshot. */
static void test_a_slot_that_comes_meanwhile(void **state)
{
    struct model first;
    struct snapshot *snapshot = NULL;

    port_host.on_point = add_behind;
    assert_int_equal(snapshot_take(vm, &snapshot), -EBUSY);
    assert_null(port_host.on_point);
    assert_null(snapshot);
    assert_int_equal(vm->logging, 0);
    snapshot = take(&first);
    write_many(0, 20);
    reset(snapshot, &first);
}

static struct snapshot *looked_at;

/* Before the slot has gone: between the set without it and its end. */
static void look_while_it_goes(const void *word)
{
    struct snapshot_result result;

    (void)word;
    port_host.on_point = NULL;
    struct memslot_set *set = memslots_active(&vm->slots);
    const struct memslot *slot = memslots_find_id(set, 1);
    if (slot == NULL || !memslots_is_invalid(set, slot)) {
        port_host.on_point = look_while_it_goes;
        return;
    }
    assert_int_equal(snapshot_reset(looked_at, &result), -ESTALE);
    looked_at = NULL;
}

static void test_a_slot_that_goes_meanwhile(void **state)
{
    struct model first;

    looked_at = take(&first);
    port_host.on_point = look_while_it_goes;
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_null(looked_at);
    check_all();
}

static void test_errors(void **state)
{
    struct vm_memory *empty = new_vm();
    struct snapshot *snapshot = NULL;

    assert_int_equal(snapshot_take(empty, &snapshot), -ENOENT);
    assert_false(snapshot_exist(empty));
    assert_null(snapshot_at(empty));
    snapshot_drop_all(empty);
    vm_memory_destroy(empty);
    assert_int_equal(memslots_begin_change(&vm->slots), 0);
    /* The end of the log would wait for the change to end. */
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_SNAPSHOT, 0), -EBUSY);
    memslots_end_change(&vm->slots);
    struct model first;
    snapshot = take(&first);
    snapshot_drop(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_other_slots),
        BOTH(test_no_memory_to_take),
        BOTH(test_no_memory_to_go_back),
        BOTH(test_no_memory_for_many),
        BOTH(test_no_memory_for_the_next),
        BOTH(test_slots_that_are_changed),
        BOTH(test_a_slot_that_comes_meanwhile),
        BOTH(test_a_slot_that_goes_meanwhile),
        BOTH(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
