/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first access to a page, resolved without leaving the guest (mm/first_touch.c), against whatever takes the table, the
 * frame, the slot or the permission away (R1, R2, M3, G1), and against dirty logs (C10).
 */
#include "mm/atomic.h"
#include "mm/vm.h"
#include "tests/explorer/dirty_judge.h"

enum { FIRST = 0x11, SECOND = 0x22 };
enum { ANCHOR = 3, LARGE_PAGES = 1024, LARGE_ANCHOR = 512, LARGE_FRAMES = 1500 };

static u32 done;
static u64 last;

/* Page ANCHOR is mapped, so the table is there; the others are not. */
static void start(unsigned guests)
{
    scene_start(guests);
    for (unsigned i = 0; i < guests; i++) {
        EXPECT(guest_load(&scene.guest[i], page(ANCHOR)) == scene_token(ANCHOR));
        guest_leave(&scene.guest[i]);
        scene.guest[i].resolves_inside = true;
    }
}

static void start_1(void)
{
    start(1);
}

static void start_2(void)
{
    start(2);
}

/* Two in one stay: the second by the table that is known from the first. */
static void touch_two(unsigned guest)
{
    EXPECT(guest_load(&scene.guest[guest], page(1)) == scene_token(1));
    EXPECT(guest_load(&scene.guest[guest], page(0)) == scene_token(0));
    guest_leave(&scene.guest[guest]);
}

static void touch_two_by_0(void)
{
    touch_two(0);
}

static void touch_two_by_1(void)
{
    touch_two(1);
}

static void read_1_and_0_by_1(void)
{
    scene.guest[1].resolves_inside = false;
    touch_two(1);
}

static void zap_page_0(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, 1);
}

static void zap_slot(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, SCENE_PAGES);
}

static void invalidate_all(void)
{
    EXPECT(vm_memory_invalidate_all(scene.vm) == 0);
}

static void populate(void)
{
    EXPECT(vm_memory_populate(scene.vm, (gfn_t){ SCENE_GFN }, 2) == 0);
}

/* The anchor and the two: each leaf is counted once. */
static void check_three_leaves(void)
{
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 3);
    scene_check();
}

SCENARIO(first_touch_zap, .setup = start_1, .actor = { touch_two_by_0, zap_slot }, .check = scene_check);
SCENARIO(first_touch_zap_zap, .setup = start_1, .actor = { touch_two_by_0, zap_slot, zap_page_0 },
         .check = scene_check);
SCENARIO(first_touch_invalidate_all, .setup = start_1, .actor = { touch_two_by_0, invalidate_all },
         .check = scene_check);
SCENARIO(first_touch_first_touch, .setup = start_2, .actor = { touch_two_by_0, touch_two_by_1 },
         .check = check_three_leaves);
SCENARIO(first_touch_fault, .setup = start_2, .actor = { touch_two_by_0, read_1_and_0_by_1 },
         .check = check_three_leaves);
SCENARIO(first_touch_populate, .setup = start_1, .actor = { touch_two_by_0, populate }, .check = check_three_leaves);
SCENARIO(first_touch_first_touch_zap, .setup = start_2, .actor = { touch_two_by_0, touch_two_by_1, zap_slot },
         .check = scene_check, .bound = 1);

/* ---- the frame changes */

static void punch(void)
{
    backing_punch(scene.backing, 0, 1);
    atomic_write(&done, 1u);
}

/* Once a page of zeros has been seen, or the hole is punched, the old content never comes back, and a write stays. */
static void write_and_read(void)
{
    struct guest *self = &scene.guest[0];
    bool gone = atomic_read(&done) != 0;
    u64 before = guest_load(self, page(0));

    EXPECT(before == 0 || (!gone && before == scene_token(0)));
    guest_store(self, page(0), FIRST);
    last = guest_load(self, page(0));
    EXPECT(last == FIRST || (last == 0 && before != 0));
    guest_leave(self);
}

static void check_punched(void)
{
    u64 content = scene_content(scene.backing, 0);

    EXPECT(content == 0 || content == last);
    scene_check();
}

static void migrate(void)
{
    EXPECT(backing_migrate(scene.backing, 0) == 0);
}

