/* SPDX-License-Identifier: BSD-2-Clause */
/* How costs grow with the guest's memory, which is mapped 2M. See in_machine.h. */
#include "mm/dirty_log.h"
#include "mm/recover.h"
#include "mm/snapshot.h"
#include "tests/bench/in_machine.h"

enum { SAMPLES = 2 };

static struct vm_memory *vm;
static u64 pages;
static const gfn_t first = { 0 };

/* The guest is let in before each, so that it is live. */
static void begin(void)
{
    (void)bench_write(BENCH_LOWEST, PAGE_SIZE, 1);
    bench_begin();
}

static void result(const char *what)
{
    bench_result(what, bench_end(), 1);
}

static void collapse(void)
{
    struct recover_result recovered = { 0 };

    begin();
    bench_expect(vm_memory_recover(vm, first, pages, RECOVER_IN_PLACE, 0, &recovered) == 0, "recover");
    result("collapse");
    bench_expect(spt_mapped(&vm->spt, LEVEL_4K) == 0, "all is large");
}

static void logging(void)
{
    begin();
    bench_expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0) == 0, "start the log");
    result("start");
    bench_expect(spt_mapped(&vm->spt, LEVEL_4K) == pages, "all is split");
    begin();
    bench_expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
    result("stop");
    collapse();

    begin();
    bench_expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_ALL_AT_FIRST) == 0,
                 "start the log, all dirty at first");
    result("start_all");
    bench_expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
}

static void tables(void)
{
    begin();
    bench_expect(vm_memory_split(vm, first, pages, LEVEL_4K) == 0, "split");
    result("split");
    begin();
    vm_memory_zap(vm, first, pages);
    result("zap_4K");
    bench_expect(vm_memory_populate(vm, first, pages) == 0, "populate");
    begin();
    vm_memory_zap(vm, first, pages);
    result("zap");
    bench_expect(vm_memory_populate(vm, first, pages) == 0, "populate");
    begin();
    bench_expect(vm_memory_invalidate_all(vm) == 0, "invalidate all");
    result("invalidate");
    bench_expect(vm_memory_populate(vm, first, pages) == 0, "populate");
}

static void snapshot(void)
{
    struct snapshot *taken;

    begin();
    bench_expect(snapshot_take(vm, &taken) == 0, "take a snapshot");
    result("take");
    snapshot_drop(taken);
}

void bench_sizes(struct vm_memory *memory)
{
    vm = memory;
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    pages = memslots_find_id(set, 0)->npages;
    memslots_read_end(set);

    bench_expect(vm_memory_populate(vm, first, pages) == 0, "populate");
    for (unsigned sample = 0; sample < SAMPLES; sample++) {
        logging();
        tables();
    }
    snapshot();
}
