/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tree of snapshots against a model of every page, while guest, host, balloon, compaction, migration, page sharing, clones,
 * other users of the log and changes of slots go on, and memory is short now and then. An audit after each step.
 */
#include "tests/unit/snapshot_support.h"

#include <stdio.h>

enum { SNAPSHOTS = 7, CLONES = 2, STEPS = 600, SEEDS = 12 };

static u64 seed;

static struct taken {
    struct snapshot *snapshot; /* NULL: none */
    struct model model;
    u64 era; /* the slots have not changed since, if it is this one */
} taken[SNAPSHOTS];

static struct cloned {
    struct backing *backing; /* NULL: none */
    unsigned of;
    struct model model;
} clones[CLONES];

static u64 era;
static bool is_unlogged;   /* slots have changed since the last snapshot was taken */
static bool is_user;       /* of the log of slot 0, as the operator */
static u64 mirror[SPACE];  /* what the operator knows of slot 0 */
static u64 resets, failed; /* how often the interesting things have happened */

static u64 any(u64 limit)
{
    return random_below(&seed, limit);
}

static void write_some(void)
{
    u64 first = any(SPACE), count = any(4) == 0 ? any(150) : any(4), step = 1 + any(20);

    for (u64 i = 0; i <= count; i++) {
        if (any(4) == 0)
            host_write((first + i * step) % SPACE);
        else
            guest_write((first + i * step) % SPACE);
    }
}

static void balloon_some(void)
{
    u64 index = any(SPACE), end = slot_of(index) ? SPACE : PAGES_0, count = 1 + any(any(5) == 0 ? 600 : 5);

    balloon(index, count < end - index ? count : end - index);
}

static void share_some(void)
{
    u64 a = any(SPACE), b = any(SPACE), value = ++written;

    guest_writes(a, value);
    guest_writes(b, value);
    assert_int_equal(backing_share(backing_of(a), page_of(a), backing_of(b), page_of(b)), 0);
}

static void move_some(void)
{
    u64 index = any(SPACE);

    if (any(2) == 0)
        backing_migrate(backing_of(index), page_of(index));
    else
        backing_compact(backing_of(index), page_of(index));
}

static void retire_some(void)
{
    struct backing_page found;
    u64 index = any(SPACE);

    if (any(20) == 0 && backing_lookup(backing_of(index), page_of(index), &found) == 0)
        assert_int_equal(memory_retire(found.pfn, true), 0);
}

static void clone_some(void)
{
    struct cloned *cloned = &clones[any(CLONES)];

    if (cloned->backing != NULL) {
        for (u64 index = cloned->of ? PAGES_0 : 0; index < (cloned->of ? SPACE : PAGES_0); index++)
            assert_int_equal(content(cloned->backing, page_of(index)), cloned->model.values[index]);
        backing_put(cloned->backing);
        cloned->backing = NULL;
        return;
    }
    cloned->of = any(2) != 0;
    cloned->model = remember();
    cloned->backing = clone_of(backings[cloned->of]);
}

static void harvest_some(void)
{
    struct page_set *report;

    if (!is_user) {
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
        memcpy(mirror, model, sizeof(mirror));
        is_user = true;
        return;
    }
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, PAGES_0, report), 0);
    for (u64 index = 0; index < PAGES_0; index++) {
        if (page_set_has(report, index))
            mirror[index] = model[index];
        assert_int_equal(mirror[index], model[index]);
    }
    page_set_destroy(report);
    if (any(8) == 0) {
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
        is_user = false;
    }
}

