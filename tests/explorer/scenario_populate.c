/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Populating, which maps many pages by one look and one check, into a table that is new or that others are filling too, while
 * guests fault and while the frames, the slot or the tree change.
 */
#include "mm/atomic.h"
#include "mm/port.h"
#include "mm/vm.h"
#include "tests/explorer/dirty_judge.h"

enum { FIRST = 0x11, SECOND = 0x22, RUN = 4 };

static u32 done;
static struct backing *clone;

static void start_1(void)
{
    scene_start(1);
}

static void start_2(void)
{
    scene_start(2);
}

/* There is a table already, with another page in it. */
static void start_1_with_table(void)
{
    scene_start(1);
    guest_load(&scene.guest[0], page(6));
    guest_leave(&scene.guest[0]);
}

static void populate_from(unsigned n)
{
    EXPECT(vm_memory_populate(scene.vm, (gfn_t){ SCENE_GFN + n }, RUN) == 0);
}

static void populate_0(void)
{
    populate_from(0);
}

static void populate_2(void)
{
    populate_from(2);
}

static void expect_leaves(u64 count)
{
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == count);
    scene_check();
}

/* ---- with each other, and with faults: all that was asked for is mapped, and counted once */

static void use_1_by_0(void)
{
    struct guest *self = &scene.guest[0];

    EXPECT(guest_load(self, page(1)) == scene_token(1));
    guest_leave(self);
    guest_store(self, page(1) + 8, FIRST);
    EXPECT(guest_load(self, page(1) + 8) == FIRST);
    guest_leave(self);
}

static void read_3_by_1(void)
{
    EXPECT(guest_load(&scene.guest[1], page(3)) == scene_token(3));
    guest_leave(&scene.guest[1]);
}

static void check_run(void)
{
    expect_leaves(RUN);
}

static void check_both_runs(void)
{
    expect_leaves(RUN + 2);
}

static void check_both_and_table(void)
{
    expect_leaves(RUN + 3);
}

static void start_1_with_bits(void)
{
    start_1_with_table();
    scene.guest[0].sets_bits = true;
}

static void check_run_and_table(void)
{
    expect_leaves(RUN + 1);
}

SCENARIO(populate_populate, .setup = start_1, .actor = { populate_0, populate_2 }, .check = check_both_runs,
         .bound = 3);
SCENARIO(populate_populate_table, .setup = start_1_with_table, .actor = { populate_0, populate_2 },
         .check = check_both_and_table, .bound = 3);
SCENARIO(populate_fault, .setup = start_1_with_bits, .actor = { use_1_by_0, populate_0 }, .check = check_run_and_table,
         .bound = 3);
SCENARIO(populate_fault_fault, .setup = start_2, .actor = { use_1_by_0, read_3_by_1, populate_0 }, .check = check_run);

/* ---- with changes of the frames: what a guest writes is in the page, and what is gone does not come back */

static void count_by_0(void)
{
    struct guest *self = &scene.guest[0];

    for (u64 value = FIRST; value <= SECOND; value += SECOND - FIRST) {
        guest_store(self, page(1) + 8, value);
        guest_leave(self);
        EXPECT(guest_load(self, page(1) + 8) == value && guest_load(self, page(1)) == scene_token(1));
        guest_leave(self);
    }
}

static void migrate(void)
{
    EXPECT(backing_migrate(scene.backing, 1) == 0);
}

/* When it is over, another one is too: the sequence has moved, and moved again. */
static void migrate_two(void)
{
    EXPECT(backing_migrate(scene.backing, 1) == 0);
    EXPECT(backing_migrate(scene.backing, 7) == 0);
}

static void check_counted(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 1, &found) == 0);
    EXPECT(((const u64 *)port_frame_address(found.pfn))[1] == SECOND);
    scene_check();
}

static void punch(void)
{
    EXPECT(backing_punch(scene.backing, 1, 1) == 0);
    atomic_write(&done, 1u);
}

static void read_what_goes(void)
{
    struct guest *self = &scene.guest[0];

    for (unsigned i = 0; i < 2; i++) {
        bool gone = atomic_read(&done) != 0;
        u64 value = guest_load(self, page(1));

        EXPECT(value == 0 || (!gone && value == scene_token(1)));
        guest_leave(self);
    }
}

/* Pages that became shared while they were being mapped are copied before they are written. */
static void start_clone(void)
{
    EXPECT(backing_clone(scene.backing, &clone) == 0);
}

static void check_cloned(void)
{
    for (unsigned n = 0; n < RUN; n++) {
        guest_store(&scene.guest[0], page(n), FIRST);
        guest_leave(&scene.guest[0]);
        EXPECT(scene_content(scene.backing, n) == FIRST && scene_content(clone, n) == scene_token(n));
    }
    backing_put(clone);
    scene_check();
}

