/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usage: explore [-v] [--list] [--self-test] [--bound N | --more N] [--replay SCHEDULE] [SCENARIO]...
 *
 * Prints TAP, a test for each scenario; without names: the self-test, then all of them. --bound: preemptions in all of
 * them, in place of what each says for the short run; --more: that many more than it says. --replay: of one scenario exactly
 * this schedule, and -v lists its points.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/explorer/explorer.h"

enum { DEFAULT_BOUND = 2 };

static unsigned tests, failures;
static int more;
static u64 total;

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=0";
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test(bool passed, const char *name, const char *comment)
{
    tests++;
    failures += !passed;
    printf("%s %u - %s%s%s\n", passed ? "ok" : "not ok", tests, name, *comment == '\0' ? "" : " # ", comment);
    fflush(stdout);
}

static void print_failure(const struct scenario *scenario, const struct exploration *result)
{
    printf("# %s\n# explorer: %s: schedule %s\n", result->message, scenario->name, result->schedule);
}

static void run(const struct scenario *scenario, int bound)
{
    char comment[160];
    double start = cpu_seconds();
    struct exploration result = explore(scenario, bound);
    double time = cpu_seconds() - start;

    total += result.interleavings;
    snprintf(comment, sizeof(comment), "%llu interleavings, bound %d, %.1f s, %.0f/s",
             (unsigned long long)result.interleavings, result.bound, time, (double)result.interleavings / time);
    test(!result.failed, scenario->name, comment);
    if (result.failed)
        print_failure(scenario, &result);
}

/* The bug must be found, with no more preemptions than it takes, and once more by its schedule alone. */
static void run_broken(const struct scenario *scenario)
{
    char name[80], comment[sizeof(((struct exploration *)0)->schedule) + 80];
    struct exploration found = explore(scenario, scenario->bound + 1);
    struct exploration again = { .failed = false };

    if (found.failed)
        again = explore_schedule(scenario, found.schedule, false);
    snprintf(name, sizeof(name), "self-test: %s is found and replayed", scenario->name);
    snprintf(comment, sizeof(comment), "after %llu interleavings, %d preemptions: %s",
             (unsigned long long)found.interleavings, found.bound, found.schedule);
    test(found.failed && found.bound == scenario->bound && again.failed && strcmp(found.message, again.message) == 0,
         name, comment);
    if (!again.failed || strcmp(found.message, again.message) != 0)
        printf("# first: %s\n# then: %s\n", found.message, again.failed ? again.message : "nothing");
}

static int replay(const struct scenario *scenario, const char *schedule, bool trace)
{
    struct exploration result = explore_schedule(scenario, schedule, trace);

    test(!result.failed, scenario->name, "");
    if (result.failed)
        print_failure(scenario, &result);
    printf("1..1\n");
    return result.failed;
}

static const struct scenario *find(const char *name)
{
    for (const struct scenario *const *at = __start_scenarios; at != __stop_scenarios; at++) {
        if (strcmp((*at)->name, name) == 0)
            return *at;
    }
    fprintf(stderr, "explore: there is no scenario %s; --list shows them\n", name);
    exit(2);
}

static int bound_of(const struct scenario *scenario, int wanted)
{
    if (wanted >= 0)
        return wanted;
    return (scenario->bound != 0 ? scenario->bound : DEFAULT_BOUND) + more;
}

static void list(void)
{
    for (const struct scenario *const *at = __start_scenarios; at != __stop_scenarios; at++)
        printf("%s%s\n", (*at)->name, (*at)->broken ? " (self-test)" : "");
}

static void run_all(bool broken, int bound)
{
    for (const struct scenario *const *at = __start_scenarios; at != __stop_scenarios; at++) {
        if ((*at)->broken != broken)
            continue;
        if (broken)
            run_broken(*at);
        else
            run(*at, bound_of(*at, bound));
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "list", no_argument, NULL, 'l' },         { "self-test", no_argument, NULL, 's' },
        { "bound", required_argument, NULL, 'b' },  { "more", required_argument, NULL, 'm' },
        { "replay", required_argument, NULL, 'r' }, { NULL, 0, NULL, 0 }
    };
    const char *schedule = NULL;
    bool verbose = false, self_test = false;
    int bound = -1;
    double start = cpu_seconds();

    for (int option; (option = getopt_long(argc, argv, "v", options, NULL)) != -1;) {
        switch (option) {
        case 'v':
            verbose = true;
            break;
        case 'l':
            list();
            return 0;
        case 's':
            self_test = true;
            break;
        case 'b':
            bound = atoi(optarg);
            break;
        case 'm':
            more = atoi(optarg);
            break;
        case 'r':
            schedule = optarg;
            break;
        default:
            fprintf(stderr, "usage: explore [-v] [--list] [--self-test] [--bound N | --more N] [--replay SCHEDULE] "
                            "[SCENARIO]...\n");
            return 2;
        }
    }
    if (schedule != NULL)
        return replay(find(optind < argc ? argv[optind] : ""), schedule, verbose);
    if (self_test || optind == argc)
        run_all(true, bound);
    if (!self_test && optind == argc)
        run_all(false, bound);
    for (; optind < argc; optind++)
        run(find(argv[optind]), bound_of(find(argv[optind]), bound));
    printf("1..%u\n# %llu interleavings in %.1f s\n", tests, (unsigned long long)total, cpu_seconds() - start);
    return failures != 0;
}
