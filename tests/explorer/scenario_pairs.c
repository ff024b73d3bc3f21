/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that have little to do with each other, at the same time: each keeps its promise whatever the other does. */
#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/port.h"
#include "mm/vm.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"
#include "tests/unit/port_host.h"

enum { LARGE_PAGES = 512, LARGE_FRAMES = 1400, CLONE_SLOT = SCENE_SLOT + 1, CLONE_PAGE = 64, CLONE_FRAMES = 192 };

static u32 view, done;
static struct backing *clone;

/* ---- what they do */

static void make_read_only(void)
{
    EXPECT(vm_memory_set_slot_flags(scene.vm, SCENE_SLOT, MEMSLOT_READ_ONLY) == 0);
    atomic_write(&done, 1u);
}

static void split(void)
{
    EXPECT(vm_memory_split(scene.vm, (gfn_t){ SCENE_GFN }, LARGE_PAGES, LEVEL_4K) == 0);
}

static void invalidate_all(void)
{
    EXPECT(vm_memory_invalidate_all(scene.vm) == 0);
}

static void populate(void)
{
    EXPECT(vm_memory_populate(scene.vm, (gfn_t){ SCENE_GFN }, 2) == 0);
}

static void zap(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, 1);
}

static void write_protect(void)
{
    vm_memory_write_protect(scene.vm, (gfn_t){ SCENE_GFN }, 2);
}

static void migrate(void)
{
    int error = backing_migrate(scene.backing, 0);

    EXPECT(error == 0 || error == -ENOENT);
}

static void punch(void)
{
    EXPECT(backing_punch(scene.backing, 5, 1) == 0);
}

static void protect(void)
{
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN }, 1, ACCESS_READ) == 0);
    atomic_write(&done, 1u);
}

static void unprotect(void)
{
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN }, SCENE_PAGES,
                                  ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE) == 0);
}

/* Twice: what the guest has written is there. */
static void count(unsigned guest, u64 gpa)
{
    for (u64 value = 1; value <= 2; value++) {
        guest_store(&scene.guest[guest], gpa, value);
        guest_leave(&scene.guest[guest]);
        EXPECT(guest_load(&scene.guest[guest], gpa) == value);
        guest_leave(&scene.guest[guest]);
    }
}

static void count_by_0(void)
{
    count(0, page(0) + 8);
}

static void count_by_1(void)
{
    count(1, page(0) + 16);
}

/* ---- a slot becomes read-only: when the call is over nobody writes */

static void write_while_possible(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bool forbidden = atomic_read(&done) != 0;
        enum fault_result result = guest_write(&scene.guest[1], page(i) + 16, 2);

        EXPECT(result == FAULT_READ_ONLY || (result == FAULT_INSTALLED && !forbidden));
        guest_leave(&scene.guest[1]);
    }
}

static void write_by_hypervisor(void)
{
    bool forbidden = atomic_read(&done) != 0;
    u64 value = 7;
    int error = vm_memory_write(scene.vm, (gpa_t){ page(0) + 24 }, &value, sizeof(value));

    EXPECT(error == -EFAULT || (error == 0 && !forbidden));
}

static void start_2(void)
{
    scene_start(2);
}

static void start_mapped(void)
{
    scene_start(2);
    scene_map(&scene.guest[0], 2);
    scene_map(&scene.guest[1], 2);
}

static void make_large(void)
{
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create(LARGE_PAGES, 0, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN }, LARGE_PAGES, scene.backing, 0, 0, LEVEL_2M) ==
           0);
    scene.guests = 2;
    for (unsigned i = 0; i < 2; i++)
        guest_init(&scene.guest[i], scene.vm);
}

static void write_page_0_by_both(void)
{
    for (unsigned i = 0; i < 2; i++) {
        guest_store(&scene.guest[i], page(0) + 8 * (i + 1), 1);
        guest_leave(&scene.guest[i]);
    }
}

static void start_large(void)
{
    make_large();
    write_page_0_by_both();
}

SCENARIO(pair_split_read_only, .frames = LARGE_FRAMES, .setup = start_large,
         .actor = { make_read_only, split, write_while_possible }, .check = scene_check, .bound = 1);
