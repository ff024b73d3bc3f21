/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/bench/bench.h. */
#define _GNU_SOURCE
#include "tests/bench/bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/bench/port_bench.h"

enum { CALIBRATION_NS = 50 * 1000 * 1000, EMPTY_SAMPLES = 1001, SWEEP_BYTES = 128 << 20 };

static double ns_per_tick;
static u64 empty; /* ticks between two calls of ticks_now() with nothing in between */
static cpu_set_t allowed;

void bench_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void sort_values(double *values, u64 count)
{
    qsort(values, count, sizeof(*values), compare);
}

double quantile(const double *sorted, u64 count, double part)
{
    u64 index = (u64)(part * (double)count);

    return sorted[index < count ? index : count - 1];
}

double middle_mean(const double *sorted, u64 count)
{
    u64 first = count / 4, end = count - first;
    double sum = 0;

    for (u64 i = first; i < end; i++)
        sum += sorted[i];
    return sum / (double)(end - first);
}

void series_add(struct series *series, double value)
{
    require(series->count < SERIES_MAX);
    series->value[series->count++] = value;
}

void series_print(struct series *series, enum statistic statistic, const char *unit, const char *name, ...)
{
    double *values = series->value;
    va_list arguments;

    if (series->count == 0)
        return;
    sort_values(values, series->count);
    va_start(arguments, name);
    vprintf(name, arguments);
    va_end(arguments);
    printf(" %s %s %.6g %.6g %.6g %llu\n", unit, statistic == LEAST ? "least" : "median",
           statistic == LEAST ? values[0] : quantile(values, series->count, 0.5), values[0], values[series->count - 1],
           (unsigned long long)series->count);
    fflush(stdout);
}

static u64 clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

double thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

u64 thread_switches(void)
{
    struct rusage usage;

    require(getrusage(RUSAGE_THREAD, &usage) == 0);
    return (u64)usage.ru_nivcsw;
}

static int compare_ticks(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    return (x > y) - (x < y);
}

void bench_start(void)
{
    static u64 samples[EMPTY_SAMPLES];

    require(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
    bench_pin(0);

    u64 from_ns = clock_ns(), from = ticks_now();
    while (clock_ns() - from_ns < CALIBRATION_NS)
        ;
    ns_per_tick = (double)(clock_ns() - from_ns) / (double)(ticks_now() - from);

    for (unsigned i = 0; i < EMPTY_SAMPLES; i++) {
        u64 start = ticks_now();

        samples[i] = ticks_now() - start;
    }
    qsort(samples, EMPTY_SAMPLES, sizeof(samples[0]), compare_ticks);
    empty = samples[EMPTY_SAMPLES / 2];
}

double ns_between(u64 start, u64 end)
{
    u64 ticks = end - start;

    return ticks > empty ? (double)(ticks - empty) * ns_per_tick : 0;
}

double ns_since(u64 start)
{
    return ns_between(start, ticks_now());
}

unsigned bench_processors(void)
{
    return (unsigned)CPU_COUNT(&allowed);
}

void bench_pin(unsigned index)
{
    cpu_set_t one;
    int cpu = 0;

    for (unsigned left = index;; cpu++) {
        require(cpu < CPU_SETSIZE);
        if (CPU_ISSET(cpu, &allowed) && left-- == 0)
            break;
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    require(sched_setaffinity(0, sizeof(one), &one) == 0);
    port_bench_processor = index;
}

struct team {
    void (*work)(unsigned index, void *argument);
    void *argument;
    unsigned count, ready;
};

struct member {
    struct team *team;
    unsigned index;
};

static void *member_main(void *argument)
{
    const struct member *member = argument;
    struct team *team = member->team;

    bench_pin(member->index);
    __atomic_add_fetch(&team->ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&team->ready, __ATOMIC_ACQUIRE) < team->count)
        __builtin_ia32_pause();
    team->work(member->index, team->argument);
    return NULL;
}

void bench_threads(unsigned count, void (*work)(unsigned index, void *argument), void *argument)
{
    enum { MOST = 8 };
    struct team team = { .work = work, .argument = argument, .count = count };
    struct member members[MOST];
    pthread_t threads[MOST];

    require(count >= 1 && count <= MOST && count <= bench_processors());
    for (unsigned i = 0; i < count; i++)
        members[i] = (struct member){ &team, i };
    for (unsigned i = 1; i < count; i++)
        require(pthread_create(&threads[i], NULL, member_main, &members[i]) == 0);
    member_main(&members[0]);
    for (unsigned i = 1; i < count; i++)
        require(pthread_join(threads[i], NULL) == 0);
}

u64 bench_frames(u64 wanted)
{
    unsigned long long available = 0;
    char line[128];
    FILE *in = fopen("/proc/meminfo", "r");

    while (in != NULL && fgets(line, sizeof(line), in) != NULL)
        sscanf(line, "MemAvailable: %llu kB", &available);
    if (in != NULL)
        fclose(in);
    while (wanted * PAGE_SIZE > available * 1024 / 2)
        wanted /= 2;
    return wanted;
}

void caches_sweep(void)
{
    static u8 *other;

    if (other == NULL)
        other = malloc(SWEEP_BYTES);
    require(other != NULL);
    for (u64 i = 0; i < SWEEP_BYTES; i += 64)
        other[i]++;
}

u64 random_below(u64 limit)
{
    static u64 seed = 0x51a7;

    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 0x2545f4914f6cdd1dull >> 11) % limit;
}