/* A word that nobody else writes; what is in the page is where the page is. */
static void count_in(unsigned guest)
{
    struct guest *self = &scene.guest[guest];
    u64 at = page(0) + 8 * (guest + 1);

    guest_store(self, at, FIRST);
    EXPECT(guest_load(self, at) == FIRST && guest_load(self, page(0)) == scene_token(0));
    guest_leave(self);
    guest_store(self, at, SECOND);
    EXPECT(guest_load(self, at) == SECOND);
    guest_leave(self);
}

static void count_by_0(void)
{
    count_in(0);
}

static void count_by_1(void)
{
    count_in(1);
}

static void check_counted(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    const u64 *words = port_frame_address(found.pfn);
    for (unsigned i = 0; i < scene.guests; i++)
        EXPECT(words[i + 1] == SECOND);
    scene_check();
}

/* A write to what is shared needs a copy first. */
static struct backing *clone;

static void start_shared(void)
{
    start(1);
    EXPECT(backing_clone(scene.backing, &clone) == 0);
}

static void make_clone(void)
{
    EXPECT(backing_clone(scene.backing, &clone) == 0);
    last = scene_content(clone, 0);
}

static void write_word_0(void)
{
    guest_store(&scene.guest[0], page(0), FIRST);
    guest_store(&scene.guest[0], page(0), SECOND);
    guest_leave(&scene.guest[0]);
}

static void check_cloned(void)
{
    EXPECT(scene_content(scene.backing, 0) == SECOND);
    EXPECT(scene_content(clone, 0) == (last == 0 ? scene_token(0) : last));
    backing_put(clone);
    scene_check();
}

SCENARIO(first_touch_punch, .setup = start_1, .actor = { write_and_read, punch }, .check = check_punched);
SCENARIO(first_touch_migrate, .setup = start_1, .actor = { count_by_0, migrate }, .check = check_counted);
SCENARIO(first_touch_migrate_migrate, .setup = start_1, .actor = { count_by_0, migrate, migrate },
         .check = check_counted);
SCENARIO(first_touch_first_touch_migrate, .setup = start_2, .actor = { count_by_0, count_by_1, migrate },
         .check = check_counted);
SCENARIO(first_touch_clone, .setup = start_1, .actor = { write_word_0, make_clone }, .check = check_cloned);
SCENARIO(first_touch_of_a_clone, .setup = start_shared, .actor = { write_word_0, zap_slot }, .check = check_cloned);

/* ---- the slot changes */

/* It takes its memory with it: it was the last to hold it. The table stays, because of the slot behind it. */
static void start_last(void)
{
    struct backing *other;

    start(1);
    backing_put(scene.backing);
    EXPECT(backing_create(1, 0, &other) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT + 1, (gfn_t){ SCENE_GFN + SCENE_PAGES }, 1, other, 0, 0, LEVEL_4K) ==
           0);
    backing_put(other);
    guest_load(&scene.guest[0], page(SCENE_PAGES));
    guest_leave(&scene.guest[0]);
}

static void remove_slot(void)
{
    EXPECT(vm_memory_remove_slot(scene.vm, SCENE_SLOT) == 0);
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 1);
    atomic_write(&done, 1u);
}

static void touch_until_gone(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bool gone = atomic_read(&done) != 0;
        u64 value = 0;
        enum fault_result result = guest_read(&scene.guest[0], page(i), &value);

        EXPECT(result == FAULT_NO_SLOT || (!gone && result == FAULT_INSTALLED && value == scene_token(i)));
    }
    guest_leave(&scene.guest[0]);
}

static void check_removed(void)
{
    EXPECT(backing_create(1, 0, &scene.backing) == 0);
    scene_check();
}

static void move(void)
{
    EXPECT(vm_memory_move_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN + SCENE_MOVED }) == 0);
    atomic_write(&done, 1u);
}

/* The memory is at one place at most. */
static void look_at_both(void)
{
    struct guest *self = &scene.guest[0];
    bool moved = atomic_read(&done) != 0;
    u64 value = 0;
    enum fault_result at_new = guest_read(self, moved_page(0), &value);

    EXPECT(at_new == FAULT_NO_SLOT || (at_new == FAULT_INSTALLED && value == scene_token(0)));
    EXPECT(!moved || at_new == FAULT_INSTALLED);
    enum fault_result at_old = guest_read(self, page(0), &value);
    EXPECT(at_old == FAULT_NO_SLOT || (at_old == FAULT_INSTALLED && value == scene_token(0)));
    EXPECT(at_new == FAULT_NO_SLOT || at_old == FAULT_NO_SLOT);
    guest_leave(self);
}

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
    }
    guest_leave(&scene.guest[0]);
}

