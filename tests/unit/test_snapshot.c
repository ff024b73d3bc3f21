/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/snapshot.c, mm/snapshot_reset.c, mm/snapshot_tree.c and mm/backing_save.c. */
#include "tests/unit/snapshot_support.h"

#include "mm/snapshot_internal.h"

static u64 guest_frames(void)
{
    return frame_get_stats().used[FRAME_GUEST];
}

static void write_many(u64 first, u64 step)
{
    for (u64 index = first; index < SPACE; index += step)
        guest_write(index);
}

static void test_back_and_back_again(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);

    assert_true(snapshot_exist(vm));
    assert_null(snapshot_parent(snapshot));
    assert_int_equal(reset(snapshot, &first), 0);
    for (u64 round = 0; round < 3; round++) {
        write_many(round, 97);
        check_all();
        assert_int_equal(reset(snapshot, &first), (SPACE - round + 96) / 97);
        /* Nothing more to do; and nothing that was restored counts as written. */
        assert_int_equal(reset(snapshot, &first), 0);
    }
    host_write(3);
    host_write(PAGES_0 + 1);
    assert_int_equal(reset(snapshot, &first), 2);
    snapshot_drop(snapshot);
    assert_false(snapshot_exist(vm));
    assert_null(snapshot_at(vm));
    check_all();
}

/* Every page may be the only one: those at the edges of slots and words too. */
static void test_each_page(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);

    for (u64 index = 0; index < SPACE; index = index == 70 ? PAGES_0 - 70 : index + 1) {
        struct snapshot_result result;

        guest_write(index);
        assert_int_equal(snapshot_reset(snapshot, &result), 0);
        assert_int_equal(result.examined, 1);
        assert_int_equal(result.restored, 1);
        model[index] = first.values[index];
        assert_int_equal(content(backing_of(index), page_of(index)), model[index]);
    }
    check_all();
}

/* A page that is dirty stays mapped, and is copied where it is: no fault but the one that logs, and no frame more. */
static void test_in_place(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);
    pfn_t pfn;

    guest_write(5);
    guest_write(PAGES_0 + 1); /* a hole in the snapshot */
    pfn = lookup(backings[0], 5).pfn;
    u64 frames = guest_frames();
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(reset(snapshot, &first), 2);
        assert_int_equal(lookup(backings[0], 5).pfn.v, pfn.v);
        assert_int_equal(level_of(&vcpu, 5), LEVEL_4K);
        struct vm_memory_stats before = vm_memory_get_stats(vm);
        guest_write(5);
        guest_write(PAGES_0 + 1);
        struct vm_memory_stats after = vm_memory_get_stats(vm);
        assert_int_equal(after.faults_installed, before.faults_installed);
        assert_int_equal(after.faults - before.faults, mm_caps()->log_modifications ? 0 : 2);
        assert_int_equal(after.flushes, before.flushes);
        assert_int_equal(guest_frames(), frames);
    }
}

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

/* Memory that is not there is zeros, on the way in every direction. */
static void test_holes(void **state)
{
    enum { HOLE = PAGES_0 + 1 }; /* nobody has touched it */
    struct model a_model, b_model, c_model;
    struct snapshot *a = take(&a_model), *b, *c;

    assert_false(has_frame(backings[1], page_of(HOLE)));
    /* The region is one hole, and becomes one piece while its pages are looked at. */
    balloon(512, 512);
    assert_int_equal(reset(a, &a_model), 512);
    guest_write(HOLE);
    balloon(100, 20);
    balloon(512, 512);
    b = take(&b_model);
    balloon(HOLE, 1);
    guest_write(100);
    guest_write(600);
    c = take(&c_model);
    for (unsigned i = 0; i < 2; i++) {
        reset(a, &a_model);
        reset(b, &b_model);
        reset(c, &c_model);
        reset(a, &a_model);
        reset(c, &c_model);
        reset(b, &b_model);
        balloon(0, 1024);
        balloon(PAGES_0, PAGES_1);
    }
    reset(b, &b_model);
    /* Zeros that somebody else has too become a hole again. */
    struct backing *other = new_backing(1, 0);
    host_write(100);
    assert_int_equal(vm_memory_zero(vm, gfn_to_gpa(gfn_of(100)), PAGE_SIZE), 0);
    assert_int_equal(backing_share(backings[0], 100, other, 0), 0);
    reset(b, &b_model);
    assert_false(has_frame(backings[0], 100));
    backing_put(other);
    snapshot_drop(a);
    reset(c, &c_model);
    reset(b, &b_model);
    /* The pages of the first one are holes where the second one has them so. */
    snapshot_drop(b);
    reset(c, &c_model);
}

