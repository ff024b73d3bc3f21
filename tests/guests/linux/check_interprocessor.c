/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from processor to processor: a process wanders over all of them, and barriers interrupt those that compute. */
#include "tests/guests/linux/init.h"

#include <linux/membarrier.h>

enum { BARRIERS = 20, ROUNDS = 5 };

static struct {
    u32 spinning, done, failed;
} * shared;

static int spin_or_interrupt(unsigned processor)
{
    unsigned online = processors();

    if (CALL_3(membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) != 0)
        __atomic_store_n(&shared->failed, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&shared->spinning, 1, __ATOMIC_ACQ_REL);
    if (processor == 0) {
        while (__atomic_load_n(&shared->spinning, __ATOMIC_ACQUIRE) < online)
            CALL_0(sched_yield);
        for (unsigned i = 0; i < BARRIERS; i++) {
            if (CALL_3(membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
                __atomic_store_n(&shared->failed, 1, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&shared->done, 1, __ATOMIC_RELEASE);
    }
    while (!__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE))
        __asm__ volatile("pause");
    return 0;
}

static void check_calls(void)
{
    u64 before[PROCESSORS_MAX] = { 0 }, after[PROCESSORS_MAX] = { 0 };
    unsigned online = processors(), called = 0;

    shared = shared_memory(sizeof(*shared));
    interrupts_count("CAL:", before);
    on_each_processor(spin_or_interrupt, 1);
    interrupts_count("CAL:", after);
    for (unsigned i = 1; i < online; i++) {
        called += after[i] >= before[i] + BARRIERS / 2; /* it may have run something else meanwhile */
        print("# processor %u: %u function calls\n", (u64)i, after[i] - before[i]);
    }
    ok(!shared->failed && called == online - 1, "barriers interrupted %u other processors", (u64)called);
}

/* The processor that the process leaves wakes another one, by an interrupt. */
static void check_migration(void)
{
    u64 before[PROCESSORS_MAX] = { 0 }, after[PROCESSORS_MAX] = { 0 }, sent = 0;
    unsigned online = processors(), arrived = 0;
    u64 all = (1ull << online) - 1;

    interrupts_count("RES:", before);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < online; i++) {
            unsigned now = online;
            run_on(i);
            CALL_3(getcpu, &now, NULL, NULL);
            arrived += now == i;
        }
    }
    CALL_3(sched_setaffinity, 0, sizeof(all), &all);
    interrupts_count("RES:", after);
    for (unsigned i = 0; i < online; i++)
        sent += after[i] - before[i];
    ok(arrived == ROUNDS * online, "moved to each of %u processors, %u rescheduling interrupts", (u64)online, sent);
}

void check_interprocessor(void)
{
    if (processors() > 1) {
        check_calls();
        check_migration();
    }
}
