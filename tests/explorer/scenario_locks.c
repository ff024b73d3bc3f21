/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands below everything else: the VM's lock and the sets of slots. */
#include "mm/atomic.h"
#include "mm/memslots.h"
#include "mm/rwlock.h"
#include "tests/explorer/explorer.h"

/* ---- rwlock: a writer is alone, readers see no half of what it does, and nobody waits for ever (R8) */

static struct rwlock lock;
static u32 writers, readers, left, right;

static void write_once(void)
{
    rwlock_lock(&lock);
    EXPECT(writers == 0 && readers == 0 && rwlock_is_mine(&lock));
    writers = 1;
    left++;
    explorer_point("writer inside");
    right++;
    EXPECT(readers == 0 && left == right);
    writers = 0;
    rwlock_unlock(&lock);
}

static void read_once(void)
{
    rwlock_lock_shared(&lock);
    EXPECT(writers == 0 && left == right);
    readers++;
    explorer_point("reader inside");
    EXPECT(writers == 0 && left == right);
    readers--;
    rwlock_unlock_shared(&lock);
}

static void write_twice(void)
{
    write_once();
    write_once();
}

static void read_twice(void)
{
    read_once();
    read_once();
}

static void check_free(void)
{
    EXPECT(lock.reader_in == lock.reader_out && lock.writer_in == lock.writer_out && left == right);
}

SCENARIO(rwlock_two_writers_and_a_reader, .actor = { write_once, write_once, read_twice }, .check = check_free,
         .bound = 3);
SCENARIO(rwlock_two_readers_and_a_writer, .actor = { write_twice, read_once, read_once }, .check = check_free,
         .bound = 3);
SCENARIO(rwlock_writer_again_and_again, .actor = { write_twice, write_twice, read_once }, .check = check_free);

/* Who does not wait gets in beside readers, or does nothing: nobody takes it for one that was in. */
static void try_to_read(void)
{
    if (!rwlock_try_lock_shared(&lock))
        return;
    EXPECT(writers == 0 && left == right);
    readers++;
    explorer_point("reader inside");
    EXPECT(writers == 0 && left == right);
    readers--;
    rwlock_unlock_shared(&lock);
}

static void try_to_read_twice(void)
{
    try_to_read();
    try_to_read();
}

SCENARIO(try_lock_write, .actor = { write_twice, try_to_read_twice, read_once }, .check = check_free, .bound = 3);
SCENARIO(try_lock_two_writers, .actor = { write_once, write_once, try_to_read_twice }, .check = check_free, .bound = 3);

/* ---- slots: a reader sees one whole set, and no slot that it found is gone before it ends (M1, M3) */

static struct memslots slots;
static struct memslot slot_a, slot_b;

static void start_slots(void)
{
    memslots_init(&slots);
    slot_a = (struct memslot){ .id = 1, .base = { 16 }, .npages = 4 };
    slot_b = (struct memslot){ .id = 1, .base = { 64 }, .npages = 4 };
    EXPECT(memslots_begin_change(&slots) == 0);
    memslots_insert(&slots, &slot_a);
    memslots_end_change(&slots);
}

/* Both places of the slot, in one set: exactly one of them is there. */
static void read_slots(void)
{
    struct memslot_set *set = memslots_read_begin(&slots);
    struct memslot *a = memslots_find(set, (gfn_t){ 16 });
    u64 generation = set->generation;

    explorer_point("reading");
    struct memslot *b = memslots_find(set, (gfn_t){ 64 });
    EXPECT((a == NULL) != (b == NULL));
    EXPECT(a == NULL || a->npages == 4);
    EXPECT(b == NULL || b->npages == 4);
    explorer_point("reading");
    EXPECT(set->generation == generation);
    EXPECT(memslots_find_id(set, 1) == (a != NULL ? a : b));
    memslots_read_end(set);
}

static void read_slots_twice(void)
{
    read_slots();
    read_slots();
}

/* What is gone is not memory any more: its content shows that. */
static void move_slot(void)
{
    if (memslots_begin_change(&slots) != 0)
        return;
    if (memslots_find_id(memslots_active(&slots), 1) == &slot_a) {
        memslots_invalidate(&slots, &slot_a);
        memslots_replace(&slots, &slot_a, &slot_b);
        slot_a.npages = 0;
    }
    memslots_end_change(&slots);
}

static void move_slot_and_back(void)
{
    move_slot();
    EXPECT(memslots_begin_change(&slots) == 0);
    slot_a = (struct memslot){ .id = 1, .base = { 16 }, .npages = 4 };
    memslots_invalidate(&slots, &slot_b);
    memslots_replace(&slots, &slot_b, &slot_a);
    slot_b.npages = 0;
    memslots_end_change(&slots);
}

/* Both sets are equal (M5), and nobody is counted any more. */
static void check_slots(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct memslot_set *set = &slots.set[i];

        EXPECT(set->count == 1 && !memslots_is_read(set) && set->generation == slots.generation);
    }
    EXPECT(memslots_first(&slots.set[0]) == memslots_first(&slots.set[1]));
}

SCENARIO(slots_reader_against_move, .setup = start_slots, .actor = { read_slots_twice, move_slot_and_back },
         .check = check_slots, .bound = 3);
SCENARIO(slots_two_readers_against_move, .setup = start_slots, .actor = { read_slots, read_slots, move_slot_and_back },
         .check = check_slots);
SCENARIO(slots_two_changers, .setup = start_slots, .actor = { read_slots, move_slot, move_slot }, .check = check_slots);
