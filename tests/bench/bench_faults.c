/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many faults one and two processors resolve in a second: on pages that have frames, in 4K slots, every page once, so one
 * fault in 512 also makes a table. Two threads share the pages: each its half (tables of its own), or every second page
 * (both work in each table). The pages, and so the work, are the same; and so few that on a busy machine some samples are not
 * interrupted.
 *
 *     faults.pages                                      faults of one sample
 *     faults.{one,own,shared,own_vms}                   ns for one, as a thread sees it
 */
#include "mm/backing.h"
#include "mm/vm.h"
#include "tests/bench/bench.h"
#include "tests/bench/port_bench.h"

enum { ROUNDS = 301, PAGES = 16 << 9, RAM_FRAMES = 4 * PAGES, THREADS = 2 };

/* Each thread's vCPU, and which pages it faults on. */
struct faults {
    struct vcpu_memory *vcpu[THREADS];
    u64 first[THREADS], step, count;
    u64 start[THREADS], end[THREADS];
};

static void fault_all(unsigned index, void *argument)
{
    struct faults *faults = argument;
    u64 gfn = faults->first[index];

    faults->start[index] = ticks_now();
    for (u64 i = 0; i < faults->count; i++, gfn += faults->step) {
        enum fault_result result = vm_memory_fault(faults->vcpu[index], gfn_to_gpa((gfn_t){ gfn }), ACCESS_WRITE);

        require(result == FAULT_INSTALLED);
    }
    faults->end[index] = ticks_now();
}

static void measure(struct faults *faults, unsigned threads, struct series *cost)
{
    bench_threads(threads, fault_all, faults);

    u64 start = faults->start[0], end = faults->end[0];
    for (unsigned i = 1; i < threads; i++) {
        start = faults->start[i] < start ? faults->start[i] : start;
        end = faults->end[i] > end ? faults->end[i] : end;
    }
    series_add(cost, ns_between(start, end) / (double)faults->count);
}

static struct vm_memory *create_vm(u64 pages)
{
    struct vm_memory *vm;
    struct backing *backing;

    require(vm_memory_create(&vm) == 0);
    require(backing_create(pages, BACKING_ON_DEMAND, &backing) == 0);
    require(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, pages, backing, 0, 0, LEVEL_4K) == 0);
    backing_put(backing);
    require(vm_memory_populate(vm, (gfn_t){ 0 }, pages) == 0);
    vm_memory_zap(vm, (gfn_t){ 0 }, pages);
    return vm;
}

int main(void)
{
    enum kind { ONE, OWN, SHARED, OWN_VMS, KINDS };
    static const char *const names[KINDS] = { "one", "own", "shared", "own_vms" };
    static struct series cost[KINDS];
    static struct vcpu_memory vcpu[2][THREADS]; /* of the first VM, and of the second */
    struct series size = { 0 };
    struct vm_memory *vm[2];

    bench_start();

    u64 pages = PAGES;
    unsigned kinds = bench_processors() >= THREADS ? KINDS : OWN;
    port_bench_start(RAM_FRAMES);
    series_add(&size, PAGES);
    series_print(&size, LEAST, "pages", "faults.pages");
    for (unsigned i = 0; i < 2; i++) {
        vm[i] = create_vm(pages);
        for (unsigned j = 0; j < THREADS; j++)
            vcpu_memory_init(&vcpu[i][j], vm[i]);
    }

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned kind = 0; kind < kinds; kind++) {
            unsigned threads = kind == ONE ? 1 : THREADS;
            struct faults faults = {
                .vcpu = { &vcpu[0][0], kind == OWN_VMS ? &vcpu[1][1] : &vcpu[0][1] },
                .first = { 0, kind == SHARED ? 1 : pages / 2 },
                .step = kind == SHARED ? 2 : 1,
                .count = pages / threads,
            };

            measure(&faults, threads, &cost[kind]);
            for (unsigned i = 0; i < 2; i++)
                vm_memory_zap(vm[i], (gfn_t){ 0 }, pages);
        }
    }

    for (unsigned kind = 0; kind < kinds; kind++)
        series_print(&cost[kind], LEAST, "ns", "faults.%s", names[kind]);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < THREADS; j++)
            vcpu_memory_destroy(&vcpu[i][j]);
        vm_memory_destroy(vm[i]);
    }
    port_bench_stop();
    return 0;
}
