/* SPDX-License-Identifier: BSD-2-Clause */
/* Large pages that are split, tables that are reclaimed, and views: several trees that share tables. */
#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/port.h"
#include "mm/vm.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"
#include "tests/unit/port_host.h"

/* ---- one page of 2M, of which the first few small pages are used */

enum { LARGE_PAGES = 512, LARGE_GFN = 0x1000, LARGE_FRAMES = 1280 };

static void start_large(void)
{
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create(LARGE_PAGES, 0, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ LARGE_GFN }, LARGE_PAGES, scene.backing, 0, 0, LEVEL_2M) ==
           0);
    for (unsigned n = 0; n < 3; n++) {
        struct backing_page found;

        EXPECT(backing_lookup(scene.backing, n, &found) == 0 && found.level == LEVEL_2M);
        *(u64 *)port_frame_address(found.pfn) = scene_token(n);
    }
    scene.guests = 2;
    for (unsigned i = 0; i < 2; i++) {
        guest_init(&scene.guest[i], scene.vm);
        scene_map(&scene.guest[i], 2);
    }
}

static void start_large_with_bits(void)
{
    start_large();
    scene.guest[0].sets_bits = true;
}

static void read_two(unsigned guest)
{
    struct guest *self = &scene.guest[guest];

    EXPECT(guest_load(self, page(0)) == scene_token(0));
    guest_leave(self);
    EXPECT(guest_load(self, page(1)) == scene_token(1));
    guest_leave(self);
}

static void read_two_by_0(void)
{
    read_two(0);
}

static void write_by_1(void)
{
    guest_store(&scene.guest[1], page(2) + 8, 1);
    guest_leave(&scene.guest[1]);
    EXPECT(guest_load(&scene.guest[1], page(2) + 8) == 1);
    guest_leave(&scene.guest[1]);
}

/* Nobody zaps: then no access of the large page faults again. */
static void read_without_fault(void)
{
    read_two(0);
    EXPECT(scene.guest[0].faults == 1);
}

static void split(void)
{
    EXPECT(vm_memory_split(scene.vm, (gfn_t){ LARGE_GFN }, LARGE_PAGES, LEVEL_4K) == 0);
}

static void zap_one(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ LARGE_GFN + 1 }, 1);
}

static void punch_one(void)
{
    backing_punch(scene.backing, 5, 1);
}

static void start_large_alone(void)
{
    start_large();
    EXPECT(scene.guest[0].faults == 1 && scene.guest[1].faults == 0);
}

SCENARIO(split_read, .frames = LARGE_FRAMES, .setup = start_large_alone, .actor = { read_without_fault, split },
         .check = scene_check);
SCENARIO(split_split, .frames = LARGE_FRAMES, .setup = start_large_with_bits, .actor = { write_by_1, split, split },
         .check = scene_check);
SCENARIO(split_zap_fault, .frames = LARGE_FRAMES, .setup = start_large, .actor = { read_two_by_0, split, zap_one },
         .check = scene_check);
SCENARIO(large_zap_fault, .frames = LARGE_FRAMES, .setup = start_large, .actor = { read_two_by_0, zap_one },
         .check = scene_check);
SCENARIO(large_punch_fault, .frames = LARGE_FRAMES, .setup = start_large, .actor = { read_two_by_0, punch_one },
         .check = scene_check);

/* ---- the limit of tables: the next table takes the oldest away */

enum { REGIONS = 36, STRIDE = 512, RECLAIM_FRAMES = 256 };

static u64 region(unsigned n)
{
    return ((u64)SCENE_GFN + (u64)n * STRIDE) << 12;
}

