/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No write is lost (C10): vCPUs write, also through translations that are stale, while the log is harvested, started and
 * stopped, pages are split, collapsed and moved, and slots change; on processors that log writes, that have A and D bits, and
 * that have neither. See tests/stress/dirty_world.h.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "mm/atomic.h"
#include "tests/stress/dirty_world.h"

/* A VM lives so many rounds, each of so many milliseconds. `make stress`, with its 600 s, must reach WANTED writes. */
enum { FRAMES = 16384, ROUND_MS = 150, ROUNDS = 6, LONG_RUN = 600 };
#define WANTED 100000000ull

const struct dirty_slot dirty_slots[SLOTS] = {
    { { { 0 }, { 0 } }, 0, 1024 },
    { { { 4097 }, { 4097 } }, 1024, 512 },
    { { { 8192 }, { 12310 } }, 1536, 64 },
};

struct dirty_world dirty_world;

static enum { RUN, STAND_STILL, END } state = STAND_STILL;
static pthread_barrier_t all_here;
static u64 life, compared;

gfn_t dirty_gfn(u64 *seed)
{
    if (chance(seed, 1 << 14))
        __atomic_store_n(&dirty_world.hot, random_below(seed, 1024), __ATOMIC_RELAXED);

    const struct dirty_slot *slot = &dirty_slots[chance(seed, 4) ? random_below(seed, SLOTS) : 0];
    u64 hot = __atomic_load_n(&dirty_world.hot, __ATOMIC_RELAXED) + random_below(seed, 24);
    u64 page = chance(seed, 16) ? random_below(seed, slot->npages) : hot % slot->npages;

    return (gfn_t){ slot->base[random_below(seed, PLACES)].v + page };
}

bool dirty_decode(gfn_t gfn, u64 *page)
{
    for (unsigned i = 0; i < SLOTS * PLACES; i++) {
        const struct dirty_slot *slot = &dirty_slots[i / PLACES];
        u64 at = gfn.v - slot->base[i % PLACES].v;

        *page = slot->offset + at;
        if (at < slot->npages)
            return true;
    }
    return false;
}

bool dirty_stands_still(void)
{
    return atomic_read(&state) != RUN;
}

u64 dirty_life(void)
{
    return life;
}

bool dirty_goes_on(unsigned number)
{
    pthread_barrier_wait(&all_here);
    pthread_barrier_wait(&all_here);
    return atomic_read(&state) != END;
}

/* Who waits long lets others have its processor; sched_yield() alone seldom does. */
static void wait_for_others(void)
{
    static _Thread_local unsigned count;

    if (++count % 16 == 0)
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
    else
        sched_yield();
}

static void begin_vm(u64 *seed)
{
    struct mm_caps caps = port_host_caps;
    unsigned kind = life++ % 3;

    caps.log_modifications = kind == 0;
    caps.access_dirty = kind != 2;
    mm_init(&caps);
    STRESS_CHECK(backing_create(PAGES, chance(seed, 2) ? BACKING_ON_DEMAND : 0, &dirty_world.backing) == 0);
    STRESS_CHECK(vm_memory_create(&dirty_world.vm) == 0);
    for (u32 id = 0; id < SLOTS; id++) {
        const struct dirty_slot *slot = &dirty_slots[id];

        STRESS_CHECK(vm_memory_add_slot(dirty_world.vm, id, slot->base[0], slot->npages, dirty_world.backing,
                                        slot->offset, 0, LEVEL_2M) == 0);
    }
    dirty_mirror_begin(seed);
}

static void end_vm(void)
{
    dirty_mirror_end();
    vm_memory_destroy(dirty_world.vm);
    backing_put(dirty_world.backing);
    dirty_world.vm = NULL;
}

static void judge(void)
{
    dirty_compare();
    compared++;
    if (mm_audit() != 0) {
        fprintf(stderr, "%s\n", port_host.last_log);
        STRESS_CHECK(!"the memory is sound");
    }
}

static u64 now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

/* The mirror's thread says when all stand still. */
static void conduct(u64 *seed)
{
    for (u64 round = 0;; round++) {
        pthread_barrier_wait(&all_here);
        if (dirty_world.vm != NULL)
            judge();
        if (dirty_world.vm != NULL && (round % ROUNDS == 0 || stress_is_over()))
            end_vm();
        if (stress_is_over())
            break;
        if (dirty_world.vm == NULL)
            begin_vm(seed);
        atomic_write(&state, RUN);
        pthread_barrier_wait(&all_here);
        for (u64 end = now_ms() + ROUND_MS; now_ms() < end && !stress_is_over();)
            dirty_mirror_step(seed);
        atomic_write(&state, STAND_STILL);
        /* Until all are here: one may wait for room in its ring. */
    }
    atomic_write(&state, END);
    pthread_barrier_wait(&all_here);
}

static void actor(unsigned number, u64 *seed)
{
    if (number < DIRTY_VCPUS)
        dirty_vcpu(number, seed);
    else if (number == MIRROR)
        conduct(seed);
    else
        dirty_changer(number, seed);
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    pthread_barrier_init(&all_here, NULL, DIRTY_THREADS);
    port_host_start(FRAMES);
    port_host.on_relax = port_host.on_yield = wait_for_others;
    port_host.on_kick = guest_kick;
    stress_run(DIRTY_THREADS, actor);
    port_host_stop();
    printf("# %llu writes, %llu of them after a kick; %llu reports, compared %llu times in %llu VMs\n",
           (unsigned long long)dirty_world.writes, (unsigned long long)dirty_world.stale,
           (unsigned long long)dirty_reports(), (unsigned long long)compared, (unsigned long long)life);
    STRESS_CHECK(dirty_world.stale != 0 && compared != 0);
    STRESS_CHECK(argc < 2 || atoi(argv[1]) < LONG_RUN || dirty_world.writes >= WANTED);
    return stress_end("no write is lost");
}