SCENARIO(pair_split_read_only_audit, .frames = LARGE_FRAMES, .setup = start_large, .actor = { make_read_only, split },
         .check = scene_check);
SCENARIO(pair_read_only_invalidate_all, .setup = start_mapped,
         .actor = { write_while_possible, make_read_only, invalidate_all }, .check = scene_check);
SCENARIO(pair_read_only_hypervisor, .setup = start_mapped, .actor = { write_by_hypervisor, make_read_only, zap },
         .check = scene_check);
SCENARIO(pair_read_only_populate, .setup = start_2, .actor = { write_while_possible, make_read_only, populate },
         .check = scene_check);
SCENARIO(pair_read_only_migrate, .setup = start_mapped, .actor = { write_while_possible, make_read_only, migrate },
         .check = scene_check);
SCENARIO(pair_read_only_punch, .frames = LARGE_FRAMES, .setup = start_large,
         .actor = { punch, make_read_only, write_while_possible }, .check = scene_check, .bound = 1);

/* ---- a large page is split while something else changes it */

static void check_write_protected(void)
{
    unsigned before = scene.guest[1].faults;

    guest_store(&scene.guest[1], page(1), 1);
    guest_leave(&scene.guest[1]);
    EXPECT(scene.guest[1].faults > before);
    scene_check();
}

SCENARIO(pair_split_populate_zap, .frames = LARGE_FRAMES, .setup = start_large, .actor = { populate, split, zap },
         .check = scene_check);
SCENARIO(pair_split_write_protect, .frames = LARGE_FRAMES, .setup = start_large, .actor = { write_protect, split },
         .check = check_write_protected);
SCENARIO(pair_split_punch, .frames = LARGE_FRAMES, .setup = start_large, .actor = { punch, split, count_by_1 },
         .check = scene_check, .bound = 1);
SCENARIO(pair_split_invalidate_all, .frames = LARGE_FRAMES, .setup = start_large,
         .actor = { split, invalidate_all, count_by_1 }, .check = scene_check, .bound = 1);
SCENARIO(pair_punch_write_protect, .frames = LARGE_FRAMES, .setup = start_large, .actor = { write_protect, punch },
         .check = scene_check);

/* ---- a clone is made while the original is written: from then on it stays as it is */

static u64 cloned;

static u64 word(struct backing *backing, unsigned n)
{
    struct backing_page found;

    EXPECT(backing_lookup(backing, 0, &found) == 0);
    return ((const u64 *)port_frame_address(found.pfn))[n];
}

static void make_clone(void)
{
    EXPECT(backing_clone(scene.backing, &clone) == 0);
    cloned = word(clone, 1);
}

static void start_counted(void)
{
    struct backing_page found;

    scene_start(2);
    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    u64 *words = port_frame_address(found.pfn);
    words[1] = words[2] = 0;
    scene_map(&scene.guest[0], 2);
    scene_map(&scene.guest[1], 2);
}

static void check_cloned(void)
{
    EXPECT(word(scene.backing, 0) == scene_token(0) && word(clone, 0) == scene_token(0));
    EXPECT(word(scene.backing, 1) == 2 && word(clone, 1) == cloned);
    backing_put(clone);
    scene_check();
}

SCENARIO(pair_clone_write, .setup = start_counted, .actor = { count_by_0, make_clone }, .check = check_cloned);
SCENARIO(pair_clone_write_write, .setup = start_counted, .actor = { count_by_0, count_by_1, make_clone },
         .check = check_cloned, .bound = 1);
SCENARIO(pair_clone_migrate, .setup = start_counted, .actor = { count_by_0, migrate, make_clone },
         .check = check_cloned, .bound = 1);

/* ---- a view loses a permission: guest 1 looks through it */

static void select_view(unsigned levels)
{
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, view, levels) == 0);
}

/* Nothing is different in it yet. */
static void start_view_equal(void)
{
    scene_start(2);
    EXPECT(vm_memory_create_view(scene.vm, &view) == 0);
    select_view(4);
    write_page_0_by_both();
}

