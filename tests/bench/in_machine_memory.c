/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults, and operations on slots, while the guest runs. The frames are there before, under slat and under KVM alike: what is
 * measured is mapping them. See in_machine.h.
 */
#include "mm/backing.h"
#include "mm/dirty_log.h"
#include "tests/bench/in_machine.h"

/* All below 4 GiB, where a guest with a few tens of MiB has nothing else. */
enum { SMALL_ID = 1000, LARGE_ID, EMPTY_ID, OTHER_ID = 10000 };
static const u64 SMALL_BASE = 0x40000000, SMALL_PAGES = 64 << 8;  /* mapped 4K */
static const u64 LARGE_BASE = 0x50000000, LARGE_PAGES = 256 << 8; /* mapped 2M */
static const u64 EMPTY_BASE = 0x70000000, EMPTY_PAGES = 16;       /* nothing is mapped */
static const u64 MOVED_BASE = 0x70100000;
static const u64 OTHERS_BASE = 0x80000000; /* slots of one page, every other page */
enum { FEW = 10, MANY = 16384, ROUNDS = 100, SAMPLES = 3, PROFILED = 512 /* the pages of one table */ };

static struct vm_memory *vm;
static struct backing *small, *large, *empty;

static gfn_t gfn(u64 address)
{
    return (gfn_t){ address >> PAGE_SHIFT };
}

static struct backing *create(u64 pages)
{
    struct backing *backing;

    bench_expect(backing_create(pages, 0, &backing) == 0, "make a backing");
    return backing;
}

static void add(u32 id, u64 base, u64 pages, struct backing *backing, enum level largest)
{
    bench_expect(vm_memory_add_slot(vm, id, gfn(base), pages, backing, 0, 0, largest) == 0, "add a slot");
}

static void drop(u32 id)
{
    bench_expect(vm_memory_remove_slot(vm, id) == 0, "remove a slot");
}

static void faults(void)
{
    add(SMALL_ID, SMALL_BASE, SMALL_PAGES, small, LEVEL_4K);
    add(LARGE_ID, LARGE_BASE, LARGE_PAGES, large, LEVEL_2M);
    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 count = LARGE_PAGES / level_pages(LEVEL_2M);
        bench_profile("first4k", PROFILED);
        bench_result("first4k", bench_write(SMALL_BASE, PAGE_SIZE, (u32)SMALL_PAGES), SMALL_PAGES);
        bench_profile("first2m", (u32)count);
        bench_result("first2m", bench_write(LARGE_BASE, PAGE_SIZE * 512, (u32)count), count);
        vm_memory_zap(vm, gfn(SMALL_BASE), SMALL_PAGES);
        vm_memory_zap(vm, gfn(LARGE_BASE), LARGE_PAGES);
    }
    drop(LARGE_ID);
    drop(SMALL_ID);
}

/* KVM_PRE_FAULT_MEMORY and KVM_SET_USER_MEMORY_REGION do the same. */
static void populate(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        add(SMALL_ID, SMALL_BASE, SMALL_PAGES, small, LEVEL_4K);
        bench_profile("populate", (u32)SMALL_PAGES);
        bench_begin();
        bench_expect(vm_memory_populate(vm, gfn(SMALL_BASE), SMALL_PAGES) == 0, "populate");
        bench_result("populate", bench_end(), SMALL_PAGES);
        bench_profile("delete.mapped", (u32)SMALL_PAGES);
        bench_begin();
        drop(SMALL_ID);
        bench_result("delete.mapped", bench_end(), SMALL_PAGES);
    }
}

/* The guest runs between the rounds: it looks for orders. */
static void slots(const char *create_name, const char *delete_name, const char *move_name)
{
    u64 created = 0, deleted = 0, moved = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        bench_profile(create_name, 1);
        bench_begin();
        add(EMPTY_ID, EMPTY_BASE, EMPTY_PAGES, empty, LEVEL_4K);
        created += bench_end();
        (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
        bench_profile(move_name, 1);
        bench_begin();
        bench_expect(vm_memory_move_slot(vm, EMPTY_ID, gfn(MOVED_BASE)) == 0, "move a slot");
        moved += bench_end();
        (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
        bench_profile(delete_name, 1);
        bench_begin();
        drop(EMPTY_ID);
        deleted += bench_end();
        (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
    }
    bench_result(create_name, created, ROUNDS);
    bench_result(delete_name, deleted, ROUNDS);
    bench_result(move_name, moved, ROUNDS);
}

/* `to` slots in all with that of the guest's memory and the one that comes and goes. */
static void grow(u32 *count, u32 to, struct backing *backing)
{
    for (; *count < to - 2; ++*count)
        add(OTHER_ID + *count, OTHERS_BASE + *count * 2 * PAGE_SIZE, 1, backing, LEVEL_4K);
}

static void many_slots(void)
{
    struct backing *backing = create(1);
    u32 count = 0;

    grow(&count, FEW, backing);
    slots("create.10", "delete.10", "move.10");
    grow(&count, MANY, backing);
    slots("create.16384", "delete.16384", "move.16384");
    while (count)
        drop(OTHER_ID + --count);
    backing_put(backing);
}

static void logs(void)
{
    u64 on = 0, off = 0;

    add(EMPTY_ID, EMPTY_BASE, EMPTY_PAGES, empty, LEVEL_4K);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bench_profile("log.on", 1);
        bench_begin();
        bench_expect(vm_memory_start_log(vm, EMPTY_ID, DIRTY_OPERATOR, 0) == 0, "start the log");
        on += bench_end();
        (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
        bench_profile("log.off", 1);
        bench_begin();
        bench_expect(vm_memory_stop_log(vm, EMPTY_ID, DIRTY_OPERATOR) == 0, "stop the log");
        off += bench_end();
        (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
    }
    bench_result("log.on", on, ROUNDS);
    bench_result("log.off", off, ROUNDS);
    drop(EMPTY_ID);
}

void bench_memory(struct vm_memory *memory)
{
    vm = memory;
    small = create(SMALL_PAGES);
    large = create(LARGE_PAGES);
    empty = create(EMPTY_PAGES);
    faults();
    populate();
    many_slots();
    logs();
    backing_put(small);
    backing_put(large);
    backing_put(empty);
}
