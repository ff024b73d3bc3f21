/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/precopy.c: the forecast against migrations of simulated guests that write at a known rate. */
#include "tests/unit/precopy_support.h"

enum { MEMORY = 32768 };

struct guest {
    const char *name;
    u64 rate;            /* writes per second */
    u64 pages;           /* that are written */
    u64 hot, hot_writes; /* of which hot, and of 100 writes those to hot ones */
    bool is_random;
};

static const struct guest guests[] = {
    { "cyclic, all in the downtime", 100000, 3000, 0, 0, false },
    { "cyclic, all in two downtimes", 100000, 15000, 0, 0, false },
    { "cyclic, a large set", 100000, 30000, 0, 0, false },
    { "uniform, a small set", 100000, 3000, 0, 0, true },
    { "uniform, a medium set", 100000, 12000, 0, 0, true },
    { "uniform, all of memory", 100000, MEMORY, 0, 0, true },
    { "hot and cold", 100000, 20000, 1000, 80, true },
    { "very hot, very cold", 100000, MEMORY, 300, 95, true },
    { "slow", 3000, 5000, 0, 0, true },
};
enum { GUESTS = sizeof(guests) / sizeof(guests[0]), DOWNTIME = SECOND / 10 };

struct world {
    const struct guest *guest;
    u64 done; /* writes */
    double due;
    u8 dirty[MEMORY];
};

static void run(struct world *world, double seconds)
{
    const struct guest *guest = world->guest;

    world->due += seconds * (double)guest->rate;
    for (; (double)world->done < world->due; world->done++) {
        if (!guest->is_random)
            world->dirty[world->done % guest->pages] = 1;
        else if (random_below(&seed, 100) < guest->hot_writes)
            world->dirty[random_below(&seed, guest->hot)] = 1;
        else
            world->dirty[random_below(&seed, guest->pages)] = 1;
    }
}

static u64 count(const struct world *world)
{
    u64 sum = 0;

    for (unsigned page = 0; page < MEMORY; page++)
        sum += world->dirty[page];
    return sum;
}

/* As the guest's dirty rate is measured. */
static struct precopy_input measure(const struct guest *guest, u64 period)
{
    struct precopy_input input = { .memory = MEMORY, .period = period, .downtime = DOWNTIME };
    struct world *world = calloc(1, sizeof(*world));

    world->guest = guest;
    run(world, 1);
    memset(world->dirty, 0, sizeof(world->dirty));
    run(world, (double)period / SECOND);
    input.one = count(world);
    run(world, (double)period / SECOND);
    input.both = count(world);
    free(world);
    return input;
}

/* Until what is left fits into the downtime; or it has not become less for a long time. */
static bool migrate(const struct guest *guest, double pages_per_second, double *seconds)
{
    struct world *world = calloc(1, sizeof(*world));
    u64 left = MEMORY, least = left;

    world->guest = guest;
    *seconds = 0;
    for (unsigned since = 0; (double)left / pages_per_second > (double)DOWNTIME / SECOND && since < 12; since++) {
        memset(world->dirty, 0, sizeof(world->dirty));
        run(world, (double)left / pages_per_second);
        *seconds += (double)left / pages_per_second;
        left = count(world);
        if (left < least - least / 200) {
            since = 0;
            least = left;
        }
    }
    *seconds += (double)left / pages_per_second;
    free(world);
    return (double)left / pages_per_second <= (double)DOWNTIME / SECOND;
}

/* The least bandwidth with which the guest can be migrated, in pages per second. Found once. */
static double least_bandwidth(const struct guest *guest)
{
    static double found[GUESTS];
    double less = 1000, enough = 1000000, seconds;

    if (found[guest - guests] != 0)
        return found[guest - guests];
    while (enough / less > 1.01) {
        double middle = (less + enough) / 2;

        if (migrate(guest, middle, &seconds))
            enough = middle;
        else
            less = middle;
    }
    found[guest - guests] = enough;
    return enough;
}

/* With the least bandwidth times this. */
static const double grid[] = { 0.25, 0.5, 0.7, 0.8, 0.9, 1.12, 1.25, 1.4, 2, 3, 5, 10 };
enum { GRID = sizeof(grid) / sizeof(grid[0]) };

/* From `margin` away from the least bandwidth the forecast is right; `may_refuse`: or it says no. */
static void check_guest(const struct guest *guest, u64 period, double margin, bool may_refuse)
{
    double least = least_bandwidth(guest);
    struct precopy_input input = measure(guest, period);
    double needed = (double)forecast_of(input).bandwidth / PRECOPY_PAGE_BYTES;
    /* How many pages there are shows in those that both periods have. Where these are a handful, it is a matter of luck. */
    bool shows_size = !guest->is_random || 2 * input.one >= input.both + 50;

    if (needed < least / margin || (needed > least * margin && !may_refuse))
        fail_msg("%s, period %llu: %.0f pages/s are needed, forecast %.0f", guest->name, (unsigned long long)period,
                 least, needed);
    for (unsigned i = 0; i < GRID; i++) {
        double seconds;

        if (grid[i] > 1 / margin && grid[i] < margin)
            continue;
        input.bandwidth = bandwidth_of((u64)(least * grid[i]));
        struct precopy_forecast forecast = forecast_of(input);
        bool ends = migrate(guest, least * grid[i], &seconds);
        assert_int_equal(ends, grid[i] > 1);
        if (forecast.converges != ends && !(ends && may_refuse))
            fail_msg("%s, period %llu: wrong at %.2f", guest->name, (unsigned long long)period, grid[i]);
        /* Near the least it is a matter of luck how many rounds it takes. */
        double forecast_seconds = (double)forecast.time / SECOND;
        if (forecast.converges && grid[i] >= 2 && shows_size &&
            (forecast_seconds < seconds * 0.7 || forecast_seconds > seconds * 1.1))
            fail_msg("%s, period %llu: at %.2f %.3f s, forecast %.3f", guest->name, (unsigned long long)period, grid[i],
                     seconds, forecast_seconds);
    }
}

/* What decides was measured: right within 10 %, for whatever guest. */
static void test_forecasts_with_a_period_like_the_downtime(void **state)
{
    for (unsigned i = 0; i < GUESTS; i++)
        check_guest(&guests[i], DOWNTIME, 1.1, false);
}

static void test_forecasts_with_half_the_downtime(void **state)
{
    for (unsigned i = 0; i < GUESTS; i++)
        check_guest(&guests[i], DOWNTIME / 2, 1.2, false);
}

/* A guest that writes its pages in turn is not seen to be harmless, but nor is any taken for harmless that is not. */
static void test_forecasts_with_twice_the_downtime(void **state)
{
    for (unsigned i = 0; i < GUESTS; i++)
        check_guest(&guests[i], 2ull * DOWNTIME, 1.2, !guests[i].is_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forecasts_with_a_period_like_the_downtime),
        cmocka_unit_test(test_forecasts_with_half_the_downtime),
        cmocka_unit_test(test_forecasts_with_twice_the_downtime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