/* As many tables as there may be: the limit was set when they were there. */
static void start_reclaim(void)
{
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create((u64)REGIONS * STRIDE, BACKING_ON_DEMAND, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN }, (u64)REGIONS * STRIDE, scene.backing, 0, 0,
                              LEVEL_4K) == 0);
    scene.guests = 2;
    for (unsigned i = 0; i < 2; i++)
        guest_init(&scene.guest[i], scene.vm);
    for (unsigned n = 0; vm_memory_get_stats(scene.vm).tables < VM_MIN_TABLES; n++) {
        guest_store(&scene.guest[0], region(n), scene_token(n));
        guest_leave(&scene.guest[0]);
    }
    vm_memory_limit_tables(scene.vm, VM_MIN_TABLES);
    EXPECT(guest_load(&scene.guest[1], region(0)) == scene_token(0));
    guest_leave(&scene.guest[1]);
}

/* Another one, that has no table yet. */
static void touch_new(void)
{
    guest_store(&scene.guest[0], region(REGIONS - 1), 1);
    guest_leave(&scene.guest[0]);
    EXPECT(guest_load(&scene.guest[0], region(REGIONS - 1)) == 1);
    guest_leave(&scene.guest[0]);
}

static void touch_oldest(void)
{
    EXPECT(guest_load(&scene.guest[1], region(0)) == scene_token(0));
    EXPECT(guest_load(&scene.guest[1], region(1)) == scene_token(1));
    guest_leave(&scene.guest[1]);
    EXPECT(guest_load(&scene.guest[1], region(0)) == scene_token(0));
    guest_leave(&scene.guest[1]);
}

static void touch_new_by_1(void)
{
    guest_store(&scene.guest[1], region(REGIONS - 2), 1);
    guest_leave(&scene.guest[1]);
}

SCENARIO(reclaim_fault, .frames = RECLAIM_FRAMES, .setup = start_reclaim, .actor = { touch_new, touch_oldest },
         .check = scene_check);
SCENARIO(reclaim_reclaim, .frames = RECLAIM_FRAMES, .setup = start_reclaim, .actor = { touch_new, touch_new_by_1 },
         .check = scene_check);

/* ---- views: guest 0 looks at the memory as it is, guest 1 through the view */

static u32 view, done;

static void start_view(void)
{
    scene_start(2);
    EXPECT(vm_memory_create_view(scene.vm, &view) == 0);
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, view, 4) == 0);
    for (unsigned i = 0; i < 2; i++) {
        guest_store(&scene.guest[i], page(0) + 8 * (i + 1), 1);
        guest_leave(&scene.guest[i]);
    }
}

static void start_view_empty(void)
{
    scene_start(2);
    EXPECT(vm_memory_create_view(scene.vm, &view) == 0);
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, view, 4) == 0);
}

static void start_view_different(void)
{
    start_view();
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN }, 1, ACCESS_READ | ACCESS_EXECUTE) == 0);
}

static void protect(void)
{
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN }, 1, ACCESS_READ) == 0);
    atomic_write(&done, 1u);
}

static void unprotect(void)
{
    EXPECT(vm_memory_protect_view(scene.vm, view, (gfn_t){ SCENE_GFN }, 1,
                                  ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE) == 0);
    atomic_write(&done, 1u);
}

/* The base does not notice. */
static void use_base(void)
{
    guest_store(&scene.guest[0], page(0) + 8, 2);
    guest_leave(&scene.guest[0]);
    EXPECT(guest_load(&scene.guest[0], page(0) + 8) == 2);
    EXPECT(guest_load(&scene.guest[0], page(1)) == scene_token(1));
    guest_leave(&scene.guest[0]);
}

/* When the call is over nobody writes through the view. */
static void use_view(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bool forbidden = atomic_read(&done) != 0;
        enum fault_result result = guest_write(&scene.guest[1], page(0) + 16, 2);

        EXPECT(result == FAULT_DENIED || (result == FAULT_INSTALLED && !forbidden));
        guest_leave(&scene.guest[1]);
        EXPECT(guest_load(&scene.guest[1], page(0)) == scene_token(0));
        guest_leave(&scene.guest[1]);
    }
}

