/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/snapshot_tree.c: snapshots of snapshots, the ways between them, and what is left of those that are dropped. */
#include "tests/unit/snapshot_support.h"

#include "mm/snapshot_internal.h"

static void test_nested(void **state)
{
    struct model models[4];
    struct snapshot *snapshots[4];
    static const unsigned order[] = { 0, 3, 3, 1, 2, 0, 1, 3, 2, 2, 0 };

    for (unsigned i = 0; i < 4; i++) {
        u64 frames = guest_frames();
        snapshots[i] = take(&models[i]);
        /* A snapshot costs no frame. */
        assert_int_equal(guest_frames(), frames);
        assert_ptr_equal(snapshot_parent(snapshots[i]), i == 0 ? NULL : snapshots[i - 1]);
        write_many(i, 50 + 3 * i);
        balloon(20 * i, 3);
        host_write(500 + i);
    }
    for (unsigned i = 0; i < sizeof(order) / sizeof(*order); i++) {
        reset(snapshots[order[i]], &models[order[i]]);
        if (i % 2 == 0)
            write_many(i, 31);
    }
}

/* Brothers: what one has changed is undone on the way to the other. */
static void test_siblings(void **state)
{
    struct model a_model, b_model, c_model, d_model;
    struct snapshot *a = take(&a_model), *b, *c, *d;

    write_many(1, 40);
    b = take(&b_model);
    write_many(2, 40);
    reset(a, &a_model);
    write_many(3, 40);
    c = take(&c_model);
    assert_ptr_equal(snapshot_parent(c), a);
    write_many(4, 40);
    d = take(&d_model);
    reset(b, &b_model);
    reset(c, &c_model);
    reset(b, &b_model);
    write_many(5, 60);
    reset(d, &d_model);
    reset(a, &a_model);
    reset(d, &d_model);
    reset(b, &b_model);
    guest_write(1);
    reset(c, &c_model);
}

/* What is written costs a frame each; a nested snapshot keeps these, and no others. */
static void test_frames_are_given_back(void **state)
{
    struct model models[3];
    struct snapshot *snapshots[3];
    u64 frames = guest_frames();

    for (unsigned i = 0; i < 3; i++) {
        snapshots[i] = take(&models[i]);
        for (u64 index = 0; index < 10; index++)
            guest_write(index);
    }
    assert_int_equal(guest_frames(), frames + 30);
    /* The one in the middle has one branch: what the lower one has too goes with it. */
    snapshot_drop(snapshots[1]);
    assert_ptr_equal(snapshot_parent(snapshots[2]), snapshots[0]);
    check_all();
    assert_int_equal(guest_frames(), frames + 20);
    reset(snapshots[2], &models[2]);
    reset(snapshots[0], &models[0]);
    reset(snapshots[2], &models[2]);
    /* The first: the other one takes its place. */
    snapshot_drop(snapshots[0]);
    assert_null(snapshot_parent(snapshots[2]));
    assert_int_equal(guest_frames(), frames + 10);
    write_many(0, 30);
    reset(snapshots[2], &models[2]);
    write_many(0, 30);
    snapshot_drop(snapshots[2]);
    check_all();
    assert_int_equal(vm->logging, 0);
    assert_int_equal(frame_share_get_stats().frames, 0);
}

/* The memory has come from the one that is dropped: the way back to its parent is longer then. */
static void test_drop_where_the_memory_is(void **state)
{
    struct model a_model, b_model, c_model;
    struct snapshot *a = take(&a_model), *b, *c;

    write_many(1, 40);
    b = take(&b_model);
    write_many(2, 50);
    snapshot_drop(b);
    assert_ptr_equal(snapshot_at(vm), a);
    check_all();
    c = take(&c_model);
    assert_ptr_equal(snapshot_parent(c), a);
    write_many(3, 60);
    reset(c, &c_model);
    reset(a, &a_model);
    reset(c, &c_model);
    /* The first, with the memory at a branch; and then it has come from nowhere. */
    snapshot_drop(a);
    reset(c, &c_model);
    snapshot_drop(c);
    assert_false(snapshot_exist(vm));
}

