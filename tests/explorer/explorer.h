/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interleaving explorer: up to four actors run the real code of mm/, one at a time, and at every scheduling point it is
 * decided which of them goes on. All decisions are tried, depth first, up to a number of preemptions (Musuvathi and Qadeer,
 * "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", 2007): first without any, then with one,
 * with two, … So what is found is found with the least number of them, and every run can be repeated from its schedule.
 *
 * A scheduling point is every mm_point() (before each atomic operation), port_kick(), port_yield(), port_relax(), each step
 * of a guest's access (tests/explorer/guest.h), and an actor's end. To leave an actor that could go on is a preemption;
 * where it waits, yields or ends, the change is free, and every other actor is tried.
 *
 * Waiting: port_relax() says that nothing happens until somebody else writes, so the actor goes on when what its loop looks
 * at has changed (tests/explorer/wait.h); if nobody can go on, that is a deadlock. port_yield() also stands where nothing is
 * waited for: it is a point as every other one; but if the actor comes back having seen the same, it waits, too. More than
 * EXPLORER_STEP_LIMIT points are a livelock.
 *
 * A word that no operation changes in any execution is no reason to let another actor go on in front of it: reading it is
 * as good as a local step. So such points are left out (most are entries of tables that stay as they are), and what lies on
 * both sides of them is one step. Which words change is learned on the way: whoever changes one is seen doing it, also where
 * the point was left out; then the search begins again, and leaves it out no more.
 *
 * What is explored: sequentially consistent interleavings with at most `bound` preemptions. What is not: the order in
 * which a processor shows its writes to others (x86 delays a plain release store behind later loads: the threads' stress
 * under the thread sanitizer, and the argument at each barrier, are for that), more preemptions, and anything between two
 * points: counters and the sections of leaf spinlocks are one step by construction (mm/spinlock.h), whose locks the
 * explorer therefore does not test.
 *
 * Every execution begins with the same bytes: what the scenario's setup made (tests/explorer/machine.h).
 */
#ifndef TESTS_EXPLORER_EXPLORER_H
#define TESTS_EXPLORER_EXPLORER_H

#include "mm/types.h"

enum { EXPLORER_ACTORS = 4, EXPLORER_STEP_LIMIT = 50000 };

struct scenario {
    const char *name;
    u64 frames;                           /* of RAM; 0: 128 */
    void (*setup)(void);                  /* once; NULL: nothing */
    void (*actor[EXPLORER_ACTORS])(void); /* processor n runs actor n */
    void (*check)(void); /* after each execution, and frees what setup and actors have made; NULL: nothing */
    bool broken;         /* of the self-test: a schedule that fails must be found */
    int bound;           /* preemptions in the short run, where 2 take too long or are too few; 0: 2 */
};

struct exploration {
    u64 interleavings; /* with at most `bound` preemptions */
    int bound;         /* the largest that was tried; on a failure: preemptions that it took */
    bool failed;
    char message[512];
    char schedule[2048];
};

/* All interleavings with up to `bound` preemptions, until one fails. */
struct exploration explore(const struct scenario *scenario, int bound);

/* The one with this schedule. `trace` lists its points on stdout. */
struct exploration explore_schedule(const struct scenario *scenario, const char *schedule, bool trace);

/* In an actor: another one may go on here. `what` is for the list of points. */
void explorer_point(const char *what);

/* In an actor or a check: the execution ends here, the scenario has failed. */
__attribute__((noreturn, format(printf, 1, 2))) void explorer_fail(const char *format, ...);

/* A scenario, known to the program by its name. */
#define SCENARIO(name_, ...)                                                         \
    static const struct scenario scenario_##name_ = { .name = #name_, __VA_ARGS__ }; \
    static const struct scenario *const pointer_##name_ __attribute__((section("scenarios"), used)) = &scenario_##name_
extern const struct scenario *const __start_scenarios[], *const __stop_scenarios[];

#define EXPECT(condition)                                                                       \
    do {                                                                                        \
        if (!(condition))                                                                       \
            explorer_fail("%s:%d: %s: expected: %s", __FILE__, __LINE__, __func__, #condition); \
    } while (false)

#endif
