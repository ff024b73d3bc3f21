/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty logs and large pages: split by the start, by the first write, or by somebody else, and back. See
 * tests/explorer/dirty_judge.h.
 */
#include "mm/recover.h"
#include "mm/vm.h"
#include "tests/explorer/dirty_judge.h"

enum { LARGE_PAGES = 512, LARGE_FRAMES = 1400 };

static void make_large(bool logs)
{
    judge_start_machine(logs);
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create(LARGE_PAGES, 0, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN }, LARGE_PAGES, scene.backing, 0, 0, LEVEL_2M) ==
           0);
    scene.guests = 2;
    for (unsigned i = 0; i < 2; i++)
        guest_init(&scene.guest[i], scene.vm);
    judge_guests(logs);
}

static void start_large(bool logs)
{
    make_large(logs);
    judge_write_first();
}

static void start_lazy(bool logs)
{
    start_large(logs);
    guest_leave(&scene.guest[0]);
    judge_start_user(DIRTY_OPERATOR, DIRTY_LAZY);
}

/* A table of small pages that nobody logs any more. */
static void start_stopped(bool logs)
{
    start_large(logs);
    guest_leave(&scene.guest[0]);
    judge_start_user(DIRTY_OPERATOR, 0);
    judge_stop_user(DIRTY_OPERATOR);
    guest_store(&scene.guest[0], page(0) + 8, 1);
}

/* The same, where guest 0 gets permissions back without leaving. */
static void start_inside(void)
{
    start_stopped(false);
    guest_leave(&scene.guest[0]);
    scene.guest[0].resolves_inside = true;
}

/* And where pages are missing in the table, which are mapped without leaving. */
static void start_with_gaps(void)
{
    start_inside();
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN + 1 }, JUDGED - 1);
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == LARGE_PAGES - (JUDGED - 1));
}

MACHINES(start_large)
MACHINES(start_lazy)
MACHINES(start_stopped)

static void write_by_0(void)
{
    judge_write(0);
}

/* Pages that were not written since the log was stopped; the table is known from the first of them. */
static void write_inside(void)
{
    for (unsigned n = 1; n < JUDGED; n++)
        guest_store(&scene.guest[0], page(n), n);
    guest_leave(&scene.guest[0]);
}

static void write_once_by_1(void)
{
    guest_store(&scene.guest[1], page(0) + 16, 2);
    guest_leave(&scene.guest[1]);
}

static void harvest(void)
{
    judge_harvest(DIRTY_OPERATOR);
}

static void start_log(void)
{
    judge_start_user(DIRTY_OPERATOR, 0);
}

static void start_lazily_and_split(void)
{
    judge_start_user(DIRTY_OPERATOR, DIRTY_LAZY);
    EXPECT(vm_memory_split(scene.vm, (gfn_t){ SCENE_GFN }, LARGE_PAGES, LEVEL_4K) == 0);
}

static void split(void)
{
    EXPECT(vm_memory_split(scene.vm, (gfn_t){ SCENE_GFN }, LARGE_PAGES, LEVEL_4K) == 0);
}

static void recover(void)
{
    struct recover_result result;

    EXPECT(vm_memory_recover(scene.vm, (gfn_t){ SCENE_GFN }, LARGE_PAGES, RECOVER_IN_PLACE, 0, &result) == 0);
}

static void stop_and_recover(void)
{
    judge_stop_user(DIRTY_OPERATOR);
    recover();
}

/* Nothing has been left small, and nothing faults. */
static void check_large(void)
{
    guest_store(&scene.guest[0], page(2), 1);
    guest_leave(&scene.guest[0]);
    recover();
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 0 && vm_memory_get_stats(scene.vm).mapped[LEVEL_2M] == 1);
    unsigned faults = scene.guest[0].faults;
    guest_store(&scene.guest[0], page(3), 1);
    guest_leave(&scene.guest[0]);
    EXPECT(scene.guest[0].faults == faults);
    judge_check();
}

SCENARIO_IN_BOTH(dirty_large_write_start, start_large, .frames = LARGE_FRAMES, .actor = { write_by_0, start_log },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_lazy_write_harvest, start_lazy, .frames = LARGE_FRAMES,
                 .actor = { write_by_0, write_once_by_1, harvest }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_lazy_write_split, start_lazy, .frames = LARGE_FRAMES, .actor = { write_by_0, split, harvest },
                 .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_recover, start_stopped, .frames = LARGE_FRAMES, .actor = { write_by_0, recover },
                 .check = check_large);
SCENARIO_IN_BOTH(dirty_write_start_recover, start_stopped, .frames = LARGE_FRAMES,
                 .actor = { write_by_0, start_log, recover }, .check = judge_check);
SCENARIO(dirty_inside_recover, .setup = start_inside, .frames = LARGE_FRAMES, .actor = { write_inside, recover },
         .check = check_large);
SCENARIO(dirty_inside_start_recover, .setup = start_inside, .frames = LARGE_FRAMES,
         .actor = { write_inside, start_log, recover }, .check = judge_check, .bound = 1);
SCENARIO(dirty_first_touch_recover, .setup = start_with_gaps, .frames = LARGE_FRAMES,
         .actor = { write_inside, recover }, .check = check_large);
SCENARIO_IN_BOTH(dirty_recover_start_lazily, start_stopped, .frames = LARGE_FRAMES,
                 .actor = { write_by_0, start_lazily_and_split, recover }, .check = judge_check);
SCENARIO_IN_BOTH(dirty_write_stop_recover, start_lazy, .frames = LARGE_FRAMES,
                 .actor = { write_by_0, stop_and_recover }, .check = check_large);
