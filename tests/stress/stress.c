/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/stress/stress.h. */
#include "tests/stress/stress.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 64, DEFAULT_SECONDS = 2, HANGS_AFTER = 60 };

static unsigned seconds;
static bool over;
static void (*run)(unsigned number, u64 *seed);

/* The sanitizer asks for it. What comes after the first race tells nothing more. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "halt_on_error=1";
}

/* Memory is copied for the mirror while guests write to it, as a migration does: what was written meanwhile is in the log. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:copy_page\nrace_top:access\n";
}

void stress_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    printf("not ok 1 - %s:%d: %s\n", file, line, condition);
    fflush(stdout);
    _exit(1);
}

bool stress_is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static void *thread_main(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    u64 seed = 0x9e3779b97f4a7c15ull * (number + 1);

    port_host_processor = number;
    run(number, &seed);
    return NULL;
}

void stress_run(unsigned threads, void (*actor)(unsigned number, u64 *seed))
{
    pthread_t ids[MAX_THREADS];

    STRESS_CHECK(threads <= MAX_THREADS);
    port_host.threads = true;
    run = actor;
    for (uintptr_t i = 0; i < threads; i++)
        STRESS_CHECK(pthread_create(&ids[i], NULL, thread_main, (void *)i) == 0);
    nanosleep(&(struct timespec){ .tv_sec = seconds }, NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    port_host.threads = false;
}

void stress_begin(int argc, char **argv)
{
    seconds = argc > 1 ? (unsigned)atoi(argv[1]) : DEFAULT_SECONDS;
    printf("1..1\n");
    fflush(stdout);
    alarm(seconds + HANGS_AFTER);
}

int stress_end(const char *name)
{
    printf("ok 1 - %s\n", name);
    return 0;
}
