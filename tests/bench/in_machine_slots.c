/* SPDX-License-Identifier: BSD-2-Clause */
/* How costs grow with the number of slots, for the pictures of tools/report. The guest runs meanwhile. See in_machine.h. */
#include "mm/backing.h"
#include "tests/bench/in_machine.h"

enum { ONE_ID = 1000, TOUCHED_ID, OTHER_ID = 10000 };
static const u64 ONE_BASE = 0x70000000, ONE_PAGES = 16; /* comes and goes; nothing is mapped */
static const u64 MOVED_BASE = 0x70100000;
static const u64 TOUCHED_BASE = 0x71000000, TOUCHED_PAGES = 512;
static const u64 OTHERS_BASE = 0x80000000; /* slots of one page, every other page */
enum { ROUNDS = 20, LOOKUPS = 1000, SAMPLES = 2 };
/* Prime to every number of slots here: each is looked up. */
enum { STRIDE = 7919 };

static const u32 counts[] = { 10, 30, 100, 300, 1000, 3000, 10000, 16384, 32760 };

static struct vm_memory *vm;
static struct backing *one, *touched, *other;
static u32 others;

static gfn_t gfn(u64 address)
{
    return (gfn_t){ address >> PAGE_SHIFT };
}

static u64 other_base(u32 number)
{
    return OTHERS_BASE + number * 2 * PAGE_SIZE;
}

static void add(u32 id, u64 base, u64 pages, struct backing *backing)
{
    bench_expect(vm_memory_add_slot(vm, id, gfn(base), pages, backing, 0, 0, LEVEL_4K) == 0, "add a slot");
}

static void drop(u32 id)
{
    bench_expect(vm_memory_remove_slot(vm, id) == 0, "remove a slot");
}

/* The guest is let in between two operations, as it would be: the one that follows finds it live. */
static void let_guest_in(void)
{
    (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
}

static void operations(u32 slots)
{
    u64 created = 0, deleted = 0, moved = 0, flagged = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        bench_begin();
        add(ONE_ID, ONE_BASE, ONE_PAGES, one);
        created += bench_end();
        let_guest_in();
        bench_begin();
        bench_expect(vm_memory_set_slot_flags(vm, ONE_ID, MEMSLOT_READ_ONLY) == 0, "make a slot read-only");
        flagged += bench_end();
        let_guest_in();
        bench_begin();
        bench_expect(vm_memory_move_slot(vm, ONE_ID, gfn(MOVED_BASE)) == 0, "move a slot");
        moved += bench_end();
        let_guest_in();
        bench_begin();
        drop(ONE_ID);
        deleted += bench_end();
        let_guest_in();
    }
    bench_result_at("create", slots, created, ROUNDS);
    bench_result_at("flags", slots, flagged, ROUNDS);
    bench_result_at("move", slots, moved, ROUNDS);
    bench_result_at("delete", slots, deleted, ROUNDS);
}

/* What a fault does to find its slot, for another one each time: what was found last does not help. */
static void lookups(u32 slots)
{
    bool found = true;

    bench_begin();
    for (u32 i = 0; i < LOOKUPS; i++) {
        struct memslot_set *set = memslots_read_begin(&vm->slots);
        found &= memslots_find(set, gfn(other_base(i * STRIDE % others))) != NULL;
        memslots_read_end(set);
    }
    bench_result_at("lookup", slots, bench_end(), LOOKUPS);
    bench_expect(found, "each slot is found");
}

/* The guest's first touch of each page of one slot. */
static void faults(u32 slots)
{
    bench_result_at("fault", slots, bench_write(TOUCHED_BASE, PAGE_SIZE, (u32)TOUCHED_PAGES), TOUCHED_PAGES);
    vm_memory_zap(vm, gfn(TOUCHED_BASE), TOUCHED_PAGES);
}

void bench_slots(struct vm_memory *memory)
{
    vm = memory;
    bench_expect(backing_create(ONE_PAGES, 0, &one) == 0 && backing_create(TOUCHED_PAGES, 0, &touched) == 0 &&
                     backing_create(1, 0, &other) == 0,
                 "make backings");
    add(TOUCHED_ID, TOUCHED_BASE, TOUCHED_PAGES, touched);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        /* With that of the guest's memory, the one that is touched, and the one that comes and goes. */
        for (; others < counts[i] - 3; others++)
            add(OTHER_ID + others, other_base(others), 1, other);
        for (unsigned sample = 0; sample < SAMPLES; sample++) {
            operations(counts[i]);
            lookups(counts[i]);
            faults(counts[i]);
        }
    }
    backing_put(one);
    backing_put(touched);
    backing_put(other);
}