static void start_view(void)
{
    scene_start(2);
    EXPECT(vm_memory_create_view(scene.vm, &view) == 0);
    select_view(4);
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN + 5 }, 1, ACCESS_READ) == 0);
    write_page_0_by_both();
}

/* A page elsewhere has given it a root of its own. */
static void start_large_view(void)
{
    make_large();
    EXPECT(vm_memory_create_view(scene.vm, &view) == 0);
    select_view(4);
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN + 1024 }, 1, ACCESS_READ) == 0);
    write_page_0_by_both();
}

static void use_view(void)
{
    bool forbidden = atomic_read(&done) != 0;
    enum fault_result result = guest_write(&scene.guest[1], page(0) + 16, 2);

    EXPECT(result == FAULT_DENIED || (result == FAULT_INSTALLED && !forbidden));
    guest_leave(&scene.guest[1]);
}

static void open_5_levels(void)
{
    select_view(5);
    use_view();
}

/* Page 5 may be written when the view has it back, not page 0. */
static void use_view_until_permitted(void)
{
    for (unsigned i = 0; i < 2; i++) {
        enum fault_result result = guest_write(&scene.guest[1], page(5) + 16, 2);

        EXPECT(result == FAULT_DENIED || result == FAULT_INSTALLED);
        guest_leave(&scene.guest[1]);
        EXPECT(guest_load(&scene.guest[1], page(0)) == scene_token(0));
        guest_leave(&scene.guest[1]);
    }
}

static void use_base(void)
{
    for (unsigned n = 0; n <= 5; n += 5) {
        guest_store(&scene.guest[0], page(n) + 8, 2);
        guest_leave(&scene.guest[0]);
    }
}

static void mark_device(void)
{
    vm_memory_mark_device(&scene.guest[0].vcpu, (gpa_t){ page(20) });
}

static void mark_device_by_view(void)
{
    vm_memory_mark_device(&scene.guest[1].vcpu, (gpa_t){ page(20) });
}

static void check_view(void)
{
    guest_destroy(&scene.guest[1]);
    scene.guests = 1;
    EXPECT(vm_memory_drop_view(scene.vm, view) == 0);
    scene_check();
}

static void check_protected(void)
{
    EXPECT(guest_write(&scene.guest[1], page(0) + 16, 3) == FAULT_DENIED);
    check_view();
}

static void check_permitted(void)
{
    guest_store(&scene.guest[1], page(5) + 16, 3);
    guest_leave(&scene.guest[1]);
    check_view();
}

SCENARIO(pair_protect_invalidate_all, .setup = start_view, .actor = { use_view, protect, invalidate_all },
         .check = check_protected, .bound = 1);
SCENARIO(pair_protect_first_invalidate_all, .setup = start_view_equal, .actor = { protect, invalidate_all },
         .check = check_protected);
SCENARIO(pair_protect_open_5_levels, .setup = start_view, .actor = { open_5_levels, protect, use_base },
         .check = check_protected);
SCENARIO(pair_protect_zap, .setup = start_view, .actor = { use_view, protect, zap }, .check = check_protected);
SCENARIO(pair_protect_write_protect, .setup = start_view, .actor = { use_view, protect, write_protect },
         .check = check_protected);
SCENARIO(pair_protect_migrate, .setup = start_view, .actor = { use_view, protect, migrate }, .check = check_protected);
SCENARIO(pair_protect_mark, .setup = start_view_equal, .actor = { mark_device_by_view, protect, mark_device },
         .check = check_protected);
SCENARIO(pair_unprotect_mark, .setup = start_view, .actor = { mark_device_by_view, unprotect, mark_device },
         .check = check_permitted);
SCENARIO(pair_unprotect_base, .setup = start_view, .actor = { use_view_until_permitted, unprotect, use_base },
         .check = check_permitted, .bound = 1);
SCENARIO(pair_unprotect_invalidate_all, .setup = start_view,
         .actor = { use_view_until_permitted, unprotect, invalidate_all }, .check = check_permitted, .bound = 1);
