/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers do not expire early, nor by much too late, on every processor; and their interrupts come there. */
#include "tests/guests/linux/init.h"

#include <asm/signal.h>
#include <linux/time.h>

enum {
    MS = 1000 * 1000,
    SLEEPS = 10,
    SLEEP_NS = 2 * MS,
    LATE_NS = 20 * MS, /* on average: other guests may have their turn meanwhile */
    JIFFY_NS = 4 * MS, /* how exact timers are without a local APIC */
    TICKS = 10,
    TICK_NS = 2 * MS,
};

static struct {
    u64 early, late_ns;
} * shared;

static int sleep_in_sequence(unsigned processor)
{
    for (unsigned i = 0; i < SLEEPS; i++) {
        u64 start = clock_ns(CLOCK_MONO), slept;
        sleep_ns(SLEEP_NS);
        slept = clock_ns(CLOCK_MONO) - start;
        __atomic_fetch_add(slept < SLEEP_NS ? &shared->early : &shared->late_ns,
                           slept < SLEEP_NS ? 1 : slept - SLEEP_NS, __ATOMIC_RELAXED);
    }
    return 0;
}

/* Local timers, or the one of the machine where there are none. */
static void count_timer_interrupts(u64 *counts)
{
    interrupts_count("LOC:", counts);
    interrupts_count("  timer", counts);
}

static void check_sleep(void)
{
    u64 before[PROCESSORS_MAX] = { 0 }, after[PROCESSORS_MAX] = { 0 }, late;
    unsigned online = processors(), ticking = 0;

    shared = shared_memory(sizeof(*shared));
    count_timer_interrupts(before);
    on_each_processor(sleep_in_sequence, 1);
    count_timer_interrupts(after);
    late = shared->late_ns / (SLEEPS * online);
    ok(shared->early == 0, "of %u sleeps of 2 ms, %u ended early", (u64)SLEEPS * online, shared->early);
    ok(late < LATE_NS, "they ended %u us late on average", late / 1000);
    for (unsigned i = 0; i < online; i++) {
        ticking += after[i] >= before[i] + SLEEPS;
        print("# processor %u: %u timer interrupts, now %u\n", (u64)i, after[i] - before[i], after[i]);
    }
    ok(ticking == online, "a timer interrupt for each sleep came to %u processors", (u64)ticking);
}

static void check_periodic(void)
{
    struct __kernel_itimerspec period = { { 0, TICK_NS }, { 0, TICK_NS } };
    long file = CALL_2(timerfd_create, CLOCK_MONO, 0);
    u64 start = clock_ns(CLOCK_MONO), expired = 0, took;

    CALL_4(timerfd_settime, file, 0, &period, NULL);
    while (expired < TICKS) {
        u64 count = 0;
        if (CALL_3(read, file, &count, sizeof(count)) != sizeof(count))
            break;
        expired += count;
    }
    took = clock_ns(CLOCK_MONO) - start;
    CALL_1(close, file);
    ok(expired >= TICKS && took >= expired * TICK_NS && took < expired * JIFFY_NS + LATE_NS,
       "a periodic timer of 2 ms expired %u times in %u us", expired, took / 1000);
}

/* A program that does not call the kernel is interrupted all the same. */
static void spin(void)
{
    struct __kernel_old_itimerval once = { { 0, 0 }, { 0, 5000 } };

    CALL_3(setitimer, 0 /* ITIMER_REAL */, &once, NULL);
    for (;;)
        __asm__ volatile("pause");
}

void check_timers(void)
{
    check_sleep();
    check_periodic();
    ok(child_signal(spin) == SIGALRM, "a loop is ended by an alarm");
}
