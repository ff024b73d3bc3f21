/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything at once: vCPUs of two VMs on four processors, bound to them and sometimes two on one, touch memory while two
 * tasks do all operations of mm/vm_memory.h and mm/backing_change.h in random order. The processors forget nothing they need
 * not, the flat reference knows what each access may find. From time to time all rest, and everything must be as it is there.
 *
 * usage: random [--seed N] [--steps N] [--policy N]     N operations with this seed (0: the time); without: a few short runs
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "tests/hardware/random.h"
#include "tests/unit/mm_support.h"

struct random_world world;
static u64 logged_writes, reports; /* of the last run */
static struct guest guests[RANDOM_GUESTS];

bool random_expect(const char *what, int result, int other, int another)
{
    if (result == 0) {
        world.succeeded++;
        return true;
    }
    world.refused++;
    if (result != other && result != another && !(result == -ENOMEM && frame_get_stats().free < 2048))
        machine_fail("%s: %d, with %llu free frames", what, result, (unsigned long long)frame_get_stats().free);
    return false;
}

void random_rest(void)
{
    if (!world.stopped)
        return;
    world.resting++;
    while (world.stopped)
        machine_yield();
    world.resting--;
}

static void check_everything(void)
{
    world.stopped = true;
    while (world.resting < world.tasks - 1)
        machine_yield();
    machine.quiet++;
    if (mm_audit() != 0)
        machine_fail("audit: %s", port_host.last_log);
    machine.quiet--;
    ref_check_all();
    machine.quiet++;
    ref_check_logs();
    machine.quiet--;
    world.audits++;
    world.stopped = false;
}

static void operate(void *argument)
{
    const bool *first = argument;

    while (!world.over) {
        random_rest();
        if (machine_below(5) < 3 ? random_vm_operation() : random_backing_operation())
            world.done++;
        if (world.done >= world.steps)
            world.over = !world.stopped;
        if (!world.over && *first && !world.stopped && machine_below(6) == 0)
            check_everything();
        machine_yield();
    }
}

static char replay[100];

/* A failed assertion of mm/ aborts: then this is what is known of the run. */
static void on_abort(int number)
{
    fprintf(stderr, "%s, operation %llu\n", replay, (unsigned long long)world.done);
}

static void clean_up(void)
{
    for (unsigned i = 0; i < REF_VMS; i++) {
        if (reference->vms[i].vm != NULL)
            vm_memory_destroy(reference->vms[i].vm);
    }
    for (unsigned i = 0; i < REF_BACKINGS; i++) {
        if (reference->backings[i].backing != NULL)
            backing_put(reference->backings[i].backing);
    }
    if (mm_audit() != 0)
        machine_fail("audit: %s", port_host.last_log);
}

/* NULL, or what failed. */
static const char *run(u64 seed, u64 steps, enum cpu_policy policy)
{
    static bool yes = true, no = false;
    struct mm_caps caps = port_host_caps;

    /* Different machines. */
    caps.levels = seed % 4 == 3 ? 5 : 4;
    caps.access_dirty = seed % 5 != 4;
    caps.log_modifications = caps.access_dirty && seed % 2 == 0;
    caps.nx_large = seed % 7 == 3;
    caps.execute_only = true;
    snprintf(replay, sizeof(replay), "--seed %llu --steps %llu --policy %u", (unsigned long long)seed,
             (unsigned long long)steps, policy);
    signal(SIGABRT, on_abort);
    world = (struct random_world){ .steps = steps, .levels = caps.levels };
    machine_start(seed % 3 == 2 ? 5000 : 16384, seed, policy, &caps);
    machine.switch_one_in = 4u << machine_below(4);
    for (unsigned i = 0; i < MACHINE_PROCESSORS && seed % 3 != 0; i++)
        machine.cpus[i].log_size = 1 + (unsigned)machine_below(4);
    world.slow_to_leave = 2u << machine_below(7);
    ref_start();
    memset(guests, 0, sizeof(guests));
    /* The second operator shares its processor with vCPUs, or has it for itself. */
    for (unsigned i = 0; i < RANDOM_GUESTS; i++) {
        guests[i].vm = &reference->vms[i % REF_VMS];
        machine_add_task(seed % 2 ? i % 3 + 1 : i % 2 + 2, random_guest, &guests[i]);
    }
    machine_add_task(0, operate, &yes);
    machine_add_task(1, operate, &no);
    world.tasks = RANDOM_GUESTS + RANDOM_OPERATORS;
    machine_run();
    if (machine.failure[0] == '\0')
        ref_check_logs();
    if (machine.failure[0] == '\0')
        clean_up();
    machine_stop();
    static char failure[400];
    failure[0] = '\0';
    if (machine.failure[0] != '\0')
        snprintf(failure, sizeof(failure), "%s, operation %llu: %s", replay, (unsigned long long)world.done,
                 machine.failure);
    logged_writes = reference->logged_writes;
    reports = reference->reports;
    ref_stop();
    return failure[0] == '\0' ? NULL : failure;
}