SCENARIO(populate_migrate, .setup = start_1, .actor = { populate_0, migrate }, .check = scene_check, .bound = 3);
SCENARIO(populate_migrate_fault, .setup = start_1, .actor = { count_by_0, populate_0, migrate },
         .check = check_counted);
SCENARIO(populate_migrate_table, .setup = start_1_with_table, .actor = { count_by_0, populate_0, migrate_two },
         .check = check_counted);
SCENARIO(populate_punch, .setup = start_1, .actor = { read_what_goes, populate_0, punch }, .check = scene_check);
SCENARIO(populate_clone, .setup = start_1, .actor = { populate_0, start_clone }, .check = check_cloned);
SCENARIO(populate_clone_table, .setup = start_1_with_table, .actor = { populate_0, start_clone }, .check = check_cloned,
         .bound = 3);

/* ---- with removals */

static void zap(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, SCENE_PAGES);
}

static void invalidate_all(void)
{
    EXPECT(vm_memory_invalidate_all(scene.vm) == 0);
}

static void remove_slot(void)
{
    EXPECT(vm_memory_remove_slot(scene.vm, SCENE_SLOT) == 0);
}

/* The slot's table went with it: nothing is left but the root. */
static void check_removed(void)
{
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 0 && vm_memory_get_stats(scene.vm).tables == 1);
    scene_check();
}

SCENARIO(populate_zap, .setup = start_1_with_table, .actor = { use_1_by_0, populate_0, zap }, .check = scene_check);
SCENARIO(populate_invalidate_all, .setup = start_1_with_table, .actor = { populate_0, populate_2, invalidate_all },
         .check = scene_check);
SCENARIO(populate_remove_slot, .setup = start_1_with_table, .actor = { populate_0, populate_2, remove_slot },
         .check = check_removed);

/* ---- with a change of what the slot permits, or logs, and of what a view permits */

static u64 last;

static void make_read_only(void)
{
    EXPECT(vm_memory_set_slot_flags(scene.vm, SCENE_SLOT, MEMSLOT_READ_ONLY) == 0);
    last = scene_content(scene.backing, 0);
    atomic_write(&done, 1u);
}

static void write_while_possible(void)
{
    for (u64 value = FIRST; value <= SECOND; value += SECOND - FIRST) {
        bool forbidden = atomic_read(&done) != 0;
        enum fault_result result = guest_write(&scene.guest[0], page(0), value);

        EXPECT(result == FAULT_READ_ONLY || (!forbidden && result == FAULT_INSTALLED));
        guest_leave(&scene.guest[0]);
    }
}

static void check_frozen(void)
{
    EXPECT(scene_content(scene.backing, 0) == last);
    scene_check();
}

/* With PML what is mapped is armed; where permissions say so, it depends on who knows of the log. */
static void start_judged(void)
{
    judge_start_machine(false);
    start_1_with_table();
    judge_guests(false);
}

static void write_0_and_2(void)
{
    guest_store(&scene.guest[0], page(0) + 8, FIRST);
    guest_store(&scene.guest[0], page(2) + 8, FIRST);
    guest_leave(&scene.guest[0]);
    guest_store(&scene.guest[0], page(0) + 8, SECOND);
    guest_leave(&scene.guest[0]);
}

static void start_log_and_harvest(void)
{
    judge_start_user(DIRTY_OPERATOR, 0);
    judge_harvest(DIRTY_OPERATOR);
}

static u32 view;

static void start_view(void)
{
    scene_start(2);
    EXPECT(vm_memory_create_view(scene.vm, &view) == 0);
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, view, 4) == 0);
}

static void protect(void)
{
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN }, 1, ACCESS_READ) == 0);
    atomic_write(&done, 1u);
}

static void write_by_view(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bool forbidden = atomic_read(&done) != 0;
        enum fault_result result = guest_write(&scene.guest[1], page(0) + 16, FIRST);

        EXPECT(result == FAULT_DENIED || (result == FAULT_INSTALLED && !forbidden));
        guest_leave(&scene.guest[1]);
    }
}

static void check_view(void)
{
    guest_destroy(&scene.guest[1]);
    scene.guests = 1;
    EXPECT(vm_memory_drop_view(scene.vm, view) == 0);
    scene_check();
}

SCENARIO(populate_read_only, .setup = start_1, .actor = { write_while_possible, populate_0, make_read_only },
         .check = check_frozen);
SCENARIO(populate_start_log, .setup = start_judged, .actor = { write_0_and_2, populate_0, start_log_and_harvest },
         .check = judge_check);
SCENARIO(populate_view_protect, .setup = start_view, .actor = { write_by_view, populate_0, protect },
         .check = check_view);
