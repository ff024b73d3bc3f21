/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/stress/mm_world.h. */
#include "tests/stress/mm_world.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "tests/stress/guest.h"

enum { FRAMES = 8192, AUDIT_PERIOD = 1 /* s */ };

struct world world;

bool world_decode(gfn_t gfn, struct shown *shown)
{
    u64 window = gfn.v / WINDOW;
    unsigned backing = window % BACKINGS;

    if (window >= WINDOWS || gfn.v < window_base(window) || gfn.v - window_base(window) >= pages_of(backing))
        return false;
    *shown = (struct shown){ backing, window, gfn.v - window_base(window) };
    return true;
}

u64 world_page(unsigned backing, u64 *seed)
{
    if (chance(seed, 4096))
        __atomic_store_n(&world.hot, random_below(seed, STEADY_PAGES), __ATOMIC_RELAXED);
    if (chance(seed, 8))
        return random_below(seed, pages_of(backing));
    return (__atomic_load_n(&world.hot, __ATOMIC_RELAXED) + random_below(seed, chance(seed, 2) ? 2 : 8)) %
           pages_of(backing);
}

static u64 hot_window(void)
{
    u64 hot = __atomic_load_n(&world.hot, __ATOMIC_RELAXED);

    return hot / 16 % 2 == 0 ? STEADY : hot < FROZEN_FIRST ? LOOSE : FROZEN_WINDOW;
}

u64 world_window(u64 *seed)
{
    if (chance(seed, 16))
        return random_below(seed, WINDOWS);
    return hot_window();
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

static void kick(struct vm_memory *vm)
{
    guest_kick(vm);
    operator_kicked(vm);
}

void world_begin(void)
{
    port_host_start(FRAMES);
    port_host.on_relax = port_host.on_yield = wait_for_others;
    port_host.on_kick = kick;
    for (unsigned i = 0; i < BACKINGS; i++)
        STRESS_CHECK(backing_create(pages_of(i), BACKING_ON_DEMAND, &world.backings[i]) == 0);
    for (unsigned i = 0; i < VMS; i++) {
        struct vm_memory **vm = &world.vms[i].vm;

        STRESS_CHECK(vm_memory_create(vm) == 0);
        for (u32 id = 0; id < CHANGING_WINDOW; id++) {
            u64 offset = id == FROZEN_WINDOW ? FROZEN_FIRST : 0;

            STRESS_CHECK(vm_memory_add_slot(*vm, id, (gfn_t){ window_base(id) + offset },
                                            pages_of(id % BACKINGS) - offset, world.backings[id % BACKINGS], offset, 0,
                                            LEVEL_2M) == 0);
        }
    }
}

static void audit(void)
{
    if (mm_audit() == 0)
        return;
    fprintf(stderr, "%s\n", port_host.last_log);
    STRESS_CHECK(!"the memory is sound");
}

void world_end(void)
{
    audit();
    for (unsigned i = 0; i < VMS; i++)
        vm_memory_destroy(world.vms[i].vm);
    for (unsigned i = 0; i < BACKINGS; i++)
        backing_put(world.backings[i]);
    port_host_stop();
}

/* ---- thread 0 says when all stand still, and when all end; so nobody waits for one that has ended. */

enum state { RUN, STAND_STILL, END };
static u64 state;
static pthread_barrier_t all_here;
static time_t last_audit;

__attribute__((constructor)) static void prepare_barrier(void)
{
    pthread_barrier_init(&all_here, NULL, THREADS);
}

static u64 now_state(unsigned number)
{
    if (number == 0 && stress_is_over())
        atomic_write(&state, END);
    else if (number == 0 && time(NULL) >= last_audit + AUDIT_PERIOD)
        atomic_write(&state, STAND_STILL);
    return atomic_read(&state);
}

bool world_stands_still(void)
{
    return atomic_read(&state) == STAND_STILL;
}

bool world_goes_on(unsigned number)
{
    u64 now = now_state(number);

    if (now == STAND_STILL) {
        pthread_barrier_wait(&all_here);
        if (number == 0) {
            audit();
            last_audit = time(NULL);
            atomic_write(&state, RUN);
        }
        pthread_barrier_wait(&all_here);
    }
    return now != END;
}

static u64 counts[COUNT_KINDS];

void world_count(enum counted kind)
{
    counter_add(&counts[kind], 1);
}

void world_report(void)
{
    static const char *const names[] = { "stays in guests", "accesses",   "of them writes",
                                         "faults",          "operations", "private VMs" };

    for (unsigned i = 0; i < COUNT_KINDS; i++) {
        printf("# %llu %s\n", (unsigned long long)counter_read(&counts[i]), names[i]);
        STRESS_CHECK(counter_read(&counts[i]) != 0);
    }
}
