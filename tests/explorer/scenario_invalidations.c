/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames behind the pages change while guests, and the hypervisor itself, use them. */
#include "mm/atomic.h"
#include "mm/port.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"

enum { FIRST = 0x11, SECOND = 0x22 };

static u32 done, punches;
static u64 last_seen;

static void start_1(void)
{
    scene_start(1);
}

static void start_2(void)
{
    scene_start(2);
}

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

/* ---- balloon */

static void punch(void)
{
    punches++;
    backing_punch(scene.backing, 0, 1);
    atomic_write(&done, 1u);
}

static void balloon(void)
{
    vm_memory_balloon(scene.vm, (gfn_t){ SCENE_GFN }, 1);
    atomic_write(&done, 1u);
}

/* Once a page of zeros has been seen, the old content never comes back, and a write stays. */
static void write_and_read(void)
{
    struct guest *self = &scene.guest[0];
    bool gone = atomic_read(&done) != 0;
    u64 before = guest_load(self, page(0));

    EXPECT(before == 0 || (!gone && before == scene_token(0)));
    guest_leave(self);
    guest_store(self, page(0), FIRST);
    guest_leave(self);
    last_seen = guest_load(self, page(0));
    EXPECT(last_seen == FIRST || (last_seen == 0 && (before != 0 || punches > 1)));
    guest_leave(self);
}

static void check_punched(void)
{
    u64 content = scene_content(scene.backing, 0);

    EXPECT(content == 0 || content == last_seen);
    EXPECT(scene_content(scene.backing, 1) == scene_token(1));
    scene_check();
}

static void read_both_by_1(void)
{
    u64 value = guest_load(&scene.guest[1], page(0));

    EXPECT(value == scene_token(0) || value == 0 || value == FIRST);
    EXPECT(guest_load(&scene.guest[1], page(1)) == scene_token(1));
    guest_leave(&scene.guest[1]);
}

SCENARIO(fault_punch, .setup = start_1, .actor = { write_and_read, punch }, .check = check_punched);
SCENARIO(mapped_punch, .setup = start_1_mapped, .actor = { write_and_read, punch }, .check = check_punched);
SCENARIO(fault_fault_balloon, .setup = start_2_mapped, .actor = { write_and_read, read_both_by_1, balloon },
         .check = check_punched);
SCENARIO(fault_punch_punch, .setup = start_1_mapped, .actor = { write_and_read, punch, punch }, .check = scene_check);

/* ---- migration */

static void migrate(void)
{
    EXPECT(backing_migrate(scene.backing, 0) == 0);
    atomic_write(&done, 1u);
}

static void migrate_if_there(void)
{
    int error = backing_migrate(scene.backing, 0);

    EXPECT(error == 0 || error == -ENOENT);
}

/* Each writes a word of its own, and must find it. */
static void count_in(unsigned guest)
{
    struct guest *self = &scene.guest[guest];
    u64 at = page(0) + 8 * (guest + 1);

    guest_store(self, at, FIRST);
    guest_leave(self);
    EXPECT(guest_load(self, at) == FIRST);
    guest_store(self, at, SECOND);
    EXPECT(guest_load(self, at) == SECOND);
    EXPECT(guest_load(self, page(0)) == scene_token(0));
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

static u64 word_of_page_0(unsigned word)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    return ((const u64 *)port_frame_address(found.pfn))[word];
}

static void check_counted(void)
{
    for (unsigned i = 0; i < scene.guests; i++)
        EXPECT(word_of_page_0(i + 1) == SECOND);
    EXPECT(word_of_page_0(0) == scene_token(0));
    scene_check();
}

SCENARIO(fault_migrate, .setup = start_1, .actor = { count_by_0, migrate }, .check = check_counted);
SCENARIO(mapped_migrate, .setup = start_1_mapped, .actor = { count_by_0, migrate }, .check = check_counted);
SCENARIO(fault_fault_migrate, .setup = start_2_mapped, .actor = { count_by_0, count_by_1, migrate },
         .check = check_counted);
SCENARIO(fault_migrate_migrate, .setup = start_1_mapped, .actor = { count_by_0, migrate, migrate },
         .check = check_counted);
SCENARIO(fault_migrate_punch, .setup = start_1_mapped, .actor = { write_and_read, migrate_if_there, punch },
         .check = check_punched);

/* ---- the hypervisor's own accesses */

static void write_by_hypervisor(void)
{
    const u64 values[2] = { FIRST, SECOND };
    u64 read[2];

    EXPECT(vm_memory_write(scene.vm, (gpa_t){ page(0) + 8 }, values, sizeof(values)) == 0);
    EXPECT(vm_memory_read(scene.vm, (gpa_t){ page(0) + 8 }, read, sizeof(read)) == 0);
    EXPECT(read[0] == FIRST && read[1] == SECOND);
}

static void check_hypervisors(void)
{
    EXPECT(word_of_page_0(0) == scene_token(0) && word_of_page_0(1) == FIRST && word_of_page_0(2) == SECOND);
    scene_check();
}

/* Either none of it, or what was there before; nothing of somebody else's. */
static void read_by_hypervisor(void)
{
    bool gone = atomic_read(&done) != 0;
    u64 value;

    EXPECT(vm_memory_read(scene.vm, (gpa_t){ page(0) }, &value, sizeof(value)) == 0);
    EXPECT(value == 0 || (!gone && value == scene_token(0)));
}

