/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots come, go, move and change while guests use them, and while their backing changes. */
#include "mm/atomic.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"

enum { FIRST = 0x11, SECOND = 0x22 };

static u32 done;
static u64 frozen;

static void start_1_mapped(void)
{
    scene_start(1);
    scene_map(&scene.guest[0], 2);
}

static void start_2_mapped(void)
{
    scene_start(2);
    scene_map(&scene.guest[0], 2);
    scene_map(&scene.guest[1], 2);
}

static void move(void)
{
    EXPECT(vm_memory_move_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN + SCENE_MOVED }) == 0);
    atomic_write(&done, 1u);
}

/* The memory is at one place at most; when the move is over, at the new one. */
static void look_at_both(struct guest *self)
{
    bool moved = atomic_read(&done) != 0;
    u64 value = 0;
    enum fault_result at_new = guest_read(self, moved_page(0), &value);

    EXPECT(at_new == FAULT_NO_SLOT || (at_new == FAULT_INSTALLED && value == scene_token(0)));
    EXPECT(!moved || at_new == FAULT_INSTALLED);
    guest_leave(self);
    enum fault_result at_old = guest_read(self, page(0), &value);
    EXPECT(at_old == FAULT_NO_SLOT || (at_old == FAULT_INSTALLED && value == scene_token(0)));
    EXPECT(at_new == FAULT_NO_SLOT || at_old == FAULT_NO_SLOT);
    guest_leave(self);
}

static void look_by_0(void)
{
    look_at_both(&scene.guest[0]);
}

static void look_by_1(void)
{
    look_at_both(&scene.guest[1]);
}

/* What is written is there, wherever it is: the last word that this guest has written. */
static void write_anywhere(void)
{
    struct guest *self = &scene.guest[0];

    for (u64 value = FIRST; value <= SECOND; value += SECOND - FIRST) {
        if (guest_write(self, page(0), value) == FAULT_INSTALLED)
            frozen = value;
        guest_leave(self);
        if (guest_write(self, moved_page(0), value) == FAULT_INSTALLED)
            frozen = value;
        guest_leave(self);
    }
}

static void check_written(void)
{
    EXPECT(scene_content(scene.backing, 0) == (frozen == 0 ? scene_token(0) : frozen));
    scene_check();
}

static void migrate(void)
{
    EXPECT(backing_migrate(scene.backing, 0) == 0);
}

static void write_by_hypervisor(void)
{
    u64 value = FIRST;
    int error = vm_memory_write(scene.vm, (gpa_t){ page(0) }, &value, sizeof(value));

    EXPECT(error == 0 || error == -EFAULT);
    if (error == 0)
        frozen = value;
}

SCENARIO(move_fault, .setup = start_1_mapped, .actor = { look_by_0, move }, .check = scene_check);
SCENARIO(move_fault_fault, .setup = start_2_mapped, .actor = { look_by_0, look_by_1, move }, .check = scene_check);
SCENARIO(move_write, .setup = start_1_mapped, .actor = { write_anywhere, move }, .check = check_written);
SCENARIO(move_hypervisor_write, .setup = start_1_mapped, .actor = { write_by_hypervisor, move },
         .check = check_written);

/* R7: nothing of the old frame stays mapped, neither at the old place nor at the new one. */
SCENARIO(move_migrate, .setup = start_1_mapped, .actor = { migrate, move }, .check = scene_check);
SCENARIO(move_migrate_fault, .setup = start_1_mapped, .actor = { write_anywhere, migrate, move },
         .check = check_written);

/* ---- a slot that goes takes its memory with it: it was the last to hold it */

static void start_last(void)
{
    start_1_mapped();
    backing_put(scene.backing);
}

static void start_last_2(void)
{
    start_2_mapped();
    backing_put(scene.backing);
}

static void remove_slot(void)
{
    EXPECT(vm_memory_remove_slot(scene.vm, SCENE_SLOT) == 0);
    atomic_write(&done, 1u);
}

static void read_until_gone(struct guest *self)
{
    for (unsigned i = 0; i < 2; i++) {
        bool gone = atomic_read(&done) != 0;
        u64 value = 0;
        enum fault_result result = guest_read(self, page(i), &value);

        EXPECT(result == FAULT_NO_SLOT || (!gone && result == FAULT_INSTALLED && value == scene_token(i)));
        guest_leave(self);
    }
}

