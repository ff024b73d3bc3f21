/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs and backings that come and go while an invalidation looks at all of them, and what concerns whole regions. */
#include "mm/atomic.h"
#include "mm/port.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"

/* ---- a second VM, that shows the same memory twice */

static struct vm_memory *second;
static u32 done;

static void create_second(void)
{
    EXPECT(vm_memory_create(&second) == 0);
    EXPECT(vm_memory_add_slot(second, 1, (gfn_t){ 0x2000 }, SCENE_PAGES, scene.backing, 0, 0, LEVEL_4K) == 0);
    EXPECT(vm_memory_add_slot(second, 2, (gfn_t){ 0x3000 }, 2, scene.backing, 0, MEMSLOT_READ_ONLY, LEVEL_4K) == 0);
}

static void start_with_second(void)
{
    scene_start(1);
    scene_map(&scene.guest[0], 1);
    create_second();
    EXPECT(vm_memory_populate(second, (gfn_t){ 0x2000 }, 1) == 0);
    EXPECT(vm_memory_populate(second, (gfn_t){ 0x3000 }, 1) == 0);
}

static void start_alone(void)
{
    scene_start(1);
    scene_map(&scene.guest[0], 1);
}

static void destroy_second(void)
{
    vm_memory_destroy(second);
}

static void create_and_destroy(void)
{
    create_second();
    EXPECT(vm_memory_populate(second, (gfn_t){ 0x2000 }, 1) == 0);
    vm_memory_destroy(second);
}

static void punch(void)
{
    backing_punch(scene.backing, 0, 1);
    atomic_write(&done, 1u);
}

static void read_or_zero(void)
{
    bool gone = atomic_read(&done) != 0;
    u64 value = guest_load(&scene.guest[0], page(0));

    EXPECT(value == 0 || (!gone && value == scene_token(0)));
    guest_leave(&scene.guest[0]);
}

/* A guest of the second VM, that sees the page at two places: at both the same, and what it has written. */
static struct guest reader;

static void start_two_places(void)
{
    start_with_second();
    guest_init(&reader, second);
    EXPECT(guest_load(&reader, 0x2000ull << 12) == scene_token(0) &&
           guest_load(&reader, 0x3000ull << 12) == scene_token(0));
    guest_leave(&reader);
}

static void use_two_places(void)
{
    guest_store(&reader, (0x2000ull << 12) + 8, 5);
    EXPECT(guest_load(&reader, (0x3000ull << 12) + 8) == 5);
    guest_leave(&reader);
    EXPECT(guest_load(&reader, 0x3000ull << 12) == scene_token(0));
    EXPECT(guest_load(&reader, (0x2000ull << 12) + 8) == 5);
    guest_leave(&reader);
}

static void migrate(void)
{
    EXPECT(backing_migrate(scene.backing, 0) == 0);
}

static void check_two_places(void)
{
    guest_destroy(&reader);
    vm_memory_destroy(second);
    scene_check();
}

SCENARIO(vm_destroy_punch, .setup = start_with_second, .actor = { destroy_second, punch }, .check = scene_check);
SCENARIO(vm_destroy_punch_fault, .setup = start_with_second, .actor = { read_or_zero, destroy_second, punch },
         .check = scene_check);
SCENARIO(vm_create_punch, .setup = start_alone, .actor = { create_and_destroy, punch }, .check = scene_check);
SCENARIO(two_places_migrate, .setup = start_two_places, .actor = { use_two_places, migrate },
         .check = check_two_places);

/* ---- backings that go while all of them are looked at for a bad frame */

static struct backing *another;
static pfn_t bad;

static void start_clone(void)
{
    struct backing_page found;

    start_alone();
    EXPECT(backing_clone(scene.backing, &another) == 0);
    EXPECT(backing_lookup(another, 0, &found) == 0);
    bad = found.pfn;
}

static void put_another(void)
{
    backing_put(another);
}

static void retire_bad(void)
{
    EXPECT(memory_retire(bad, true) == 0);
}

static void read_token(void)
{
    EXPECT(guest_load(&scene.guest[0], page(0)) == scene_token(0));
    guest_leave(&scene.guest[0]);
}

SCENARIO(retire_put, .setup = start_clone, .actor = { retire_bad, put_another }, .check = scene_check);
SCENARIO(retire_put_read, .setup = start_clone, .actor = { read_token, retire_bad, put_another }, .check = scene_check);

/* ---- compaction: 512 pages, of which one was moved away, become a large one again */

enum { REGION_PAGES = 512, COMPACTION_FRAMES = 2048 };

static void start_scattered(void)
{
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create(REGION_PAGES, 0, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN }, REGION_PAGES, scene.backing, 0, 0,
                              LEVEL_2M) == 0);
    EXPECT(backing_migrate(scene.backing, 0) == 0);
    for (unsigned n = 0; n < 2; n++) {
        struct backing_page found;

        EXPECT(backing_lookup(scene.backing, n, &found) == 0 && found.level == LEVEL_4K);
        *(u64 *)port_frame_address(found.pfn) = scene_token(n);
    }
    scene.guests = 1;
    guest_init(&scene.guest[0], scene.vm);
    scene_map(&scene.guest[0], 2);
}

static void compact(void)
{
    EXPECT(backing_compact(scene.backing, 1) == 0);
}

static void write_and_read(void)
{
    guest_store(&scene.guest[0], page(0) + 8, 7);
    guest_leave(&scene.guest[0]);
    EXPECT(guest_load(&scene.guest[0], page(1)) == scene_token(1));
    EXPECT(guest_load(&scene.guest[0], page(0) + 8) == 7);
    guest_leave(&scene.guest[0]);
}

static void check_compacted(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 1, &found) == 0 && found.level == LEVEL_2M);
    EXPECT(scene_content(scene.backing, 0) == scene_token(0));
    scene_check();
}

SCENARIO(compact_write, .frames = COMPACTION_FRAMES, .setup = start_scattered, .actor = { write_and_read, compact },
         .check = check_compacted);
