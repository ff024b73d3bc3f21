/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU that writes, and checks that what it wrote stands there: see tests/stress/dirty_world.h. */
#include "mm/atomic.h"
#include "tests/stress/dirty_world.h"

static _Thread_local struct {
    unsigned number;
    u64 *seed;
    u64 life, count, writes, stale;
    u64 expected[PAGES];
    struct guest guest;
} my;

static enum guest_result access(gfn_t gfn, u64 page, u64 needed)
{
    u64 *word;
    enum guest_result result = guest_translate(&my.guest, gfn, needed, my.number * WORD_STEP, &word);

    if (result != GUEST_DONE)
        return result;
    STRESS_CHECK(__atomic_load_n(word, __ATOMIC_RELAXED) == my.expected[page]);
    if (needed & EPT_WRITE) {
        my.expected[page] = ++my.count;
        __atomic_store_n(word, my.count, __ATOMIC_RELAXED);
        my.writes++;
        my.stale += my.guest.late != 0;
    }
    return result;
}

static void stay(gfn_t *gfn, u64 *needed)
{
    u64 accesses = 1 + random_below(my.seed, 512), page = 0;
    enum guest_result result = GUEST_DONE;

    guest_enter(&my.guest);
    if (my.guest.entry.blocked)
        accesses = 0;
    for (u64 i = 0; i < accesses && result == GUEST_DONE && guest_may_stay(&my.guest); i++) {
        STRESS_CHECK(dirty_decode(*gfn, &page));
        result = access(*gfn, page, *needed);
        /* What needs no more than the entry is done without leaving. */
        if (result == GUEST_VIOLATION && chance(my.seed, 2) &&
            vcpu_memory_fault_inside(&my.guest.memory, gfn_to_gpa(*gfn), (u32)*needed))
            result = access(*gfn, page, *needed);
        if (result == GUEST_DONE && !guest_is_late(&my.guest, gfn, needed)) {
            *gfn = dirty_gfn(my.seed);
            *needed = chance(my.seed, 8) ? EPT_READ : EPT_READ | EPT_WRITE;
        }
    }
    guest_leave(&my.guest);
    if (accesses == 0)
        port_yield();
    if (result != GUEST_VIOLATION)
        return;
    enum fault_result fault = guest_fault(&my.guest, *gfn, *needed);
    if (fault == FAULT_NO_SLOT) {
        STRESS_CHECK(gfn->v >= dirty_slots[MOVING].base[0].v);
        *gfn = dirty_gfn(my.seed);
    } else if (fault == FAULT_RETRY) {
        port_yield();
    } else {
        STRESS_CHECK(fault == FAULT_INSTALLED || fault == FAULT_SPURIOUS);
    }
}

static void run(void)
{
    u64 needed = EPT_READ;
    gfn_t gfn = dirty_gfn(my.seed);

    if (my.life != dirty_life())
        memset(my.expected, 0, sizeof(my.expected));
    my.life = dirty_life();
    guest_init(&my.guest, dirty_world.vm, my.seed);
    if (chance(my.seed, 2))
        STRESS_CHECK(vcpu_memory_open_ring(&my.guest.memory, DIRTY_RING_MIN) == 0);
    while (!dirty_stands_still())
        stay(&gfn, &needed);
    guest_destroy(&my.guest);
    counter_add(&dirty_world.writes, (s64)my.writes);
    counter_add(&dirty_world.stale, (s64)my.stale);
    my.writes = my.stale = 0;
}

void dirty_vcpu(unsigned number, u64 *seed)
{
    my.number = number;
    my.seed = seed;
    while (dirty_goes_on(number))
        run();
}