/* A page whose frame is somebody else's too gets one of its own. */
static void test_frames_of_others(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);
    struct backing *other, *clone;

    guest_write(3);
    guest_write(4);
    guest_write(PAGES_0 + 1);
    other = new_backing(1, 0);
    put_content(other, 0, model[3]);
    assert_int_equal(backing_share(backings[0], 3, other, 0), 0);
    clone = clone_of(backings[1]);
    u64 in_clone = model[PAGES_0 + 1], in_other = model[3];
    assert_int_equal(reset(snapshot, &first), 3);
    assert_int_equal(content(clone, page_of(PAGES_0 + 1)), in_clone);
    assert_int_equal(content(other, 0), in_other);
    assert_true(lookup(backings[0], 3).writable);
    backing_put(clone);
    backing_put(other);
    /* Moved, and brought together: still what it was. */
    guest_write(3);
    assert_int_equal(backing_migrate(backings[0], 3), 0);
    assert_int_equal(backing_migrate(backings[0], 9), 0);
    for (u64 index = 512; index < 1024; index++)
        guest_write(index);
    assert_int_equal(backing_compact(backings[0], 600), 0);
    assert_int_equal(reset(snapshot, &first), 513);
    /* The frame that the snapshot leads to, again by way of another page. */
    guest_write(20);
    guest_writes(20, first.values[20]);
    const struct snapshot_slot *slot = snapshot_next_slot(snapshot, NULL);
    assert_int_equal(backing_share(slot->store, 20, backings[0], 20), 0);
    struct snapshot_result result;
    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    assert_int_equal(result.examined, 1);
    assert_int_equal(result.restored, 0);
    check_all();
}

static void test_lost_pages(void **state)
{
    struct model first;
    struct snapshot_result result;
    struct backing_page found;

    /* Lost before the snapshot was taken, it stays so; or until it was written again, and then there is no way back. */
    assert_int_equal(memory_retire(lookup(backings[0], 700).pfn, false), 0);
    first = remember();
    struct snapshot *snapshot, *below;
    assert_int_equal(snapshot_take(vm, &snapshot), 0);
    page_set_add(snapshot_next_slot(snapshot->all->draft, NULL)->delta, 700);
    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    assert_int_equal(backing_lookup(backings[0], 700, &found), -EIO);
    assert_int_equal(snapshot_take(vm, &below), 0);
    balloon(700, 1);
    guest_write(701);
    assert_int_equal(snapshot_reset(snapshot, &result), -EIO);
    snapshot_drop(below);
    /* Lost afterwards, it comes back. */
    guest_write(5);
    guest_write(PAGES_0 + 1);
    assert_int_equal(memory_retire(lookup(backings[0], 5).pfn, false), 0);
    assert_int_equal(memory_retire(lookup(backings[1], page_of(PAGES_0 + 1)).pfn, false), 0);
    assert_int_equal(snapshot_reset(snapshot, &result), -EIO);
    balloon(700, 1);
    guest_writes(700, 0);
    snapshot_drop(snapshot);
    balloon(5, 1);
    balloon(PAGES_0 + 1, 1);
    snapshot = take(&first);
    guest_write(6);
    guest_write(PAGES_0 + 1);
    assert_int_equal(memory_retire(lookup(backings[0], 6).pfn, false), 0);
    assert_int_equal(memory_retire(lookup(backings[1], page_of(PAGES_0 + 1)).pfn, false), 0);
    reset(snapshot, &first);
    reset(snapshot, &first);
}

static void report_of(enum dirty_user user, struct page_set **report)
{
    assert_int_equal(vm_memory_create_report(vm, 0, report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, user, (gfn_t){ 0 }, PAGES_0, *report), 0);
}

/* Who copies the guest hears of the pages that got other content, however often it has looked before. */
static void test_C10_other_users_hear_of_it(void **state)
{
    struct model first;
    struct snapshot *snapshot;
    struct page_set *report;

    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    guest_write(1);
    snapshot = take(&first);
    /* In the log, but equal: written before. */
    assert_int_equal(reset(snapshot, &first), 0);
    report_of(DIRTY_OPERATOR, &report);
    assert_int_equal(page_set_count(report), 1);
    page_set_destroy(report);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, DIRTY_MANUAL), 0);
    guest_write(77);
    host_write(600);
    report_of(DIRTY_OPERATOR, &report);
    assert_int_equal(page_set_count(report), 2);
    page_set_destroy(report);
    assert_int_equal(reset(snapshot, &first), 2);
    for (unsigned round = 0; round < 2; round++) {
        report_of(DIRTY_RATE, &report);
        assert_true(page_set_has(report, 77) && page_set_has(report, 600));
        assert_int_equal(page_set_count(report), 2);
        page_set_destroy(report);
    }
    report_of(DIRTY_OPERATOR, &report);
    assert_true(page_set_has(report, 77) && page_set_has(report, 600));
    assert_int_equal(page_set_count(report), 2);
    page_set_destroy(report);
    assert_int_equal(reset(snapshot, &first), 0);
    report_of(DIRTY_OPERATOR, &report);
    assert_int_equal(page_set_count(report), 0);
    page_set_destroy(report);
    /* What the others take out of the log is in ours. */
    guest_write(9);
    report_of(DIRTY_OPERATOR, &report);
    page_set_destroy(report);
    assert_int_equal(reset(snapshot, &first), 1);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    snapshot_drop(snapshot);
    assert_int_equal(vm->logging, 1);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_RATE), 0);
}

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

