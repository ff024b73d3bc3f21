/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that run freely on one simulated machine, under the thread sanitizer: what tests/unit does in an order, in all
 * orders that happen. A program takes the seconds as its argument (2) and prints one test of TAP. The first race that the
 * sanitizer sees, and the first check that fails, ends it.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include "tests/unit/mm_support.h"

#define STRESS_CHECK(condition) ((condition) ? (void)0 : stress_fail(__FILE__, __LINE__, #condition))
_Noreturn void stress_fail(const char *file, int line, const char *condition);

/*
 * Runs `threads` threads, each with its number, which is also its port_processor(), and with random numbers of its own, until
 * the time is over and they see it. The machine is the caller's.
 */
void stress_run(unsigned threads, void (*actor)(unsigned number, u64 *seed));
bool stress_is_over(void);

static inline bool chance(u64 *seed, u64 of)
{
    return random_below(seed, of) == 0;
}

/* For main(): the seconds to run; and the line that says that all went well. */
void stress_begin(int argc, char **argv);
int stress_end(const char *name);

#endif
