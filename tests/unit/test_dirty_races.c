/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty logs when two things happen at once: before every atomic operation of the one (mm/atomic.h), another processor does
 * the other. Judged by a mirror of what is written (tests/unit/dirty_support.h): each write is in a report after it (C10, C11).
 */
#include "tests/unit/dirty_support.h"

enum { PAGES = 512, BASE = 1024, PAGE = 6 };

/* What the other processor does, and before which atomic operation. False: it cannot at this moment. */
static bool (*act)(void);
static u64 act_at, points, acts;

/* Whether another processor can do what it wants, without waiting for who is interrupted here. */
static bool nothing_is_held(void)
{
    if (cpus[0].vcpu.inside == VCPU_COMING_IN || (cpus[0].vcpu.inside != 0 && !cpus[0].in_guest))
        return false;
    return is_free(&vm->spt.lock);
}

static bool can_harvest(void)
{
    const struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);

    return nothing_is_held() && (slot == NULL || memslot_log(slot) == NULL || memslot_log(slot)->busy == 0);
}

static void at_point(const void *word)
{
    (void)word;
    if (points++ < act_at)
        return;
    port_host.on_point = NULL;
    port_host_processor = 1;
    bool done = act();
    port_host_processor = 0;
    acts += done;
    if (done)
        act_at = points - 1; /* and not before: the moments that were passed over are this one */
    else
        port_host.on_point = at_point;
}

static u64 gfn_now(void)
{
    return memslots_find_id(memslots_active(&vm->slots), 0)->base.v + PAGE;
}

/* The guest writes: through what is in the tables or was, at any moment; with a fault where that does not have to wait. */
static bool try_to_write(struct cpu *cpu)
{
    u64 gfn = gfn_now();

    if (hardware_write(cpu, gfn))
        return true;
    if (!nothing_is_held())
        return false;
    return access_fault(cpu, gfn, ACCESS_WRITE) <= FAULT_SPURIOUS && hardware_write(cpu, gfn);
}

static bool act_write(void)
{
    return try_to_write(&cpus[1]);
}

/* What is remembered, and nothing else; it stays in the guest. */
static bool act_write_on(void)
{
    u64 gfn = gfn_now();

    return cpus[1].in_guest && cpus[1].tlb[gfn] != 0 && hardware_write(&cpus[1], gfn);
}

static bool act_harvest(void)
{
    if (!can_harvest())
        return false;
    act_write_on();
    base = gfn_now() - PAGE;
    harvest();
    act_write_on();
    return true;
}

static bool act_harvest_by_other(void)
{
    if (!can_harvest())
        return false;
    act_write();
    harvest_of(DIRTY_RATE);
    act_write();
    return true;
}

static bool act_punch(void)
{
    if (!nothing_is_held())
        return false;
    act_write_on();
    assert_int_equal(backing_punch(backing, PAGE, 1), 0);
    return true;
}

static bool act_host_write(void)
{
    if (!nothing_is_held())
        return false;
    writes++;
    return vm_memory_write(vm, (gpa_t){ gfn_now() * PAGE_SIZE }, &writes, sizeof(writes)) == 0;
}

static bool act_split(void)
{
    if (!nothing_is_held())
        return false;
    act_write_on();
    assert_int_equal(vm_memory_split(vm, (gfn_t){ BASE }, PAGES, LEVEL_4K), 0);
    return true;
}

static bool act_invalidate_all(void)
{
    if (!nothing_is_held())
        return false;
    act_write_on();
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    return true;
}

/* ---- what is interrupted */

static void do_harvest(void)
{
    harvest();
}

static void do_start(void)
{
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
}

static void do_lazy_start(void)
{
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_LAZY), 0);
}

static void do_start_with_all(void)
{
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_ALL_AT_FIRST), 0);
}

static void do_write(void)
{
    guest_write(&cpus[0], gfn_now());
}

static void do_punch(void)
{
    assert_int_equal(backing_punch(backing, PAGE, 1), 0);
}

static void do_zap(void)
{
    vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
}

static void do_migrate(void)
{
    assert_int_equal(backing_migrate(backing, PAGE), 0);
}

static void do_invalidate_all(void)
{
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
}

static void do_split(void)
{
    assert_int_equal(vm_memory_split(vm, (gfn_t){ BASE }, PAGES, LEVEL_4K), 0);
}