/* Two slots that show the same pages: what is written through one is written in the other. */
static void test_two_looks_at_one_backing(void **state)
{
    struct model a_model, b_model;
    struct snapshot *a, *b;
    u64 word;

    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 1 << 20 }, 300, backings[0], 50, 0, LEVEL_1G), 0);
    a = take(&a_model);
    guest_write(60);
    guest_write(400);
    /* Both logs have this one. */
    assert_int_equal(vm_memory_write(vm, (gpa_t){ ((1 << 20) + 10) * PAGE_SIZE }, &model[60], 8), 0);
    b = take(&b_model);
    /* Through the other one, which did not have it in its log before. */
    for (u64 i = 0; i < WORDS; i++) {
        word = 12345 * (i + 1);
        assert_int_equal(vm_memory_write(vm, (gpa_t){ ((1 << 20) + 10) * PAGE_SIZE + 8 * i }, &word, 8), 0);
    }
    assert_int_equal(content(backings[0], 60), 12345);
    reset(b, &b_model);
    reset(a, &a_model);
    reset(b, &b_model);
    snapshot_drop(a);
    reset(b, &b_model);
    write_many(0, 30);
    reset(b, &b_model);
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

static u64 points;

static void count_point(const void *word)
{
    (void)word;
    points++;
}

/* What a way back costs in all, with as many pages dirty in a VM of this size. */
static u64 cost_of(u64 npages, u64 dirty)
{
    struct vm_memory *big = new_vm();
    struct backing *backing = new_backing(npages, 0);
    struct snapshot *snapshot;
    struct snapshot_result result;
    u64 value = 1, before = port_host.yields;

    assert_int_equal(vm_memory_add_slot(big, 0, (gfn_t){ 0 }, npages, backing, 0, 0, LEVEL_1G), 0);
    assert_int_equal(snapshot_take(big, &snapshot), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (u64 i = 0; i < dirty; i++)
            assert_int_equal(vm_memory_write(big, (gpa_t){ (100 + i) * PAGE_SIZE }, &value, 8), 0);
        points = 0;
        before = port_host.yields;
        port_host.on_point = count_point;
        assert_int_equal(snapshot_reset(snapshot, &result), 0);
        port_host.on_point = NULL;
        assert_int_equal(result.examined, dirty);
        assert_int_equal(result.restored, dirty);
    }
    points += port_host.yields - before;
    snapshot_drop(snapshot);
    vm_memory_destroy(big);
    backing_put(backing);
    return points;
}

static void test_cost_is_of_dirty_pages(void **state)
{
    port_host_start(120 << 10);
    u64 of_some = cost_of(4096, 32);
    u64 of_more = cost_of(4096, 64);

    /* For 25 times the memory nothing but a look at the empty chunks of a set, one for 64 MiB (mm/page_set.h), four times. */
    assert_in_range(cost_of(100 << 10, 32), of_some, of_some + 4 * 6);
    assert_in_range(cost_of(100 << 10, 64), of_more, of_more + 4 * 6);
    /* Per page: two reads of maps, three for the log and the entry, and a share of the lock. */
    assert_in_range(of_more - of_some, 32, 32 * 6);
    assert_in_range(of_some, 1, 600);
    port_host_stop();
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
        BOTH(test_back_and_back_again),
        BOTH(test_each_page),
        BOTH(test_in_place),
        BOTH(test_nested),
        BOTH(test_siblings),
        BOTH(test_frames_are_given_back),
        BOTH(test_drop_where_the_memory_is),
        BOTH(test_drop_at_a_branch),
        BOTH(test_drop_without_memory),
        BOTH(test_holes),
        BOTH(test_frames_of_others),
        { "test_lost_pages", test_lost_pages, start_protect, finish, NULL },
        BOTH(test_C10_other_users_hear_of_it),
        BOTH(test_other_slots),
        BOTH(test_two_looks_at_one_backing),
        BOTH(test_no_memory_to_take),
        BOTH(test_no_memory_to_go_back),
        cmocka_unit_test(test_cost_is_of_dirty_pages),
        BOTH(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
