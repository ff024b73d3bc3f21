/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making and removing many tables at once: shattering 2M pages into 4K ones, with and without the hash of tables, and mapping
 * and unmapping 4K pages; beside the floor, in turns. Once with caches that hold what the round before left there, once with
 * caches that hold something else.
 *
 *     tables.pages                                              pages of the memory
 *     tables.floor.{warm,cold}                                  ns to fill as many bytes as the tables have
 *     tables.split{,_hash}.{warm,cold}                          ns for all
 *     tables.{populate,zap}{,_hash}.{warm,cold}                 ns for all
 *     tables.split{,_hash}.{alloc,lookup,rest}.{warm,cold}      ns for all, of a run with brackets around each part
 *     tables.split{,_hash}.lookups                              how many
 */
#include <string.h>

#include "mm/backing.h"
#include "mm/shadow_hash.h"
#include "mm/table_cache.h"
#include "mm/vm.h"
#include "tests/bench/bench.h"
#include "tests/bench/port_bench.h"

enum { SPLIT_ROUNDS = 101, PAGES_ROUNDS = 21, RAM_FRAMES = 2 << 18 };

/* What is linked in the place of the functions that tests/bench/bench.mk wraps, while `bracketed`. */
static bool bracketed;
static double alloc_ns, lookup_ns;
static u64 lookups;

int __real_table_cache_fill(struct table_cache *cache, unsigned count);
int __wrap_table_cache_fill(struct table_cache *cache, unsigned count);
int __wrap_table_cache_fill(struct table_cache *cache, unsigned count)
{
    if (!bracketed)
        return __real_table_cache_fill(cache, count);

    u64 start = ticks_now();
    int error = __real_table_cache_fill(cache, count);
    alloc_ns += ns_since(start);
    return error;
}

struct shadow_page *__real_shadow_hash_find_or_add(struct shadow_hash *hash, struct shadow_page *wanted);
struct shadow_page *__wrap_shadow_hash_find_or_add(struct shadow_hash *hash, struct shadow_page *wanted);
struct shadow_page *__wrap_shadow_hash_find_or_add(struct shadow_hash *hash, struct shadow_page *wanted)
{
    if (!bracketed)
        return __real_shadow_hash_find_or_add(hash, wanted);

    u64 start = ticks_now();
    struct shadow_page *found = __real_shadow_hash_find_or_add(hash, wanted);
    lookup_ns += ns_since(start);
    lookups++;
    return found;
}

/* A VM that shows the whole backing, mapped up to `largest`; with `hash` also a second root. */
struct machine {
    const char *suffix;
    struct vm_memory *vm;
    struct vcpu_memory vcpu;
    u64 pages;
    struct series split[2], alloc[2], lookup[2], rest[2], populate[2], zap[2], count;
};

static void machine_start(struct machine *machine, struct backing *backing, enum level largest, bool hash)
{
    u64 pages = backing_pages(backing);
    u32 view;

    *machine = (struct machine){ .suffix = hash ? "_hash" : "", .pages = pages };
    require(vm_memory_create(&machine->vm) == 0);
    require(vm_memory_add_slot(machine->vm, 0, (gfn_t){ 0 }, pages, backing, 0, 0, largest) == 0);
    vcpu_memory_init(&machine->vcpu, machine->vm);
    if (hash) {
        require(vm_memory_create_view(machine->vm, &view) == 0);
        require(vcpu_memory_select(&machine->vcpu, view, 4) == 0);
    }
}

static void machine_stop(struct machine *machine)
{
    vcpu_memory_destroy(&machine->vcpu);
    vm_memory_destroy(machine->vm);
}

static u64 mapped(const struct machine *machine, enum level level)
{
    return vm_memory_get_stats(machine->vm).mapped[level];
}

static double populate(struct machine *machine, enum level level)
{
    double start = thread_ns();

    require(vm_memory_populate(machine->vm, (gfn_t){ 0 }, machine->pages) == 0);
    double ns = thread_ns() - start;
    require(mapped(machine, level) == machine->pages / level_pages(level));
    return ns;
}

static double zap(struct machine *machine, enum level level)
{
    double start = thread_ns();

    vm_memory_zap(machine->vm, (gfn_t){ 0 }, machine->pages);
    double ns = thread_ns() - start;
    require(mapped(machine, level) == 0);
    return ns;
}