SCENARIO(pair_protect_split, .frames = LARGE_FRAMES, .setup = start_large_view, .actor = { use_view, protect, split },
         .check = check_protected);
SCENARIO(pair_protect_split_base, .frames = LARGE_FRAMES, .setup = start_large_view,
         .actor = { use_base, protect, split }, .check = check_protected);

/* ---- a backing and its clone are in two slots of one VM, and both change */

static void start_cloned(void)
{
    start_counted();
    EXPECT(backing_clone(scene.backing, &clone) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, CLONE_SLOT, (gfn_t){ SCENE_GFN + CLONE_PAGE }, SCENE_PAGES, clone, 0, 0,
                              LEVEL_4K) == 0);
    scene_map(&scene.guest[0], 2);
    EXPECT(guest_load(&scene.guest[1], page(CLONE_PAGE)) == scene_token(0));
    guest_leave(&scene.guest[1]);
}

static void count_in_clone(void)
{
    count(1, page(CLONE_PAGE) + 16);
    EXPECT(guest_load(&scene.guest[1], page(CLONE_PAGE) + 8) == 0);
    guest_leave(&scene.guest[1]);
}

static void migrate_clone(void)
{
    EXPECT(backing_migrate(clone, 0) == 0);
}

static void share(void)
{
    int error = backing_share(scene.backing, 0, clone, 0);

    EXPECT(error == 0 || error == -EINVAL);
}

static void retire(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    int error = memory_retire(found.pfn, true);
    EXPECT(error == 0 || error == -EBUSY);
}

static void write_clone_by_hypervisor(void)
{
    u64 value = 5, seen = 0;

    EXPECT(vm_memory_write(scene.vm, (gpa_t){ page(CLONE_PAGE) + 32 }, &value, sizeof(value)) == 0);
    EXPECT(vm_memory_read(scene.vm, (gpa_t){ page(CLONE_PAGE) + 32 }, &seen, sizeof(seen)) == 0 && seen == 5);
    EXPECT(vm_memory_read(scene.vm, (gpa_t){ page(0) + 32 }, &seen, sizeof(seen)) == 0 && seen != 5);
}

static void clone_once_more(void)
{
    struct backing *another;

    EXPECT(backing_clone(scene.backing, &another) == 0);
    backing_put(another);
}

static void remove_clone(void)
{
    EXPECT(vm_memory_remove_slot(scene.vm, CLONE_SLOT) == 0);
}

static void write_clone_while_there(void)
{
    enum fault_result result = guest_write(&scene.guest[1], page(CLONE_PAGE) + 16, 1);

    EXPECT(result == FAULT_INSTALLED || result == FAULT_NO_SLOT);
    guest_leave(&scene.guest[1]);
}

static void check_clone(void)
{
    EXPECT(word(scene.backing, 0) == scene_token(0) && word(clone, 0) == scene_token(0));
    backing_put(clone);
    scene_check();
}

SCENARIO(pair_copies_migrate, .frames = CLONE_FRAMES, .setup = start_cloned,
         .actor = { count_by_0, count_in_clone, migrate_clone }, .check = check_clone, .bound = 1);
SCENARIO(pair_share_copy_migrate, .frames = CLONE_FRAMES, .setup = start_cloned,
         .actor = { share, count_in_clone, migrate_clone }, .check = check_clone, .bound = 1);
SCENARIO(pair_share_copy_retire, .frames = CLONE_FRAMES, .setup = start_cloned,
         .actor = { share, count_in_clone, retire }, .check = check_clone, .bound = 1);
SCENARIO(pair_share_hypervisor, .frames = CLONE_FRAMES, .setup = start_cloned,
         .actor = { share, write_clone_by_hypervisor }, .check = check_clone);
SCENARIO(pair_clone_hypervisor, .frames = CLONE_FRAMES, .setup = start_cloned,
         .actor = { clone_once_more, write_clone_by_hypervisor, migrate }, .check = check_clone, .bound = 1);
SCENARIO(pair_remove_copy_retire, .frames = CLONE_FRAMES, .setup = start_cloned,
         .actor = { write_clone_while_there, remove_clone, retire }, .check = check_clone);
