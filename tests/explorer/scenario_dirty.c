/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty logs: what is written while others harvest, arm, unmap and change slots, is reported (C10, C11). Each in two machines:
 * with PML, and with write protection. See tests/explorer/dirty_judge.h; with large pages, scenario_dirty_large.c.
 */
#include <string.h>

#include "mm/vm.h"
#include "tests/explorer/dirty_judge.h"

/* ---- the machines, and what there is at the begin */

static void start_small(bool logs)
{
    judge_start_machine(logs);
    scene_start(2);
    judge_guests(logs);
}

static void start_unlogged(bool logs)
{
    start_small(logs);
    judge_write_first();
}

static void start_logged(bool logs)
{
    start_small(logs);
    judge_start_user(DIRTY_OPERATOR, 0);
    judge_write_first();
}

/* Page 0 is mapped, armed, and not in the log. */
static void start_armed(bool logs)
{
    start_logged(logs);
    guest_leave(&scene.guest[0]);
    judge_harvest(DIRTY_OPERATOR);
}

static void start_two_users(bool logs)
{
    start_small(logs);
    judge_start_user(DIRTY_OPERATOR, 0);
    judge_start_user(DIRTY_RATE, 0);
    judge_write_first();
}

static void start_manual(bool logs)
{
    start_small(logs);
    judge_start_user(DIRTY_OPERATOR, DIRTY_MANUAL);
    judge_write_first();
}

MACHINES(start_unlogged)
MACHINES(start_logged)
MACHINES(start_armed)
MACHINES(start_two_users)
MACHINES(start_manual)

/* ---- what actors do */

static void write_by_0(void)
{
    judge_write(0);
}

static void write_by_1(void)
{
    judge_write(1);
}

static void write_once_by_1(void)
{
    guest_store(&scene.guest[1], page(0) + 16, 2);
    guest_leave(&scene.guest[1]);
}

static void write_anywhere_by(unsigned guest)
{
    guest_write(&scene.guest[guest], page(0) + 8, 2);
    guest_leave(&scene.guest[guest]);
    guest_write(&scene.guest[guest], moved_page(0) + 8, 3);
    guest_leave(&scene.guest[guest]);
}

/* Not at the new place, where a write would be a reason of its own to report the page. */
static void write_before_it_moves(unsigned guest)
{
    guest_write(&scene.guest[guest], page(0) + 8, 2);
    guest_leave(&scene.guest[guest]);
}

static void write_before_it_moves_by_0(void)
{
    write_before_it_moves(0);
}

static void write_before_it_moves_by_1(void)
{
    write_before_it_moves(1);
}

static void write_anywhere_by_0(void)
{
    write_anywhere_by(0);
}

static void write_anywhere_by_1(void)
{
    write_anywhere_by(1);
}

static void write_if_possible(void)
{
    for (u64 value = 2; value <= 3; value++) {
        guest_write(&scene.guest[0], page(0) + 8, value);
        guest_leave(&scene.guest[0]);
    }
}

static void harvest(void)
{
    judge_harvest(DIRTY_OPERATOR);
}

static void harvest_if_possible(void)
{
    int error = judge_try_harvest(DIRTY_OPERATOR);

    EXPECT(error == 0 || error == -ENOENT);
}

static void harvest_rate(void)
{
    judge_harvest(DIRTY_RATE);
}

/* What is read after the rearming is what the report was about. */
static void harvest_and_rearm(void)
{
    judge_forget_report(DIRTY_OPERATOR);
    EXPECT(vm_memory_harvest(scene.vm, SCENE_SLOT, DIRTY_OPERATOR, (gfn_t){ 0 }, ~0ull,
                             judge_users[DIRTY_OPERATOR].report) == 0);
    EXPECT(vm_memory_rearm(scene.vm, SCENE_SLOT, DIRTY_OPERATOR, judge_users[DIRTY_OPERATOR].report) == 0);
    judge_settle(DIRTY_OPERATOR);
}

static void start_log(void)
{
    judge_start_user(DIRTY_OPERATOR, 0);
}

static void start_all_and_harvest(void)
{
    judge_start_user(DIRTY_OPERATOR, DIRTY_ALL_AT_FIRST);
    harvest();
}

static void start_and_stop_rate(void)
{
    judge_start_user(DIRTY_RATE, 0);
    judge_stop_user(DIRTY_RATE);
}

static void restart(void)
{
    judge_stop_user(DIRTY_OPERATOR);
    judge_start_user(DIRTY_OPERATOR, 0);
}

static void zap(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, SCENE_PAGES);
}