/* Two branches hold a snapshot that was dropped; when one goes, it goes. */
static void test_drop_at_a_branch(void **state)
{
    struct model a_model, b_model, c_model, d_model;
    struct snapshot *a = take(&a_model), *b, *c, *d;

    write_many(1, 40);
    b = take(&b_model);
    write_many(2, 40);
    c = take(&c_model);
    reset(b, &b_model);
    write_many(2, 57);
    d = take(&d_model);
    snapshot_drop(b);
    assert_ptr_equal(snapshot_parent(c), a);
    assert_ptr_equal(snapshot_parent(d), a);
    reset(c, &c_model);
    reset(d, &d_model);
    reset(a, &a_model);
    reset(d, &d_model);
    snapshot_drop(c);
    assert_ptr_equal(d->parent, a);
    reset(a, &a_model);
    reset(d, &d_model);
    /* The memory itself is a branch. */
    reset(a, &a_model);
    snapshot_drop(a);
    assert_null(snapshot_at(vm));
    write_many(7, 70);
    check_all();
    assert_non_null(d->parent);
    reset(d, &d_model);
    assert_null(d->parent);
    write_many(7, 70);
    reset(d, &d_model);
}

/* Where there is no memory to join two, the one that was dropped stays until there is. */
static void test_drop_without_memory(void **state)
{
    struct model a_model, b_model, c_model;
    struct snapshot *a = take(&a_model), *b, *c;

    write_many(1, 40);
    b = take(&b_model);
    write_many(2, 40);
    c = take(&c_model);
    write_many(3, 40);
    for (u64 frames = 0; frames < 3; frames++) {
        port_host_take_all_but(0);
        snapshot_drop(frames == 0 ? a : b);
        port_host_give_back();
        assert_non_null(c->parent);
        reset(c, &c_model);
        if (frames == 0)
            reset(b, &b_model);
        else
            break;
    }
    (void)b_model;
    reset(c, &c_model);
    write_many(5, 45);
    reset(c, &c_model);
    snapshot_drop(c);
    assert_false(snapshot_exist(vm));
}

/*
 * There is no memory in the middle of joining two. What could be joined may not be half there: it would be lost when the upper
 * one, which knows nothing of it, is joined with a third.
 */
static void drop_with_too_little(u64 with_place, u64 without)
{
    struct model a_model, b_model, c_model;
    struct snapshot *a = take(&a_model), *b, *c;

    guest_write(1);
    b = take(&b_model);
    guest_write(with_place);
    guest_write(without);
    c = take(&c_model);
    port_host_take_all_but(0);
    snapshot_drop(b);
    port_host_give_back();
    assert_ptr_equal(c->parent, b);
    check_all();
    snapshot_drop(a);
    assert_ptr_equal(c->parent, b);
    assert_null(b->parent);
    guest_write(1);
    guest_write(with_place);
    guest_write(without);
    reset(c, &c_model);
    snapshot_drop(c);
    assert_false(snapshot_exist(vm));
}

/* A place in a store costs no memory in the 2 MiB of a page that it has, and some elsewhere: there, and in another slot. */
static void test_drop_half_without_memory(void **state)
{
    drop_with_too_little(2, 600);
}

static void test_drop_half_of_slots_without_memory(void **state)
{
    drop_with_too_little(2, PAGES_0 + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_nested),
        BOTH(test_siblings),
        BOTH(test_frames_are_given_back),
        BOTH(test_drop_where_the_memory_is),
        BOTH(test_drop_at_a_branch),
        BOTH(test_drop_without_memory),
        BOTH(test_drop_half_without_memory),
        BOTH(test_drop_half_of_slots_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