static void check_frozen(void)
{
    EXPECT(scene_content(scene.backing, 0) == last);
    scene_check();
}

SCENARIO(first_touch_remove, .setup = start_last, .actor = { touch_until_gone, remove_slot }, .check = check_removed);
SCENARIO(first_touch_move, .setup = start_1, .actor = { look_at_both, move }, .check = scene_check);
SCENARIO(first_touch_read_only, .setup = start_1, .actor = { write_while_possible, make_read_only },
         .check = check_frozen);

/* ---- dirty logs */

static void start_judged(bool logs)
{
    judge_start_machine(logs);
    start(2);
    judge_guests(logs);
}

static void start_judged_large(bool logs)
{
    judge_start_machine(logs);
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create(LARGE_PAGES, 0, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN }, LARGE_PAGES, scene.backing, 0, 0, LEVEL_2M) ==
           0);
    scene.guests = 2;
    for (unsigned i = 0; i < 2; i++) {
        guest_init(&scene.guest[i], scene.vm);
        guest_load(&scene.guest[i], page(LARGE_ANCHOR));
        guest_leave(&scene.guest[i]);
        scene.guest[i].resolves_inside = true;
    }
    judge_guests(logs);
}

MACHINES(start_judged)
MACHINES(start_judged_large)

static void write_two(unsigned guest)
{
    guest_store(&scene.guest[guest], page(1) + 8 * (guest + 1), 2);
    guest_store(&scene.guest[guest], page(0) + 8 * (guest + 1), 2);
    guest_leave(&scene.guest[guest]);
    guest_store(&scene.guest[guest], page(0) + 8 * (guest + 1), 3);
    guest_leave(&scene.guest[guest]);
}

static void write_two_by_0(void)
{
    write_two(0);
}

static void write_two_by_1(void)
{
    write_two(1);
}

static void start_log(void)
{
    judge_start_user(DIRTY_OPERATOR, 0);
}

static void start_log_and_harvest(void)
{
    judge_start_user(DIRTY_OPERATOR, 0);
    judge_harvest(DIRTY_OPERATOR);
}

SCENARIO_IN_BOTH(first_touch_start_log, start_judged, .actor = { write_two_by_0, start_log }, .check = judge_check);
SCENARIO_IN_BOTH(first_touch_harvest, start_judged, .actor = { write_two_by_0, start_log_and_harvest },
                 .check = judge_check);
SCENARIO_IN_BOTH(first_touch_first_touch_start_log, start_judged,
                 .actor = { write_two_by_0, write_two_by_1, start_log }, .check = judge_check, .bound = 1);

/* ---- large pages */

static void touch_large_by_0(void)
{
    guest_store(&scene.guest[0], page(0) + 8, FIRST);
    EXPECT(guest_load(&scene.guest[0], page(0) + 8) == FIRST);
    guest_leave(&scene.guest[0]);
}

static void touch_large_by_1(void)
{
    guest_store(&scene.guest[1], page(1) + 8, FIRST);
    EXPECT(guest_load(&scene.guest[1], page(1) + 8) == FIRST);
    guest_leave(&scene.guest[1]);
}

static void zap_large(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, LARGE_PAGES);
}

static void check_large(void)
{
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_2M] == 2 && vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 0);
    judge_check();
}

static void check_touched_large(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    EXPECT(((const u64 *)port_frame_address(found.pfn))[1] == FIRST);
    judge_check();
}

SCENARIO(first_touch_large_zap, .frames = LARGE_FRAMES, .setup = start_judged_large_wp,
         .actor = { touch_large_by_0, zap_large }, .check = check_touched_large);
SCENARIO(first_touch_large_twice, .frames = LARGE_FRAMES, .setup = start_judged_large_wp,
         .actor = { touch_large_by_0, touch_large_by_1 }, .check = check_large);
SCENARIO(first_touch_large_migrate, .frames = LARGE_FRAMES, .setup = start_judged_large_wp,
         .actor = { touch_large_by_0, migrate }, .check = check_touched_large);
SCENARIO_IN_BOTH(first_touch_large_start_log, start_judged_large, .frames = LARGE_FRAMES,
                 .actor = { touch_large_by_0, start_log }, .check = judge_check);