static void do_move(void)
{
    assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ BASE + 2048 }), 0);
}

static void do_host_write(void)
{
    assert_true(act_host_write());
}

/* ---- scenes */

enum {
    LOGGED = 1,
    LAZY = 2,
    ALL_AT_FIRST = 4,
    DIRTY = 8,
    ARMED = 16,
    INSIDE = 32,
    UNMAPPED = 64,
    TWO_USERS = 128,
    ENTERED = 256
};

static void make_scene(unsigned scene)
{
    show(BASE, PAGES, 0, LEVEL_2M);
    guest_write(&cpus[0], BASE + PAGE);
    guest_write(&cpus[0], BASE + 300);
    leave_all();
    if (scene & LOGGED)
        start_log(scene & ALL_AT_FIRST ? DIRTY_ALL_AT_FIRST : scene & LAZY ? DIRTY_LAZY : 0);
    if (scene & TWO_USERS)
        assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_RATE, 0), 0);
    if (scene & (DIRTY | ARMED))
        guest_write(&cpus[0], BASE + PAGE);
    leave_all();
    if (scene & ARMED)
        harvest();
    if (scene & UNMAPPED)
        vm_memory_zap(vm, (gfn_t){ BASE }, PAGES);
    if (scene & ENTERED)
        enter(&cpus[1]);
    /* The other one is in the guest, and remembers that it may write. */
    if (scene & INSIDE)
        assert_true(try_to_write(&cpus[1]));
    last_write = BASE + PAGE;
}

static void remake_scene(unsigned scene)
{
    leave_all();
    last_write = ~0ull;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    backing_put(backing);
    make_scene(scene);
}

/*
 * `act` at every moment of `what`; and the other processor goes on writing for as long as nobody makes it leave. If `what`
 * starts the log, the mirror copies all behind it.
 */
static void race(unsigned scene, void (*what)(void), bool (*other)(void))
{
    u64 moments = 0;

    make_scene(scene);
    for (act_at = 0; act_at == 0 || acts != 0; act_at++) {
        if (act_at != 0)
            remake_scene(scene);
        act = other;
        points = acts = 0;
        port_host.on_point = at_point;
        what();
        port_host.on_point = NULL;
        if (!(scene & LOGGED))
            copy_all();
        base = gfn_now() - PAGE;
        act_write_on();
        assert_nothing_lost();
        guest_write(&cpus[1], base + PAGE);
        assert_reported(DIRTY_OPERATOR, base + PAGE);
        assert_log_sound();
        assert_nothing_lost();
        moments++;
    }
    assert_true(moments > 1);
}

static void again(unsigned scene, void (*what)(void), bool (*other)(void))
{
    leave_all();
    last_write = ~0ull;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    backing_put(backing);
    race(scene, what, other);
}

static void test_C10_write_while_a_log_starts(void **state)
{
    race(0, do_start, act_write);
    again(INSIDE, do_start, act_write);
    again(ENTERED, do_start, act_write);
}

static void test_C10_anything_while_a_log_starts(void **state)
{
    race(INSIDE, do_lazy_start, act_write);
    again(ENTERED, do_lazy_start, act_write);
    again(UNMAPPED, do_start, act_write);
    again(INSIDE, do_start_with_all, act_write);
    again(INSIDE, do_start, act_host_write);
    again(INSIDE, do_start, act_punch);
    again(INSIDE, do_start, act_split);
    again(INSIDE, do_lazy_start, act_split);
    again(INSIDE, do_start, act_invalidate_all);
}

static void test_C11_write_while_it_is_harvested(void **state)
{
    race(LOGGED | DIRTY, do_harvest, act_write);
    again(LOGGED | DIRTY | INSIDE, do_harvest, act_write);
    again(LOGGED | DIRTY | INSIDE, do_harvest, act_write_on);
    again(LOGGED | ALL_AT_FIRST | INSIDE, do_harvest, act_write);
    again(LOGGED | LAZY | DIRTY | INSIDE, do_harvest, act_write);
}