static void read_until_gone_by_0(void)
{
    read_until_gone(&scene.guest[0]);
}

static void read_until_gone_by_1(void)
{
    read_until_gone(&scene.guest[1]);
}

/* scene_check() drops a reference. */
static void check_removed(void)
{
    EXPECT(backing_create(1, 0, &scene.backing) == 0);
    scene_check();
}

SCENARIO(remove_fault, .setup = start_last, .actor = { read_until_gone_by_0, remove_slot }, .check = check_removed);
SCENARIO(remove_fault_fault, .setup = start_last_2,
         .actor = { read_until_gone_by_0, read_until_gone_by_1, remove_slot }, .check = check_removed);

static void punch(void)
{
    backing_punch(scene.backing, 0, 2);
}

static void read_or_zero(void)
{
    u64 value = 0;
    enum fault_result result = guest_read(&scene.guest[0], page(0), &value);

    EXPECT(result == FAULT_NO_SLOT || (result == FAULT_INSTALLED && (value == 0 || value == scene_token(0))));
    guest_leave(&scene.guest[0]);
}

SCENARIO(remove_punch, .setup = start_1_mapped, .actor = { punch, remove_slot }, .check = scene_check);
SCENARIO(remove_punch_fault, .setup = start_1_mapped, .actor = { read_or_zero, punch, remove_slot },
         .check = scene_check);

/* ---- flags: when the call is over, nobody writes any more */

static void make_read_only(void)
{
    EXPECT(vm_memory_set_slot_flags(scene.vm, SCENE_SLOT, MEMSLOT_READ_ONLY) == 0);
    frozen = scene_content(scene.backing, 0);
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
    EXPECT(guest_load(&scene.guest[0], page(1)) == scene_token(1));
    guest_leave(&scene.guest[0]);
}

static void check_frozen(void)
{
    EXPECT(scene_content(scene.backing, 0) == frozen);
    scene_check();
}

static void start_written(void)
{
    scene_start(1);
    guest_store(&scene.guest[0], page(0), 1);
    guest_leave(&scene.guest[0]);
}

static void write_protect(void)
{
    vm_memory_write_protect(scene.vm, (gfn_t){ SCENE_GFN }, 1);
}

SCENARIO(read_only_write, .setup = start_written, .actor = { write_while_possible, make_read_only },
         .check = check_frozen);
SCENARIO(read_only_write_protected, .setup = start_written,
         .actor = { write_while_possible, write_protect, make_read_only }, .check = check_frozen);

/* ---- a page that was a device becomes memory (G7) */

static void add(void)
{
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT + 1, (gfn_t){ SCENE_GFN + SCENE_PAGES }, 2, scene.backing, 0, 0,
                              LEVEL_4K) == 0);
    atomic_write(&done, 1u);
}

static void touch_device(void)
{
    gpa_t gpa = { page(SCENE_PAGES) };
    u64 value = 0;

    if (guest_read(&scene.guest[0], gpa.v, &value) == FAULT_NO_SLOT)
        vm_memory_mark_device(&scene.guest[0].vcpu, gpa);
    guest_leave(&scene.guest[0]);
    bool added = atomic_read(&done) != 0;
    bool is_device = vm_memory_is_device(&scene.guest[0].vcpu, gpa);
    EXPECT(!added || !is_device);
}

static void check_memory(void)
{
    EXPECT(guest_load(&scene.guest[0], page(SCENE_PAGES)) == scene_token(0));
    guest_leave(&scene.guest[0]);
    scene_check();
}

SCENARIO(add_device, .setup = start_1_mapped, .actor = { touch_device, add }, .check = check_memory);

/* Two changes at a time: one of them is refused, and nothing of it stays. */
static void add_if_free(void)
{
    int error = vm_memory_add_slot(scene.vm, SCENE_SLOT + 1, (gfn_t){ SCENE_GFN + SCENE_PAGES }, 2, scene.backing, 0, 0,
                                   LEVEL_4K);

    EXPECT(error == 0 || error == -EBUSY);
}

static void move_if_free(void)
{
    int error = vm_memory_move_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN + SCENE_MOVED });

    EXPECT(error == 0 || error == -EBUSY);
}

SCENARIO(add_move, .setup = start_1_mapped, .actor = { add_if_free, move_if_free }, .check = scene_check);