static void change_slots(void)
{
    if (any(30) != 0)
        return;
    if (any(2) == 0) {
        /* Away and back again, with its log: nothing is lost. */
        assert_int_equal(vm_memory_move_slot(vm, 1, (gfn_t){ 1 << 20 }), 0);
        for (unsigned i = 0; i < SNAPSHOTS; i++) {
            struct snapshot_result result;

            if (taken[i].snapshot != NULL)
                assert_int_equal(snapshot_reset(taken[i].snapshot, &result), -ESTALE);
        }
        assert_int_equal(vm_memory_move_slot(vm, 1, gfn_of(PAGES_0)), 0);
        return;
    }
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, gfn_of(PAGES_0), PAGES_1, backings[1], OFFSET_1, 0, LEVEL_1G), 0);
    is_unlogged = true;
}

/* Sometimes too little is left. */
static bool take_memory(void)
{
    if (any(4) != 0)
        return false;
    port_host_take_all_but(any(40));
    return true;
}

static void take_one(struct taken *one)
{
    bool is_short = take_memory();
    struct snapshot *snapshot;
    int error = snapshot_take(vm, &snapshot);

    if (is_short)
        port_host_give_back();
    assert_true(error == 0 || (is_short && error == -ENOMEM));
    failed += error != 0;
    if (error != 0)
        return;
    bool exists = false;
    for (unsigned i = 0; i < SNAPSHOTS; i++)
        exists = exists || (taken[i].snapshot != NULL && taken[i].era == era);
    if (is_unlogged || !exists)
        era++;
    is_unlogged = false;
    *one = (struct taken){ .snapshot = snapshot, .model = remember(), .era = era };
}

static void go_back(struct taken *one)
{
    bool is_short = take_memory();
    struct snapshot_result result;
    int error = snapshot_reset(one->snapshot, &result);

    if (is_short)
        port_host_give_back();
    if (is_unlogged || one->era != era) {
        assert_int_equal(error, -ESTALE);
        return;
    }
    if (error == -ENOMEM && is_short) {
        failed++;
        /* The guest is in between; another one does as well. */
        struct taken *other = &taken[any(SNAPSHOTS)];

        if (other->snapshot != NULL && other->era == era)
            one = other;
        error = snapshot_reset(one->snapshot, &result);
    }
    assert_int_equal(error, 0);
    memcpy(model, one->model.values, sizeof(model));
    resets++;
}

static void use_snapshots(void)
{
    struct taken *one = &taken[any(SNAPSHOTS)];

    if (one->snapshot == NULL) {
        take_one(one);
    } else if (any(3) != 0) {
        go_back(one);
    } else {
        bool is_short = any(3) == 0;

        if (is_short)
            port_host_take_all_but(0);
        snapshot_drop(one->snapshot);
        if (is_short)
            port_host_give_back();
        one->snapshot = NULL;
    }
}

static void step(void)
{
    static void (*const steps[])(void) = { write_some,   write_some,    balloon_some,  share_some,
                                           move_some,    retire_some,   clone_some,    harvest_some,
                                           change_slots, use_snapshots, use_snapshots, use_snapshots };

    steps[any(sizeof(steps) / sizeof(*steps))]();
}

/* The seed is the state that the test begins with. */
static void test_random(void **state)
{
    seed = (u64)(uintptr_t)*state;
    memset(taken, 0, sizeof(taken));
    memset(clones, 0, sizeof(clones));
    is_user = is_unlogged = false;
    era = resets = failed = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        step();
        check_all();
    }
    assert_true(resets > STEPS / 20 && failed > 0);
    for (unsigned i = 0; i < CLONES; i++) {
        if (clones[i].backing != NULL)
            backing_put(clones[i].backing);
    }
    if (is_user)
        assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
}

int main(void)
{
    static char names[2 * SEEDS][40];
    struct CMUnitTest tests[2 * SEEDS];

    for (unsigned i = 0; i < 2 * SEEDS; i++) {
        u64 first = i / 2 + 1;

        snprintf(names[i], sizeof(names[i]), "test_random_%s_%llu", i % 2 ? "PML" : "protection",
                 (unsigned long long)first);
        tests[i] = (struct CMUnitTest){ names[i], test_random, i % 2 ? start_pml : start_protect, finish,
                                        (void *)(uintptr_t)first };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