static void print_world(u64 seed)
{
    u64 hits = 0, walks = 0, stale = 0, stale_writes = 0, logged = 0;

    for (unsigned i = 0; i < MACHINE_PROCESSORS; i++) {
        hits += machine.cpus[i].hits;
        walks += machine.cpus[i].walks;
        stale += machine.cpus[i].stale_walks;
        stale_writes += machine.cpus[i].stale_writes;
        logged += machine.cpus[i].logged;
    }
    printf(
        "# seed %llu: %llu operations, %llu refused, %llu stays, %llu reads, %llu writes, %llu faults, %llu retried, "
        "%llu denied, %llu devices, %llu audits, %llu TLB hits, %llu walks, %llu of them through a cached pointer\n",
        (unsigned long long)seed, (unsigned long long)world.done, (unsigned long long)world.refused,
        (unsigned long long)world.stays, (unsigned long long)world.reads, (unsigned long long)world.writes,
        (unsigned long long)world.faults, (unsigned long long)world.retries, (unsigned long long)world.denials,
        (unsigned long long)world.devices, (unsigned long long)world.audits, (unsigned long long)hits,
        (unsigned long long)walks, (unsigned long long)stale);
    printf("# %llu writes to logged pages, none lost; %llu logged by the processors, %llu by stale translations, %llu "
           "pages reported by %llu "
           "harvests, %llu collapses, %llu full logs, %llu full rings, %llu faults resolved inside\n",
           (unsigned long long)logged_writes, (unsigned long long)logged, (unsigned long long)stale_writes,
           (unsigned long long)reports, (unsigned long long)world.harvests, (unsigned long long)world.collapses,
           (unsigned long long)world.full_logs, (unsigned long long)world.full_rings,
           (unsigned long long)world.resolved_inside);
    fflush(stdout);
}

static void runs(enum cpu_policy policy, u64 from, u64 count)
{
    u64 all_writes = 0, all_reports = 0;

    for (u64 seed = from; seed < from + count; seed++) {
        const char *failure = run(seed, 1500, policy);

        if (failure != NULL)
            fail_msg("%s", failure);
        /* The run reaches what it is about. */
        assert_true(world.reads > 500 && world.writes > 300 && world.faults > 500 && world.audits > 20);
        assert_true(logged_writes > 100 && reports > 0 && world.harvests > 50);
        all_writes += logged_writes;
        all_reports += reports;
    }
    /* How many pages are in a report is mostly chance: which slots are there when a log begins. */
    assert_true(all_reports > count * 300);
    printf("# %llu writes to logged pages, and none was lost\n", (unsigned long long)all_writes);
    fflush(stdout);
}

static void test_guests_see_what_they_must_with_processors_that_forget_nothing(void **state)
{
    runs(CPU_STALEST, 1, 5);
}

static void test_guests_see_what_they_must_with_processors_that_do_anything(void **state)
{
    runs(CPU_RANDOM, 1, 5);
}

static int run_from(int argc, char **argv)
{
    u64 seed = 1, steps = 100000;
    enum cpu_policy policy = CPU_RANDOM;

    for (int i = 1; i + 1 < argc; i += 2) {
        u64 number = strtoull(argv[i + 1], NULL, 0);

        if (strcmp(argv[i], "--seed") == 0)
            seed = number == 0 ? (u64)time(NULL) : number;
        else if (strcmp(argv[i], "--steps") == 0)
            steps = number;
        else
            policy = (enum cpu_policy)(number % 2);
    }
    const char *failure = run(seed, steps, policy);
    print_world(seed);
    if (failure != NULL)
        printf("%s\n", failure);
    return failure != NULL;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guests_see_what_they_must_with_processors_that_forget_nothing),
        cmocka_unit_test(test_guests_see_what_they_must_with_processors_that_do_anything),
    };

    return argc > 1 ? run_from(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