static void use_view_until_permitted(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bool permitted = atomic_read(&done) != 0;
        enum fault_result result = guest_write(&scene.guest[1], page(0) + 16, 2);

        EXPECT(result == FAULT_INSTALLED || (result == FAULT_DENIED && !permitted));
        guest_leave(&scene.guest[1]);
    }
}

static void read_by_view(void)
{
    EXPECT(guest_load(&scene.guest[1], page(0)) == scene_token(0));
    EXPECT(guest_load(&scene.guest[1], page(1)) == scene_token(1));
    guest_leave(&scene.guest[1]);
}

static void read_by_base(void)
{
    EXPECT(guest_load(&scene.guest[0], page(0)) == scene_token(0));
    EXPECT(guest_load(&scene.guest[0], page(1)) == scene_token(1));
    guest_leave(&scene.guest[0]);
}

static void zap(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, SCENE_PAGES);
}

static void invalidate_all(void)
{
    EXPECT(vm_memory_invalidate_all(scene.vm) == 0);
}

static void migrate(void)
{
    EXPECT(backing_migrate(scene.backing, 0) == 0);
}

/* A vCPU changes what it looks through, and back. */
static void switch_view(void)
{
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, 0, 4) == 0);
    guest_store(&scene.guest[1], page(0) + 16, 3);
    guest_leave(&scene.guest[1]);
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, view, 4) == 0);
    EXPECT(guest_load(&scene.guest[1], page(0) + 16) == 3);
    guest_leave(&scene.guest[1]);
}

static void check_views(void)
{
    guest_destroy(&scene.guest[1]);
    scene.guests = 1;
    EXPECT(vm_memory_drop_view(scene.vm, view) == 0);
    scene_check();
}

/* The view comes to life, and goes, while others fault. */
static void create_and_drop(void)
{
    u32 another;

    EXPECT(vm_memory_create_view(scene.vm, &another) == 0);
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, another, 4) == 0);
    EXPECT(guest_load(&scene.guest[1], page(0)) == scene_token(0));
    guest_leave(&scene.guest[1]);
    EXPECT(vcpu_memory_select(&scene.guest[1].vcpu, 0, 4) == 0);
    EXPECT(vm_memory_drop_view(scene.vm, another) == 0);
}

static void start_plain(void)
{
    scene_start(2);
}

SCENARIO(view_fault_fault, .setup = start_view_empty, .actor = { read_by_base, read_by_view }, .check = check_views);
SCENARIO(view_protect_write, .setup = start_view, .actor = { use_view, protect }, .check = check_views);
SCENARIO(view_protect_base_write, .setup = start_view, .actor = { use_base, protect }, .check = check_views);
SCENARIO(view_protect_both, .setup = start_view, .actor = { use_base, use_view, protect }, .check = check_views);
SCENARIO(view_unprotect_write, .setup = start_view_different, .actor = { use_view_until_permitted, unprotect },
         .check = check_views);
SCENARIO(view_switch_protect, .setup = start_view, .actor = { switch_view, protect }, .check = check_views);
SCENARIO(view_zap_fault, .setup = start_view_different, .actor = { read_by_base, read_by_view, zap },
         .check = check_views);
SCENARIO(view_invalidate_all, .setup = start_view_different, .actor = { read_by_view, invalidate_all },
         .check = check_views);
SCENARIO(view_base_invalidate_all, .setup = start_view_different, .actor = { use_base, invalidate_all },
         .check = check_views);
/* With two preemptions 1.8 million interleavings in three minutes: for make explore. */
SCENARIO(view_and_base_invalidate_all, .setup = start_view_different,
         .actor = { use_base, read_by_view, invalidate_all }, .check = check_views, .bound = 1);
SCENARIO(view_migrate, .setup = start_view, .actor = { use_base, read_by_view, migrate }, .check = check_views);
SCENARIO(view_create_drop_fault, .setup = start_plain, .actor = { read_by_base, create_and_drop },
         .check = scene_check);
