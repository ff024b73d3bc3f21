/* SPDX-License-Identifier: BSD-2-Clause */
/* All of them work on the same memory. */
#include "guest-stubs/smp/smp.h"

enum { INCREMENTS = 5000, ROUNDS = 50, LAPS = 20 };

static volatile u32 atomic_counter, token;
static volatile u32 slots[PROCESSORS_MAX];

static void increment(void)
{
    for (unsigned i = 0; i < INCREMENTS; i++)
        __atomic_fetch_add(&atomic_counter, 1, __ATOMIC_RELAXED);
}

/* In each round everybody writes its slot, and then sees what all have written. */
static void meet(void)
{
    struct processor *self = this_processor();
    u32 right = 0;

    for (unsigned round = 1; round <= ROUNDS; round++) {
        bool all = true;
        slots[self->index] = round;
        barrier();
        for (unsigned i = 0; i < processor_count; i++)
            all = all && slots[i] == round;
        barrier();
        right += all;
    }
    self->result = right;
}

static void pass_token(void)
{
    struct processor *self = this_processor();

    for (unsigned lap = 0; lap < LAPS; lap++) {
        wait_until(__atomic_load_n(&token, __ATOMIC_ACQUIRE) == lap * processor_count + self->index);
        slots[self->index] = lap;
        __atomic_fetch_add(&token, 1, __ATOMIC_RELEASE);
    }
}

void check_parallel(void)
{
    run_on_all(increment);
    ok(atomic_counter == INCREMENTS * processor_count, "all increment one number: %u", atomic_counter);
    run_on_all(meet);
    ok(results(ROUNDS) == processor_count, "all meet %u times, and see what the others wrote", (unsigned)ROUNDS);
    run_on_all(pass_token);
    ok(token == LAPS * processor_count, "a token goes round %u times", (unsigned)LAPS);
}
