/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a long operation that owns the lock of a VM should give it up as soon as somebody waits for it, or only after each
 * of its bounded steps: one thread zaps or splits a large range, another one faults on other pages of the same VM all the
 * while. A round in which either thread lost its processor to another program does not count.
 *
 *     contention.pages
 *     contention.{zap,split}.{alone,steps,yield}.ns        the operation: nobody faults, lock kept for a step, given up
 *     contention.{zap,split}.{steps,yield}.flushes         rounds of TLB flushes that it took
 *     contention.{zap,split}.{steps,yield}.faults          resolved during the operation
 *     contention.{zap,split}.{steps,yield}.{median,p99,max}    ns that a fault during the operation took
 *     contention.missing                                   samples that the machine was too busy for
 *     contention.quiet.{median,p99,max}                    ns that a fault takes without the operation
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mm/backing.h"
#include "mm/vm.h"
#include "tests/bench/bench.h"
#include "tests/bench/port_bench.h"

enum { SAMPLES = 15, SECONDS = 60, RAM_FRAMES = 4 << 18, WARM_UP = 1000, QUIET_FAULTS = 1 << 14 };
enum operation { ZAP, SPLIT, OPERATIONS };
enum manner { ALONE, STEPS, YIELD, QUIET, MANNERS };
static const char *const operation_names[OPERATIONS] = { "zap", "split" };
static const char *const manner_names[MANNERS] = { "alone", "steps", "yield", "quiet" };

/* What the operation works on lies in the first slot, what is faulted on in the second one. */
struct race {
    struct vm_memory *vm;
    struct vcpu_memory vcpu;
    u64 pages; /* of each slot */
    enum operation operation;
    enum manner manner;
    u64 start, end;               /* ticks of the operation */
    u64 *fault_start, *fault_end; /* ticks of each fault */
    u64 faults;
    bool stop;
    u64 switches[2]; /* of each thread, meanwhile */
};

struct figures {
    u64 samples;
    struct series ns, flushes, faults, median, p99, max;
};

static void operate(struct race *race)
{
    race->start = ticks_now();
    if (race->operation == ZAP)
        vm_memory_zap(race->vm, (gfn_t){ 0 }, race->pages);
    else
        require(vm_memory_split(race->vm, (gfn_t){ 0 }, race->pages, LEVEL_4K) == 0);
    race->end = ticks_now();
}

static void fault_until_stop(struct race *race)
{
    u64 switches = thread_switches();

    for (u64 i = 0; i < race->pages && !__atomic_load_n(&race->stop, __ATOMIC_RELAXED); i++) {
        gpa_t gpa = gfn_to_gpa((gfn_t){ race->pages + i });

        race->fault_start[i] = ticks_now();
        while (vm_memory_fault(&race->vcpu, gpa, ACCESS_WRITE) == FAULT_RETRY)
            ;
        race->fault_end[i] = ticks_now();
        __atomic_store_n(&race->faults, i + 1, __ATOMIC_RELEASE);
    }
    race->switches[1] = thread_switches() - switches;
}

static void run(unsigned index, void *argument)
{
    struct race *race = argument;

    if (index == 1) {
        fault_until_stop(race);
        return;
    }
    if (race->manner != ALONE)
        while (__atomic_load_n(&race->faults, __ATOMIC_ACQUIRE) < WARM_UP)
            __builtin_ia32_pause();
    u64 switches = thread_switches();
    if (race->manner == QUIET) {
        race->start = ticks_now();
        while (__atomic_load_n(&race->faults, __ATOMIC_ACQUIRE) < WARM_UP + QUIET_FAULTS)
            __builtin_ia32_pause();
        race->end = ticks_now();
    } else {
        operate(race);
    }
    race->switches[0] = thread_switches() - switches;
    __atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
}

/* The latencies of the faults that were under way at some time of the operation. */
static void add_latencies(const struct race *race, struct figures *figures)
{
    double *ns = calloc(race->faults, sizeof(*ns));
    u64 count = 0;

    require(ns != NULL);
    for (u64 i = 0; i < race->faults; i++) {
        if (race->fault_end[i] > race->start && race->fault_start[i] < race->end)
            ns[count++] = ns_between(race->fault_start[i], race->fault_end[i]);
    }
    series_add(&figures->faults, (double)count);
    if (count > 0) {
        sort_values(ns, count);
        series_add(&figures->median, quantile(ns, count, 0.5));
        series_add(&figures->p99, quantile(ns, count, 0.99));
        series_add(&figures->max, ns[count - 1]);
    }
    free(ns);
}