static void test_C10_harvest_while_it_is_written(void **state)
{
    race(LOGGED | ARMED, do_write, act_harvest);
    again(LOGGED | DIRTY, do_write, act_harvest);
    again(LOGGED | ARMED, do_write, act_write);
    again(LOGGED | LAZY, do_write, act_harvest);
    again(LOGGED | LAZY, do_write, act_write);
    again(LOGGED | UNMAPPED, do_write, act_harvest);
    again(LOGGED | UNMAPPED, do_write, act_write);
    again(LOGGED | ALL_AT_FIRST, do_write, act_harvest);
    again(LOGGED | ARMED, do_host_write, act_harvest);
}

static void test_C10_two_users_harvest(void **state)
{
    race(LOGGED | TWO_USERS | DIRTY, do_harvest, act_harvest_by_other);
    again(LOGGED | TWO_USERS | ARMED, do_write, act_harvest_by_other);
    again(LOGGED | TWO_USERS | DIRTY | INSIDE, do_harvest, act_write);
}

/* Who takes a page away has not flushed yet, and a harvest finds nothing to arm: processors go on writing. */
static void test_C10_harvest_while_pages_are_unmapped(void **state)
{
    race(LOGGED | DIRTY | INSIDE, do_zap, act_harvest);
    again(LOGGED | DIRTY | INSIDE, do_migrate, act_harvest);
    again(LOGGED | DIRTY | INSIDE, do_invalidate_all, act_harvest);
    again(LOGGED | DIRTY | INSIDE, do_punch, act_harvest);
    again(LOGGED | ARMED, do_zap, act_write);
    again(LOGGED | ARMED, do_migrate, act_write);
    again(LOGGED | ARMED, do_invalidate_all, act_write);
}

static void test_C10_anything_while_it_is_harvested(void **state)
{
    race(LOGGED | DIRTY | INSIDE, do_harvest, act_punch);
    again(LOGGED | DIRTY | INSIDE, do_harvest, act_host_write);
    again(LOGGED | DIRTY | INSIDE, do_harvest, act_invalidate_all);
    again(LOGGED | ALL_AT_FIRST | INSIDE, do_harvest, act_split);
    again(LOGGED | LAZY, do_harvest, act_split);
}

static void test_C10_split_against_harvest_and_write(void **state)
{
    race(LOGGED | ALL_AT_FIRST | INSIDE, do_split, act_harvest);
    again(LOGGED | ALL_AT_FIRST, do_split, act_write);
    again(LOGGED | LAZY, do_split, act_write);
    again(LOGGED | LAZY | INSIDE, do_split, act_harvest);
}

static void test_C10_anything_while_the_slot_moves(void **state)
{
    race(LOGGED | DIRTY | INSIDE, do_move, act_write);
    again(LOGGED | ARMED, do_move, act_write);
    again(LOGGED | ARMED, do_move, act_punch);
    again(LOGGED | ARMED, do_move, act_host_write);
    again(LOGGED | DIRTY | INSIDE, do_move, act_harvest);
    again(LOGGED | ALL_AT_FIRST, do_move, act_write);
    again(LOGGED | LAZY, do_move, act_write);
}

/* The end of a log: who is in a fault goes on, and nothing is left of the log. */
static void test_C1_write_while_a_log_stops(void **state)
{
    for (act_at = 0; act_at == 0 || acts != 0; act_at++) {
        if (act_at == 0)
            make_scene(LOGGED | ARMED);
        else
            remake_scene(LOGGED | ARMED);
        act = act_write;
        points = acts = 0;
        port_host.on_point = at_point;
        stop_log();
        port_host.on_point = NULL;
        assert_int_equal(vm->logging, 0);
        guest_write(&cpus[0], BASE + PAGE);
        assert_log_sound();
        u64 faults = vm_memory_get_stats(vm).faults;
        guest_write(&cpus[0], BASE + PAGE);
        guest_write(&cpus[1], BASE + PAGE);
        assert_int_equal(vm_memory_get_stats(vm).faults, faults);
    }
    assert_true(act_at > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_C10_write_while_a_log_starts),
        BOTH(test_C10_anything_while_a_log_starts),
        BOTH(test_C11_write_while_it_is_harvested),
        BOTH(test_C10_harvest_while_it_is_written),
        BOTH(test_C10_two_users_harvest),
        BOTH(test_C10_harvest_while_pages_are_unmapped),
        BOTH(test_C10_anything_while_it_is_harvested),
        BOTH(test_C10_split_against_harvest_and_write),
        BOTH(test_C10_anything_while_the_slot_moves),
        BOTH(test_C1_write_while_a_log_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