static void write_protect(void)
{
    vm_memory_write_protect(scene.vm, (gfn_t){ SCENE_GFN }, SCENE_PAGES);
}

static void invalidate_all(void)
{
    EXPECT(vm_memory_invalidate_all(scene.vm) == 0);
}

static void move(void)
{
    EXPECT(vm_memory_move_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN + SCENE_MOVED }) == 0);
}

static void make_read_only(void)
{
    EXPECT(vm_memory_set_slot_flags(scene.vm, SCENE_SLOT, MEMSLOT_READ_ONLY) == 0);
}

static void remove_slot(void)
{
    judge_users[DIRTY_OPERATOR].active = false;
    EXPECT(vm_memory_remove_slot(scene.vm, SCENE_SLOT) == 0);
    memset(judge_users[DIRTY_OPERATOR].owed, 0, sizeof(judge_users[DIRTY_OPERATOR].owed));
}

/* Changes of the content by the hypervisor: owed when they are done, unless somebody was told of the page meanwhile. */
static void owe_unless_reported_since(unsigned n, unsigned reported)
{
    if (judge_users[DIRTY_OPERATOR].reported[n] == reported)
        judge_owe(SCENE_GFN + n);
}

static void punch(void)
{
    unsigned reported = judge_users[DIRTY_OPERATOR].reported[1];

    EXPECT(backing_punch(scene.backing, 1, 1) == 0);
    owe_unless_reported_since(1, reported);
}

static void write_by_hypervisor(void)
{
    u64 value = 7;
    unsigned reported = judge_users[DIRTY_OPERATOR].reported[1];
    int error = vm_memory_write(scene.vm, (gpa_t){ page(1) }, &value, sizeof(value));

    EXPECT(error == 0 || error == -EFAULT);
    if (error == 0)
        owe_unless_reported_since(1, reported);
}

/* ---- harvest, start and stop against writes */

SCENARIO_IN_BOTH(dirty_write_harvest, start_logged, .actor = { write_by_0, harvest }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_armed_harvest, start_armed, .actor = { write_by_0, write_once_by_1, harvest },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_write_harvest, start_logged, .actor = { write_by_0, write_by_1, harvest },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_start, start_unlogged, .actor = { write_by_0, start_log }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_start_zap, start_unlogged, .actor = { write_by_0, start_log, zap }, .check = judge_check,
                 .bound = 1);
SCENARIO_IN_BOTH(dirty_write_start_all, start_unlogged, .actor = { write_by_0, start_all_and_harvest },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_restart, start_logged, .actor = { write_by_0, restart }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_rearm, start_manual, .actor = { write_by_0, harvest_and_rearm }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_two_users, start_two_users, .actor = { write_by_0, harvest, harvest_rate },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_another_user, start_logged, .actor = { write_by_0, harvest, start_and_stop_rate },
                 .check = judge_check);

/* ---- harvest and writes while something is taken away */

SCENARIO_IN_BOTH(dirty_write_harvest_zap, start_logged, .actor = { write_by_0, harvest, zap }, .check = judge_check,
                 .bound = 1);
SCENARIO_IN_BOTH(dirty_write_harvest_protect, start_logged, .actor = { write_by_0, harvest, write_protect },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_harvest_invalidate_all, start_logged, .actor = { write_by_0, harvest, invalidate_all },
                 .check = judge_check, .bound = 1);
SCENARIO_IN_BOTH(dirty_harvest_punch, start_logged, .actor = { write_by_0, harvest, punch }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_harvest_hypervisor, start_logged, .actor = { write_by_0, harvest, write_by_hypervisor },
                 .check = judge_check);

/* ---- slots */

SCENARIO_IN_BOTH(dirty_write_move, start_armed, .actor = { write_anywhere_by_0, write_anywhere_by_1, move },
                 .check = judge_check, .bound = 1);
SCENARIO_IN_BOTH(dirty_write_before_move, start_armed,
                 .actor = { write_before_it_moves_by_0, write_before_it_moves_by_1, move }, .check = judge_check,
                 .bound = 1);
SCENARIO_IN_BOTH(dirty_write_harvest_move, start_logged, .actor = { write_anywhere_by_0, harvest, move },
                 .check = judge_check);
SCENARIO(dirty_punch_move, .setup = start_armed_wp, .actor = { punch, move }, .check = judge_check);
SCENARIO(dirty_hypervisor_move, .setup = start_armed_wp, .actor = { write_by_hypervisor, move }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_harvest_read_only, start_logged, .actor = { write_if_possible, harvest, make_read_only },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_harvest_remove, start_logged,
                 .actor = { write_if_possible, harvest_if_possible, remove_slot }, .check = judge_check);
