/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Write-protection faults that are resolved without leaving the guest (mm/fault_inside.c), against whoever takes the permission,
 * the table or the log away (C10, C11). See tests/explorer/dirty_judge.h; with large pages, scenario_dirty_large.c.
 */
#include "mm/vm.h"
#include "tests/explorer/dirty_judge.h"

/* Pages 0 and 1 are mapped, armed, and not in the log. */
static void start_armed(void)
{
    judge_start_machine(false);
    scene_start(2);
    judge_guests(false);
    judge_start_user(DIRTY_OPERATOR, 0);
    for (unsigned i = 0; i < scene.guests; i++) {
        guest_store(&scene.guest[i], page(0) + 8 * (i + 1), 1);
        guest_store(&scene.guest[i], page(1) + 8 * (i + 1), 1);
        guest_leave(&scene.guest[i]);
    }
    judge_harvest(DIRTY_OPERATOR);
    scene.guest[0].resolves_inside = scene.guest[1].resolves_inside = true;
}

/* The same, but nobody logs any more. */
static void start_stopped(void)
{
    start_armed();
    judge_stop_user(DIRTY_OPERATOR);
}

/* Page 0 by a table that is known from page 1; and once more in another stay. */
static void write_by_0(void)
{
    guest_store(&scene.guest[0], page(1) + 8, 2);
    guest_store(&scene.guest[0], page(0) + 8, 2);
    guest_leave(&scene.guest[0]);
    guest_store(&scene.guest[0], page(0) + 8, 3);
    guest_leave(&scene.guest[0]);
}

static void write_once(unsigned guest)
{
    guest_write(&scene.guest[guest], page(0) + 8 * (guest + 1), 2);
    guest_leave(&scene.guest[guest]);
}

static void write_once_by_0(void)
{
    write_once(0);
}

static void write_once_by_1(void)
{
    write_once(1);
}

static void write_if_possible(void)
{
    guest_write(&scene.guest[0], page(1) + 8, 2);
    write_once(0);
    write_once(0);
}

static void harvest(void)
{
    judge_harvest(DIRTY_OPERATOR);
}

static void start_log(void)
{
    judge_start_user(DIRTY_OPERATOR, 0);
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

/* Nothing is put in its place, or a page of zeros by the next write: what was written before is gone, and told. */
static void punch(void)
{
    EXPECT(backing_punch(scene.backing, 0, 1) == 0);
}

static void move(void)
{
    EXPECT(vm_memory_move_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN + SCENE_MOVED }) == 0);
}

static void make_read_only(void)
{
    EXPECT(vm_memory_set_slot_flags(scene.vm, SCENE_SLOT, MEMSLOT_READ_ONLY) == 0);
}

SCENARIO(inside_harvest, .setup = start_armed, .actor = { write_by_0, harvest }, .check = judge_check);
SCENARIO(inside_harvest_two_guests, .setup = start_armed, .actor = { write_once_by_0, write_once_by_1, harvest },
         .check = judge_check);
SCENARIO(inside_start, .setup = start_stopped, .actor = { write_by_0, start_log }, .check = judge_check);
SCENARIO(inside_restart, .setup = start_armed, .actor = { write_by_0, restart }, .check = judge_check);
SCENARIO(inside_before_move, .setup = start_armed, .actor = { write_once_by_0, write_once_by_1, move },
         .check = judge_check);
SCENARIO(inside_read_only, .setup = start_armed, .actor = { write_if_possible, make_read_only }, .check = judge_check);
SCENARIO(inside_harvest_zap, .setup = start_armed, .actor = { write_by_0, harvest, zap }, .check = judge_check,
         .bound = 1);
SCENARIO(inside_harvest_punch, .setup = start_armed, .actor = { write_by_0, harvest, punch }, .check = judge_check);
SCENARIO(inside_harvest_protect, .setup = start_armed, .actor = { write_by_0, harvest, write_protect },
         .check = judge_check);
SCENARIO(inside_harvest_invalidate_all, .setup = start_armed, .actor = { write_by_0, harvest, invalidate_all },
         .check = judge_check, .bound = 1);
