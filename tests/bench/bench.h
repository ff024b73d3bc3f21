/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmarks share: a clock, samples, the floor that the memory core is measured against, and lines of results for
 * tools/bench:
 *
 *     NAME UNIT STATISTIC VALUE LEAST MOST SAMPLES
 *
 * Figures that are compared are taken in turns in one run, because the machine is never quiet.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "mm/vm_memory.h"

/* Samples of one figure; more than SERIES_MAX are too many. */
enum { SERIES_MAX = 1024 };

struct series {
    u64 count;
    double value[SERIES_MAX];
};

void series_add(struct series *series, double value);

/*
 * One line of results; nothing where there is no sample. LEAST is for the same work each time: what is above it is the
 * machine's doing. MEDIAN is for what differs by chance.
 */
enum statistic { MEDIAN, LEAST };
__attribute__((format(printf, 4, 5))) void series_print(struct series *series, enum statistic statistic,
                                                        const char *unit, const char *name, ...);

/* The share `part` (0 to 1) of `count` sorted values is below it. */
double quantile(const double *sorted, u64 count, double part);

/* The mean of the middle half: what is outside of it is noise, and the counter is too coarse for a single sample of it. */
double middle_mean(const double *sorted, u64 count);
void sort_values(double *values, u64 count);

/*
 * Ticks of the time stamp counter. What stands before it in the program is done by then, what stands after it has not
 * begun.
 */
static inline u64 ticks_now(void)
{
    u32 low, high;

    __asm__ volatile("mfence; lfence; rdtsc; lfence" : "=a"(low), "=d"(high)::"memory");
    return (u64)high << 32 | low;
}

/* Nanoseconds from `start` to now, without what ticks_now() itself costs. */
double ns_since(u64 start);
double ns_between(u64 start, u64 end);

/*
 * The processor time of this thread in ns: what others do on the processor meanwhile does not count. It costs a system call,
 * so only for what takes tens of microseconds, and not for what waits for another thread.
 */
double thread_ns(void);

/* How often this thread lost its processor to somebody else, or gave it up without need. */
u64 thread_switches(void);

/* First of all: finds out the speed of the counter and pins the process to its first processor. */
void bench_start(void);

/* Processors that the process may use; pins the calling thread to one of them and makes it that one for mm/. */
unsigned bench_processors(void);
void bench_pin(unsigned index);

/*
 * Runs work(0, …) here and work(1, …) and so on in threads of their own, each on its processor; all begin together. Returns
 * when all have ended.
 */
void bench_threads(unsigned count, void (*work)(unsigned index, void *argument), void *argument);

/* Frames that this machine can spare for the simulated RAM, at most `wanted`, a power of two: half of what is available. */
u64 bench_frames(u64 wanted);

/* Fills the caches with something else. */
void caches_sweep(void);

/* Aborts with a message unless `condition` holds. */
#define require(condition) ((condition) ? (void)0 : bench_failed(__FILE__, __LINE__, #condition))
_Noreturn void bench_failed(const char *file, int line, const char *condition);

/* xorshift64*: the same numbers on every run. */
u64 random_below(u64 limit);

/*
 * The floor: takes `tables` frames of the simulated RAM, those that page tables would get now; the time in ns to fill them
 * with entries that go up, one plain 64-bit store after the other; gives them back. No page tables can be made in less.
 */
void floor_take(u64 tables);
double floor_fill(void);
void floor_give_back(void);

#endif