static double split(struct machine *machine)
{
    double start = thread_ns();

    require(vm_memory_split(machine->vm, (gfn_t){ 0 }, machine->pages, LEVEL_4K) == 0);
    double ns = thread_ns() - start;
    require(mapped(machine, LEVEL_4K) == machine->pages);
    return ns;
}

static void make_cold(bool cold)
{
    if (cold)
        caches_sweep();
}

static void measure_split(struct machine *machine, bool cold)
{
    for (unsigned part = 0; part < 2; part++) {
        populate(machine, LEVEL_2M);
        bracketed = part == 1;
        alloc_ns = lookup_ns = 0;
        lookups = 0;
        make_cold(cold);
        u64 start = ticks_now();
        double ns = split(machine);
        double elapsed = ns_since(start);
        bracketed = false;
        zap(machine, LEVEL_4K);
        if (part == 0) {
            series_add(&machine->split[cold], ns);
        } else {
            series_add(&machine->alloc[cold], alloc_ns);
            series_add(&machine->lookup[cold], lookup_ns);
            series_add(&machine->rest[cold], elapsed - alloc_ns - lookup_ns);
            series_add(&machine->count, (double)lookups);
        }
    }
}

static void measure_pages(struct machine *machine, bool cold)
{
    make_cold(cold);
    series_add(&machine->populate[cold], populate(machine, LEVEL_4K));
    make_cold(cold);
    series_add(&machine->zap[cold], zap(machine, LEVEL_4K));
}

static void print(struct machine *machine)
{
    for (unsigned cold = 0; cold < 2; cold++) {
        const char *how = cold ? "cold" : "warm";

        series_print(&machine->split[cold], LEAST, "ns", "tables.split%s.%s", machine->suffix, how);
        series_print(&machine->alloc[cold], LEAST, "ns", "tables.split%s.alloc.%s", machine->suffix, how);
        series_print(&machine->lookup[cold], LEAST, "ns", "tables.split%s.lookup.%s", machine->suffix, how);
        series_print(&machine->rest[cold], LEAST, "ns", "tables.split%s.rest.%s", machine->suffix, how);
        series_print(&machine->populate[cold], LEAST, "ns", "tables.populate%s.%s", machine->suffix, how);
        series_print(&machine->zap[cold], LEAST, "ns", "tables.zap%s.%s", machine->suffix, how);
    }
    series_print(&machine->count, LEAST, "lookups", "tables.split%s.lookups", machine->suffix);
}

/* Both machines, and the floor for as many tables, one after the other in each round. */
static void compare(u64 pages, enum level largest, unsigned rounds, void (*measure)(struct machine *machine, bool cold),
                    struct series *floor)
{
    static struct machine machines[2];
    struct backing *backing;

    require(backing_create(pages, BACKING_ON_DEMAND, &backing) == 0);
    for (unsigned i = 0; i < 2; i++) {
        machine_start(&machines[i], backing, largest, i == 1);
        /* The backing gets its frames, and everything was there once. */
        populate(&machines[i], largest);
        zap(&machines[i], largest);
    }
    for (unsigned cold = 0; cold < 2; cold++) {
        for (unsigned round = 0; round < rounds; round++) {
            for (unsigned i = 0; i < 2; i++) {
                measure(&machines[i], cold);
                floor_take(pages / level_pages(LEVEL_2M));
                make_cold(cold);
                series_add(&floor[cold], floor_fill());
                floor_give_back();
            }
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        print(&machines[i]);
        machine_stop(&machines[i]);
    }
    backing_put(backing);
}

int main(void)
{
    static struct series floor[2];
    struct series size = { 0 };

    bench_start();

    u64 frames = bench_frames(RAM_FRAMES);
    u64 pages = frames / 2; /* the rest is for tables */
    port_bench_start(frames);
    series_add(&size, (double)pages);
    series_print(&size, LEAST, "pages", "tables.pages");
    compare(pages, LEVEL_2M, SPLIT_ROUNDS, measure_split, floor);
    compare(pages, LEVEL_4K, PAGES_ROUNDS, measure_pages, floor);
    series_print(&floor[0], LEAST, "ns", "tables.floor.warm");
    series_print(&floor[1], LEAST, "ns", "tables.floor.cold");
    port_bench_stop();
    return 0;
}