/* Whether both threads had their processors all the time. */
static bool run_once(struct race *race, u64 *flushes)
{
    struct vm_memory *vm = race->vm;

    /* Splitting begins with large pages, zapping with small ones; what the other thread faults on is not mapped. */
    vm_memory_zap(vm, (gfn_t){ 0 }, 2 * race->pages);
    require(vm_memory_populate(vm, (gfn_t){ 0 }, race->pages) == 0);
    if (race->operation == ZAP)
        require(vm_memory_split(vm, (gfn_t){ 0 }, race->pages, LEVEL_4K) == 0);
    race->faults = race->switches[0] = race->switches[1] = 0;
    race->stop = false;
    spt_yield_on_contention = race->manner == YIELD;

    u64 before = vm_memory_get_stats(vm).flushes;
    bench_threads(race->manner == ALONE ? 1 : 2, run, race);
    *flushes = vm_memory_get_stats(vm).flushes - before;
    return race->switches[0] + race->switches[1] == 0;
}

/* One more sample, unless the machine was busy with something else. */
static void measure(struct race *race, struct figures *figures)
{
    u64 flushes;

    if (!run_once(race, &flushes))
        return;
    figures->samples++;
    if (race->manner != QUIET)
        series_add(&figures->ns, ns_between(race->start, race->end));
    if (race->manner != QUIET && race->manner != ALONE)
        series_add(&figures->flushes, (double)flushes);
    if (race->manner != ALONE)
        add_latencies(race, figures);
}

/* Samples that all figures together still need; one round of those that need some. */
static u64 measure_all(struct race *race, struct figures figures[OPERATIONS][MANNERS])
{
    u64 missing = 0;

    for (race->operation = 0; race->operation < OPERATIONS; race->operation++) {
        for (race->manner = 0; race->manner < MANNERS; race->manner++) {
            struct figures *these = &figures[race->operation][race->manner];

            if (these->samples == SAMPLES || (race->manner == QUIET && race->operation != ZAP))
                continue;
            measure(race, these);
            missing += SAMPLES - these->samples;
        }
    }
    return missing;
}

static void print(struct figures *figures, const char *name)
{
    series_print(&figures->ns, MEDIAN, "ns", "contention.%s.ns", name);
    series_print(&figures->flushes, MEDIAN, "flushes", "contention.%s.flushes", name);
    series_print(&figures->faults, MEDIAN, "faults", "contention.%s.faults", name);
    series_print(&figures->median, MEDIAN, "ns", "contention.%s.median", name);
    series_print(&figures->p99, MEDIAN, "ns", "contention.%s.p99", name);
    series_print(&figures->max, MEDIAN, "ns", "contention.%s.max", name);
}

static void add_memory(struct vm_memory *vm, u32 id, u64 pages, enum level largest)
{
    struct backing *backing;

    require(backing_create(pages, BACKING_ON_DEMAND, &backing) == 0);
    require(vm_memory_add_slot(vm, id, (gfn_t){ id * pages }, pages, backing, 0, 0, largest) == 0);
    backing_put(backing);
    require(vm_memory_populate(vm, (gfn_t){ id * pages }, pages) == 0);
}

int main(void)
{
    static struct figures figures[OPERATIONS][MANNERS];
    static struct race race;
    struct series size = { 0 }, too_few = { 0 };

    bench_start();
    if (bench_processors() < 2)
        return 0;

    u64 frames = bench_frames(RAM_FRAMES);
    bool was = spt_yield_on_contention;
    race.pages = frames / 4;
    race.fault_start = calloc(race.pages, sizeof(u64));
    race.fault_end = calloc(race.pages, sizeof(u64));
    require(race.fault_start != NULL && race.fault_end != NULL);
    port_bench_start(frames);
    series_add(&size, (double)race.pages);
    series_print(&size, MEDIAN, "pages", "contention.pages");
    require(vm_memory_create(&race.vm) == 0);
    add_memory(race.vm, 0, race.pages, LEVEL_2M);
    add_memory(race.vm, 1, race.pages, LEVEL_4K);
    vcpu_memory_init(&race.vcpu, race.vm);

    time_t end = time(NULL) + SECONDS;
    u64 missing;
    do
        missing = measure_all(&race, figures);
    while (missing != 0 && time(NULL) < end);

    for (unsigned operation = 0; operation < OPERATIONS; operation++) {
        for (unsigned manner = ALONE; manner < QUIET; manner++) {
            char name[32];

            snprintf(name, sizeof(name), "%s.%s", operation_names[operation], manner_names[manner]);
            print(&figures[operation][manner], name);
        }
    }
    print(&figures[ZAP][QUIET], "quiet");
    series_add(&too_few, (double)missing);
    series_print(&too_few, MEDIAN, "samples", "contention.missing");
    spt_yield_on_contention = was;
    vcpu_memory_destroy(&race.vcpu);
    vm_memory_destroy(race.vm);
    port_bench_stop();
    free(race.fault_start);
    free(race.fault_end);
    return 0;
}