SCENARIO(hypervisor_write_migrate, .setup = start_1_mapped, .actor = { write_by_hypervisor, migrate },
         .check = check_hypervisors);
SCENARIO(hypervisor_read_punch, .setup = start_1_mapped, .actor = { read_by_hypervisor, punch }, .check = scene_check);
SCENARIO(hypervisor_write_fault_migrate, .setup = start_1_mapped, .actor = { write_by_hypervisor, migrate, migrate },
         .check = check_hypervisors);

/* ---- sharing */

static struct backing *clone;

static void start_shared(void)
{
    scene_start(2);
    EXPECT(backing_clone(scene.backing, &clone) == 0);
    scene_map(&scene.guest[0], 1);
    scene_map(&scene.guest[1], 1);
}

/* The copy is seen by everybody as soon as the write is over. */
static void write_shared(void)
{
    guest_store(&scene.guest[0], page(0), FIRST);
    atomic_write(&done, 1u);
    EXPECT(guest_load(&scene.guest[0], page(0)) == FIRST);
    guest_leave(&scene.guest[0]);
}

static void read_shared(void)
{
    bool written = atomic_read(&done) != 0;
    u64 value = guest_load(&scene.guest[1], page(0));

    EXPECT(value == FIRST || (!written && value == scene_token(0)));
    guest_leave(&scene.guest[1]);
    u64 again = guest_load(&scene.guest[1], page(0));
    EXPECT(again == FIRST || value == scene_token(0));
    guest_leave(&scene.guest[1]);
}

static void write_shared_by_1(void)
{
    guest_store(&scene.guest[1], page(0) + 8, SECOND);
    EXPECT(guest_load(&scene.guest[1], page(0) + 8) == SECOND);
    guest_leave(&scene.guest[1]);
}

static void check_shared(void)
{
    EXPECT(scene_content(scene.backing, 0) == FIRST && scene_content(clone, 0) == scene_token(0));
    backing_put(clone);
    scene_check();
}

static void check_shared_by_both(void)
{
    EXPECT(word_of_page_0(1) == SECOND);
    check_shared();
}

/* The other side gives its frame up: then this one's is not shared any more. */
static void put_clone(void)
{
    backing_put(clone);
}

static void check_alone(void)
{
    EXPECT(scene_content(scene.backing, 0) == FIRST);
    scene_check();
}

SCENARIO(copy_on_write_read, .setup = start_shared, .actor = { write_shared, read_shared }, .check = check_shared);
SCENARIO(copy_on_write_twice, .setup = start_shared, .actor = { write_shared, write_shared_by_1 },
         .check = check_shared_by_both);
SCENARIO(copy_on_write_migrate, .setup = start_shared, .actor = { write_shared, read_shared, migrate_if_there },
         .check = check_shared);
SCENARIO(copy_on_write_put, .setup = start_shared, .actor = { write_shared, put_clone }, .check = check_alone);

/* Pages 2 and 3 have the same content, and become one frame while one of them is written. */
static void start_equal(void)
{
    scene_start(1);
    for (unsigned n = 2; n < 4; n++) {
        struct backing_page found;

        EXPECT(backing_lookup(scene.backing, n, &found) == 0);
        u64 *words = port_frame_address(found.pfn);
        for (unsigned i = 0; i < 512; i++)
            words[i] = i;
    }
    EXPECT(guest_load(&scene.guest[0], page(2)) == 0);
    guest_leave(&scene.guest[0]);
}

static void share(void)
{
    int error = backing_share(scene.backing, 2, scene.backing, 3);

    EXPECT(error == 0 || error == -EINVAL);
}

static void write_equal(void)
{
    guest_store(&scene.guest[0], page(2), FIRST);
    guest_leave(&scene.guest[0]);
    EXPECT(guest_load(&scene.guest[0], page(2)) == FIRST);
    EXPECT(guest_load(&scene.guest[0], page(3)) == 0);
    guest_leave(&scene.guest[0]);
}

static void check_equal(void)
{
    EXPECT(scene_content(scene.backing, 2) == FIRST && scene_content(scene.backing, 3) == 0);
    scene_check();
}

SCENARIO(share_write, .setup = start_equal, .actor = { write_equal, share }, .check = check_equal);

/* ---- a frame that goes bad */

static void retire(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    EXPECT(memory_retire(found.pfn, true) == 0);
}

static void lose(void)
{
    struct backing_page found;

    EXPECT(backing_lookup(scene.backing, 0, &found) == 0);
    EXPECT(memory_retire(found.pfn, false) == 0);
    atomic_write(&done, 1u);
}

static void read_what_is_lost(void)
{
    bool lost = atomic_read(&done) != 0;
    u64 value = 0;
    enum fault_result result = guest_read(&scene.guest[0], page(0), &value);

    EXPECT(result == FAULT_LOST || (!lost && result == FAULT_INSTALLED && value == scene_token(0)));
    guest_leave(&scene.guest[0]);
}

SCENARIO(retire_write, .setup = start_1_mapped, .actor = { count_by_0, retire }, .check = check_counted);
SCENARIO(lose_read, .setup = start_1_mapped, .actor = { read_what_is_lost, lose }, .check = scene_check);
SCENARIO(fault_fault_punch, .setup = start_2, .actor = { write_and_read, read_both_by_1, punch },
         .check = check_punched);
