/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest is mapped while things happen to it, for the picture of tools/report. Lines, besides those of in_machine.h:
 *
 *     bench: map memory BYTES                first of all
 *     bench: map phase TIME NAME             what follows is this
 *     bench: map cells RUNS                  in the order of addresses, so many regions of 2M and how they are: 3k509m
 *     bench: map sample TIME 4K 2M 1G TABLES behind its cells: entries by size, and tables
 *
 * How a region is: `k` has a table of 4K entries, `m` is mapped 2M, `g` is in a 1G entry, `.` is not mapped. TIME is in ticks,
 * without those that looking took. See in_machine.h.
 */
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "mm/dirty_log.h"
#include "mm/recover.h"
#include "mm/snapshot.h"
#include "tests/bench/in_machine.h"

enum { REGION_PAGES = 512, REGION_BYTES = 2 << 20, LINE = 160, MOST_RUN = 8 };

static struct vm_memory *vm;
static u64 pages;
static const gfn_t first = { 0 };
static u64 begun, looking; /* ticks */

/* The lock is held. */
static char look_at(u64 region)
{
    gfn_t gfn = { region * REGION_PAGES };
    struct spt_iter it;

    spt_iter_start(&it, &vm->spt, vm->spt.base->page, gfn);
    while (it.level > LEVEL_2M && ept_is_table(it.old, it.level))
        spt_iter_down(&it, gfn);
    if (!ept_is_leaf(it.old, it.level))
        return ept_is_table(it.old, it.level) ? 'k' : '.';
    return it.level == LEVEL_2M ? 'm' : 'g';
}

static void print_cells(void)
{
    char line[LINE];
    unsigned length = 0;

    for (u64 region = 0, end = pages / REGION_PAGES, next; region < end; region = next) {
        char how = look_at(region);

        for (next = region + 1; next < end && look_at(next) == how; next++)
            ;
        length +=
            (unsigned)format_text(line + length, LINE - length, "%llu%c", (unsigned long long)(next - region), how);
        if (length > LINE - MOST_RUN || next == end) {
            log_line("bench: map cells %s", line);
            length = 0;
        }
    }
}

static u64 now(void)
{
    return bench_ticks() - begun - looking;
}

static void look(void)
{
    struct vm_memory_stats stats = vm_memory_get_stats(vm);
    u64 time = now();

    bench_begin();
    rwlock_lock_shared(&vm->spt.lock);
    print_cells();
    rwlock_unlock_shared(&vm->spt.lock);
    log_line("bench: map sample %llu %llu %llu %llu %llu", (unsigned long long)time,
             (unsigned long long)stats.mapped[LEVEL_4K], (unsigned long long)stats.mapped[LEVEL_2M],
             (unsigned long long)stats.mapped[LEVEL_1G], (unsigned long long)stats.tables);
    looking += bench_end();
}

/* Looks every so many ticks, so that what is short is seen too, and once at the end of what was before. */
static void phase(const char *what, u64 every)
{
    bench_sample(NULL, 0);
    look();
    log_line("bench: map phase %llu %s", (unsigned long long)now(), what);
    bench_sample(look, every);
}

static void touch(u64 step)
{
    u64 bytes = (pages << PAGE_SHIFT) - BENCH_LOWEST;

    (void)bench_write(BENCH_LOWEST, (u32)step, (u32)(bytes / step));
}

static void log_start(u32 flags)
{
    bench_expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, flags) == 0, "start the log");
}

static void log_stop(void)
{
    bench_expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
}

static void recover(enum recover_how how)
{
    struct recover_result result;

    bench_expect(vm_memory_recover(vm, first, pages, how, pages, &result) == 0, "recover");
}

/* A quarter of the memory, in pieces, one of which is not a multiple of 2M. */
static void balloon(void)
{
    enum { PIECE = 32 << 8, EVERY = 128 << 8, ODD = 100 };

    for (u64 at = EVERY / 2; at + PIECE <= pages; at += EVERY)
        bench_expect(vm_memory_balloon(vm, (gfn_t){ at + ODD }, PIECE) == 0, "balloon");
}

static void logs(void)
{
    phase("first touch", 10000);
    touch(REGION_BYTES);
    phase("log, lazily", 100000);
    log_start(DIRTY_LAZY);
    touch(REGION_BYTES);
    phase("stop, collapse", 80000);
    log_stop();
    recover(RECOVER_IN_PLACE);
    phase("log, at once", 150000);
    log_start(0);
    phase("stop, drop", 100000);
    log_stop();
    recover(RECOVER_LAZILY);
    touch(REGION_BYTES);
}

static void snapshots(void)
{
    struct snapshot *snapshot;

    phase("snapshot", 1500000);
    bench_expect(snapshot_take(vm, &snapshot) == 0, "take a snapshot");
    phase("writes", 20000);
    touch(16 * REGION_BYTES);
    phase("drop, compact", 1200000);
    snapshot_drop(snapshot);
    recover(RECOVER_COMPACT);
}

void bench_map(struct vm_memory *memory)
{
    vm = memory;
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    pages = memslots_find_id(set, 0)->npages;
    memslots_read_end(set);

    begun = bench_ticks();
    log_line("bench: map memory %llu", (unsigned long long)pages << PAGE_SHIFT);
    logs();
    phase("balloon", 130000);
    balloon();
    phase("touch", 1000000);
    touch(REGION_BYTES);
    snapshots();
    phase("zap", 5000);
    vm_memory_zap(vm, first, pages);
    phase("touch", 140000);
    touch(REGION_BYTES);
    phase("end", 0);
    bench_sample(NULL, 0);
}
