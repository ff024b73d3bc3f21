/* SPDX-License-Identifier: BSD-2-Clause */
/* How the costs of dirty logging and snapshots grow with what is dirty of 64 MiB, mapped 2M. See in_machine.h. */
#include "mm/backing.h"
#include "mm/dirty_log.h"
#include "mm/snapshot.h"
#include "tests/bench/in_machine.h"

enum { LOGGED_ID = 1000, SAMPLES = 2 };
static const u64 LOGGED_BASE = 0x40000000, LOGGED_PAGES = 64 << 8;

static const u32 counts[] = { 0, 1, 4, 16, 64, 256, 1024, 4096, 16384 };

static struct vm_memory *vm;

static gfn_t first_gfn(void)
{
    return (gfn_t){ LOGGED_BASE >> PAGE_SHIFT };
}

/* The guest writes to `count` pages, one after the other, or as far from each other as can be. The ticks that took it. */
static u64 dirty(u32 count, bool apart)
{
    if (count == 0)
        return 0;
    return bench_write(LOGGED_BASE, (u32)(PAGE_SIZE * (apart ? LOGGED_PAGES / count : 1)), count);
}

static u64 harvest(u64 wanted)
{
    struct page_set *report;
    u64 taken;

    bench_expect(vm_memory_create_report(vm, LOGGED_ID, &report) == 0, "make a report");
    bench_begin();
    bench_expect(vm_memory_harvest(vm, LOGGED_ID, DIRTY_OPERATOR, first_gfn(), LOGGED_PAGES, report) == 0, "harvest");
    taken = bench_end();
    bench_expect(page_set_count(report) == wanted, "the report is what was written");
    page_set_destroy(report);
    return taken;
}

static void logging(u32 count, bool apart)
{
    u64 taken = dirty(count, apart);

    if (count != 0)
        bench_result_at(apart ? "pass_apart" : "pass", count, taken, 1);
    bench_result_at(apart ? "harvest_apart" : "harvest", count, harvest(count), 1);
}

/* The mail is dirty too, but where nothing is. */
static void reset(struct snapshot *snapshot, u32 count)
{
    struct snapshot_result result;

    (void)dirty(count, false);
    bench_begin();
    bench_expect(snapshot_reset(snapshot, &result) == 0, "reset");
    bench_result_at("reset", count, bench_end(), 1);
    bench_expect(result.restored >= count && result.restored <= count + 2, "what was dirty is restored");
    /* The mail is as it was when the snapshot was taken, and so is what the guest knows of it. */
    bench_put(BENCH_DONE, bench_last_order());
    bench_put(BENCH_ORDER, bench_last_order());
}

static void resets(void)
{
    struct snapshot *snapshot;
    struct snapshot_result result;

    bench_expect(snapshot_take(vm, &snapshot) == 0, "take a snapshot");
    /* The first writes copy: what is measured are those that come later. */
    (void)dirty((u32)LOGGED_PAGES, false);
    bench_expect(snapshot_reset(snapshot, &result) == 0, "reset");
    bench_put(BENCH_DONE, bench_last_order());
    bench_put(BENCH_ORDER, bench_last_order());
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (unsigned sample = 0; sample < SAMPLES; sample++) {
            /* What was put into the mail above. */
            if (counts[i] == 0)
                bench_expect(snapshot_reset(snapshot, &result) == 0, "reset");
            reset(snapshot, counts[i]);
        }
    }
    snapshot_drop(snapshot);
}

void bench_pages(struct vm_memory *memory)
{
    struct backing *backing;

    vm = memory;
    bench_expect(backing_create(LOGGED_PAGES, 0, &backing) == 0, "make a backing");
    bench_expect(vm_memory_add_slot(vm, LOGGED_ID, first_gfn(), LOGGED_PAGES, backing, 0, 0, LEVEL_2M) == 0,
                 "add a slot");
    backing_put(backing);
    bench_expect(vm_memory_populate(vm, first_gfn(), LOGGED_PAGES) == 0, "populate");
    bench_expect(vm_memory_start_log(vm, LOGGED_ID, DIRTY_OPERATOR, 0) == 0, "start the log");
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (unsigned sample = 0; sample < SAMPLES; sample++) {
            logging(counts[i], false);
            logging(counts[i], true);
        }
    }
    bench_expect(vm_memory_stop_log(vm, LOGGED_ID, DIRTY_OPERATOR) == 0, "stop the log");
    resets();
}
