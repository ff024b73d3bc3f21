/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty logging and snapshots of a guest whose memory is mapped 2M. See in_machine.h. */
#include "hv/lib/log.h"
#include "mm/dirty_log.h"
#include "mm/recover.h"
#include "mm/snapshot.h"
#include "tests/bench/in_machine.h"

enum { ROUNDS = 1000, DIRTY_PAGES = 2048, SAMPLES = 3, PROFILED = 512 /* the pages of one table */ };

static struct vm_memory *vm;
static u64 pages; /* of slot 0 */

static u64 pass_pages(void)
{
    return pages - (BENCH_LOWEST >> PAGE_SHIFT);
}

/* The guest writes to `count` pages. The ticks that took it. */
static u64 pass(u64 count)
{
    return bench_write(BENCH_LOWEST, PAGE_SIZE, (u32)count);
}

static struct page_set *harvest(u64 *taken)
{
    struct page_set *report = NULL;

    bench_expect(vm_memory_create_report(vm, 0, &report) == 0, "make a report");
    bench_begin();
    bench_expect(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, pages, report) == 0, "harvest");
    *taken = bench_end();
    return report;
}

/* All pages of the pass, and nothing else but the mail. */
static void check_report(struct page_set *report)
{
    u64 count = page_set_count(report), wanted = pass_pages();

    bench_expect(count >= wanted && count <= wanted + 2, "the report is what was written");
    page_set_destroy(report);
}

static void nothing_dirty(void)
{
    struct page_set *report;
    u64 taken;

    /* The mail. */
    page_set_destroy(harvest(&taken));
    bench_expect(vm_memory_create_report(vm, 0, &report) == 0, "make a report");
    bench_profile("harvest.clean", ROUNDS);
    bench_begin();
    for (unsigned i = 0; i < ROUNDS; i++)
        vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, pages, report);
    taken = bench_end();
    bench_expect(page_set_count(report) == 0, "nothing is dirty");
    page_set_destroy(report);
    bench_result("harvest.clean", taken, ROUNDS);
}

static void logging(void)
{
    struct recover_result recovered = { 0 };
    u64 taken, plain, stopped;

    bench_expect(vm_memory_populate(vm, (gfn_t){ 0 }, pages) == 0, "populate");
    pass(pass_pages());
    bench_profile("pass.plain", PROFILED);
    plain = pass(pass_pages());
    bench_result("pass.plain", plain, pass_pages());

    bench_profile("start", (u32)pages);
    bench_begin();
    bench_expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0) == 0, "start the log");
    bench_result("start", bench_end(), pages);
    bench_expect(spt_mapped(&vm->spt, LEVEL_2M) == 0, "all is split");

    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_profile("pass.logged", PROFILED);
        taken = pass(pass_pages());
        bench_result("pass.logged", taken, pass_pages());
        if (!dirty_log_by_processor())
            bench_result("fault.protect", taken - plain, pass_pages());
        bench_profile("harvest.all", (u32)pages);
        struct page_set *report = harvest(&taken);
        bench_result("harvest.all", taken, pages);
        check_report(report);
    }
    nothing_dirty();

    pass(pass_pages());
    bench_profile("stop.log", 1);
    bench_begin();
    bench_expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
    taken = stopped = bench_end();
    bench_profile("stop", (u32)pages);
    bench_begin();
    bench_expect(vm_memory_recover(vm, (gfn_t){ 0 }, pages, RECOVER_IN_PLACE, 0, &recovered) == 0, "recover");
    taken += bench_end();
    bench_result("stop.log", stopped, 1);
    bench_result("stop", taken, pages);
    bench_expect(spt_mapped(&vm->spt, LEVEL_4K) == 0, "all is large");

    u64 faults = vm_memory_get_stats(vm).faults;
    pass(pass_pages());
    bench_result("stop.faults", vm_memory_get_stats(vm).faults - faults, 1);
}

static void start_all_at_first(void)
{
    u64 taken;

    bench_profile("start.all", 1);
    bench_begin();
    bench_expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_ALL_AT_FIRST) == 0,
                 "start the log, all dirty at first");
    taken = bench_end();
    bench_result("start.all", taken, 1);
    bench_expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
}

static void snapshots(void)
{
    struct snapshot_result restored;
    struct snapshot *snapshot;

    bench_expect(snapshot_take(vm, &snapshot) == 0, "take a snapshot");
    /* The first writes copy. */
    bench_profile("snapshot.first", PROFILED / 4);
    bench_result("snapshot.first", pass(DIRTY_PAGES), DIRTY_PAGES);
    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_profile("reset", DIRTY_PAGES);
        bench_begin();
        bench_expect(snapshot_reset(snapshot, &restored) == 0, "reset");
        bench_result("reset", bench_end(), restored.restored);
        bench_expect(restored.restored >= DIRTY_PAGES && restored.restored <= DIRTY_PAGES + 2,
                     "what was dirty is restored");
        /* The mail is as it was when the snapshot was taken, and so is what the guest knows of it. */
        bench_put(BENCH_DONE, bench_last_order());
        bench_put(BENCH_ORDER, bench_last_order());
        bench_profile("snapshot.again", PROFILED);
        bench_result("snapshot.again", pass(DIRTY_PAGES), DIRTY_PAGES);
    }
    snapshot_drop(snapshot);
}

void bench_dirty(struct vm_memory *memory)
{
    vm = memory;
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    pages = memslots_find_id(set, 0)->npages;
    memslots_read_end(set);

    log_line("bench: pages %llu", (unsigned long long)pages);
    start_all_at_first();
    if (pages <= 64 << 8)
        logging();
    snapshots();
}
