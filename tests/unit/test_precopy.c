/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/precopy.c: the model against the same in floating point; rounds, and the extremes of every input. */
#include "tests/unit/precopy_support.h"

/* As many of each size as of each other. */
static u64 random_size(unsigned bits)
{
    u64 size = random_below(&seed, bits);

    return random_next(&seed) >> (64 - 1 - size);
}

/* ln x, 0 < x < 1; `y` is 1 - x, from where it is exact. */
static long double logarithm(long double x, long double y)
{
    long double twos = 0, sum = 0;

    for (; x < 0.5L; x *= 2, y = 1 - x)
        twos -= 0.693147180559945309417232L;

    long double part = -y / (2 - y), square = part * part;
    for (unsigned i = 1; i < 60; i += 2, part *= square)
        sum += 2 * part / i;
    return twos + sum;
}

/* e^z - 1, z < 0. */
static long double exponential_less_one(long double z)
{
    unsigned halves = 0;
    long double sum = 0, part = 1;

    if (z < -100)
        return -1;
    for (; z < -0.5L; z /= 2)
        halves++;
    for (unsigned i = 1; i < 25; i++) {
        part *= z / i;
        sum += part;
    }
    for (; halves > 0; halves--)
        sum *= sum + 2;
    return sum;
}

static long double exactly_written(const struct precopy_input *input, long double periods)
{
    long double one = input->one, x = ((long double)input->both - one) / one, written;

    if (input->one == 0 || periods == 0)
        return 0;
    if (x >= 1)
        written = one * periods;
    else if (x <= 0)
        written = one;
    else
        written = one / (1 - x) * -exponential_less_one(logarithm(x, 1 - x) * periods);
    return written < input->memory ? written : input->memory;
}

/* The fraction of a period is rounded up to 32 bits, and then the number of pages. */
static void check_written(const struct precopy_input *input, u64 time)
{
    long double periods = (long double)time / input->period;
    long double least = exactly_written(input, periods) * (1 - 0x1p-20L) - input->memory * 0x1p-36L;
    long double most = exactly_written(input, periods + 0x1p-32L) * (1 + 0x1p-20L) + input->memory * 0x1p-36L + 2;
    u64 written = precopy_written(input, time);

    if (written < least || written > most)
        fail_msg("memory %llu one %llu both %llu time %llu/%llu: %llu, not in %.3Lf to %.3Lf",
                 (unsigned long long)input->memory, (unsigned long long)input->one, (unsigned long long)input->both,
                 (unsigned long long)time, (unsigned long long)input->period, (unsigned long long)written, least, most);
}

static void test_the_model_is_what_floating_point_says(void **state)
{
    for (unsigned i = 0; i < 20000; i++) {
        struct precopy_input input = { .memory = 1 + random_size(30) };

        input.period = 1 + random_size(36);
        input.one = 1 + random_below(&seed, input.memory);
        input.both = input.one + random_below(&seed, input.one + 1);
        if (i % 4 == 0)
            input.both = input.one + random_size(8) % (input.one + 1);
        if (i % 4 == 1)
            input.both = 2 * input.one - random_size(8) % (input.one + 1);
        for (unsigned at = 0; at < 8; at++)
            check_written(&input, random_size(37));
    }
}

/* Of memory of the largest size the error is the same. */
static void test_the_model_of_a_large_machine(void **state)
{
    for (unsigned i = 0; i < 2000; i++) {
        struct precopy_input input = { .memory = 1ull << 40, .period = SECOND };

        input.one = 1 + random_size(40);
        input.both = input.one + random_below(&seed, input.one);
        check_written(&input, random_size(40));
    }
}

/* Both periods have a handful of pages in common: x is almost 1. */
static void test_the_model_of_a_guest_that_hardly_repeats_itself(void **state)
{
    for (unsigned i = 0; i < 20000; i++) {
        struct precopy_input input = { .memory = 1ull << (i % 41), .period = SECOND };

        input.one = 1 + random_below(&seed, input.memory);
        input.both = 2 * input.one - random_below(&seed, 1 + (input.one < 5 ? input.one : 5));
        check_written(&input, random_size(40));
    }
}

static void test_the_model_says_what_was_measured(void **state)
{
    for (unsigned i = 0; i < 2000; i++) {
        struct precopy_input input = { .memory = 1ull << 30, .period = 1 + random_size(40) };

        input.one = 1 + random_size(24);
        input.both = input.one + random_below(&seed, input.one + 1);
        assert_in_range(precopy_written(&input, input.period), input.one, input.one + 1);
        assert_in_range(precopy_written(&input, 2 * input.period), input.both, input.both + 1);
        assert_int_equal(precopy_written(&input, 0), 0);
    }
}

static void test_the_model_grows_with_time_up_to_all_of_memory(void **state)
{
    for (unsigned i = 0; i < 500; i++) {
        struct precopy_input input = { .memory = 1 + random_size(30) };
        u64 last = 0;

        input.period = 1 + random_size(36);
        input.one = 1 + random_below(&seed, input.memory);
        input.both = input.one + random_below(&seed, input.one + 1);
        for (unsigned bit = 0; bit < 64; bit++) {
            u64 written = precopy_written(&input, 1ull << bit);

            assert_in_range(written, last, input.memory);
            last = written;
        }
        assert_int_equal(last, input.both == 2 * input.one ? input.memory : precopy_written(&input, ~0ull));
    }
}

/* More in both periods than twice the first, or fewer than in it, more than there is: noise. */
static void test_measurements_that_cannot_be(void **state)
{
    struct precopy_input input = { .memory = 1000, .period = SECOND, .one = 100, .both = 500 };

    assert_int_equal(precopy_written(&input, 3ull * SECOND), 300);
    assert_int_equal(precopy_written(&input, 30ull * SECOND), 1000);
    input.both = 50;
    assert_int_equal(precopy_written(&input, 1), 100);
    assert_int_equal(precopy_written(&input, 30ull * SECOND), 100);
    input.one = 5000;
    assert_int_equal(precopy_written(&input, SECOND), 1000);
    input.both = 10000;
    assert_int_equal(precopy_written(&input, SECOND / 2), 500);
    assert_int_equal(precopy_written(&input, ~0ull), 1000);
}

/* Each round leaves half of what it sends, and each number is a whole one. */
static void test_rounds_are_counted_and_timed(void **state)
{
    struct precopy_forecast forecast = forecast_of((struct precopy_input){ .memory = 1024,
                                                                           .period = SECOND,
                                                                           .one = 512,
                                                                           .both = 1024,
                                                                           .bandwidth = bandwidth_of(1024),
                                                                           .downtime = SECOND / 8 });

    assert_true(forecast.converges);
    assert_int_equal(forecast.rounds, 3);
    assert_int_equal(forecast.downtime, SECOND / 8);
    assert_int_equal(forecast.pages, 1024 + 512 + 256 + 128);
    assert_int_equal(forecast.time, SECOND + SECOND / 2 + SECOND / 4 + SECOND / 8);
    assert_in_range(forecast.bandwidth, bandwidth_of(512), bandwidth_of(512) * 104 / 100);
}

static void test_all_fits_into_the_downtime(void **state)
{
    struct precopy_input input = {
        .memory = 1024, .period = SECOND, .one = 1024, .both = 1024, .bandwidth = bandwidth_of(1024), .downtime = SECOND
    };
    struct precopy_forecast forecast = forecast_of(input);

    assert_true(forecast.converges);
    assert_int_equal(forecast.rounds, 0);
    assert_int_equal(forecast.time, SECOND);
    assert_int_equal(forecast.downtime, SECOND);
    assert_int_equal(forecast.pages, 1024);
    assert_in_range(forecast.bandwidth, bandwidth_of(1024), bandwidth_of(1024) * 1002 / 1000);
    input.downtime--;
    forecast = forecast_of(input);
    assert_false(forecast.converges);
    assert_int_equal(forecast.downtime, SECOND);
    assert_int_equal(forecast.rounds, 1);
}

/* Also where products and quotients need all bits that there are. */
static void test_times_are_exact(void **state)
{
    for (unsigned i = 0; i < 10000; i++) {
        struct precopy_input input = { .memory = 1 + random_size(40), .downtime = ~0ull - 1 };
        input.bandwidth = 1 + random_size(64);
        unsigned __int128 bytes = (unsigned __int128)input.memory * PRECOPY_PAGE_BYTES * SECOND;
        unsigned __int128 time = (bytes + input.bandwidth - 1) / input.bandwidth;

        assert_true(forecast_of(input).downtime == (time >= ~0ull ? 0 : (u64)time));
    }
}

/* Almost as much is written as is sent: that is hopeless, and a hundred rounds are too many. */
static void test_hopeless_guests_are_given_up(void **state)
{
    struct precopy_input input = { .memory = 1000000,
                                   .period = SECOND,
                                   .one = 100000,
                                   .both = 200000,
                                   .bandwidth = bandwidth_of(100500),
                                   .downtime = SECOND / 100 };
    struct precopy_forecast forecast = forecast_of(input);

    assert_false(forecast.converges);
    assert_int_equal(forecast.rounds, 1);
    input.bandwidth = bandwidth_of(101500);
    input.downtime = SECOND / 10000;
    forecast = forecast_of(input);
    assert_false(forecast.converges);
    assert_int_equal(forecast.rounds, PRECOPY_ROUNDS);
    /* And the downtime that would do, does. */
    input.downtime = forecast.downtime;
    assert_true(forecast_of(input).converges);
}

static void test_what_is_needed_suffices_and_less_does_not(void **state)
{
    unsigned converge = 0, do_not = 0;

    for (unsigned i = 0; i < 300; i++) {
        struct precopy_input input = { .memory = 1000 + random_size(24) };

        input.period = SECOND / 100 + random_size(32);
        input.one = 1 + random_below(&seed, input.memory);
        input.both = input.one + random_below(&seed, input.one + 1);
        /* From a tenth to ten times what is written. */
        input.bandwidth = bandwidth_of(1 + input.one * SECOND / input.period * (1 + random_below(&seed, 100)) / 10);
        input.downtime = input.period * (1 + random_below(&seed, 20)) / 10;

        struct precopy_forecast forecast = forecast_of(input);
        struct precopy_input other = input;
        assert_true(forecast.bandwidth != 0);
        other.bandwidth = forecast.bandwidth;
        assert_true(forecast_of(other).converges);
        other.bandwidth -= 2 + other.bandwidth / 50;
        assert_false(forecast_of(other).converges);
        if (forecast.converges) {
            converge++;
            assert_true(forecast.downtime <= input.downtime);
            continue;
        }
        do_not++;
        assert_true(forecast.downtime > input.downtime);
        other = input;
        other.downtime = forecast.downtime;
        assert_true(forecast_of(other).converges);
        other.downtime--;
        assert_false(forecast_of(other).converges);
    }
    assert_true(converge > 20 && do_not > 20);
}

/* The quotient is the largest number that there is, and has a rest. */
static void test_the_largest_quotient(void **state)
{
    struct precopy_input input = { .memory = 1000, .period = 5, .one = 6, .both = 12 };

    assert_int_equal(precopy_written(&input, (u64)((((unsigned __int128)5 << 64) - 2) / 6)), 1000);
}

static void test_nothing_to_send(void **state)
{
    struct precopy_forecast forecast = forecast_of((struct precopy_input){ .one = 5, .both = 7 });

    assert_true(forecast.converges);
    assert_int_equal(forecast.time, 0);
    assert_int_equal(forecast.pages, 0);
    assert_int_equal(forecast.bandwidth, 1);
}

static void test_nothing_is_written(void **state)
{
    struct precopy_forecast forecast =
        forecast_of((struct precopy_input){ .memory = 1000, .bandwidth = bandwidth_of(1000) });

    assert_true(forecast.converges);
    assert_int_equal(forecast.rounds, 1);
    assert_int_equal(forecast.time, SECOND);
    assert_int_equal(forecast.downtime, 0);
}

static void test_no_bandwidth(void **state)
{
    struct precopy_forecast forecast =
        forecast_of((struct precopy_input){ .memory = 1, .period = SECOND, .one = 1, .both = 1, .downtime = SECOND });

    assert_false(forecast.converges);
    assert_true(forecast.downtime == PRECOPY_NEVER && forecast.time == PRECOPY_NEVER);
    assert_in_range(forecast.bandwidth, PRECOPY_PAGE_BYTES, PRECOPY_PAGE_BYTES + 8);
    /* No time, however long, is never. */
    assert_false(forecast_of((struct precopy_input){ .memory = 1, .one = 1, .downtime = ~0ull }).converges);
}

static void test_no_downtime(void **state)
{
    struct precopy_forecast forecast = forecast_of((struct precopy_input){
        .memory = 1000, .period = SECOND, .one = 10, .both = 15, .bandwidth = bandwidth_of(1000000) });

    assert_false(forecast.converges);
    assert_int_equal(forecast.bandwidth, 0);
}

/* Nothing overflows (UBSan), nothing hangs, and what is said agrees with itself. */
static void test_every_input_is_safe(void **state)
{
    static const u64 values[] = { 0,          1,         2,    SECOND, 1ull << 32, 1ull << 40, (1ull << 52) + 1,
                                  1ull << 63, ~0ull - 1, ~0ull };
    enum { VALUES = sizeof(values) / sizeof(values[0]) };

    for (unsigned i = 0; i < VALUES * VALUES * VALUES * VALUES * VALUES * VALUES;
         i += 1 + (unsigned)random_below(&seed, 300)) {
        unsigned rest = i;
        u64 value[6];

        for (unsigned at = 0; at < 6; at++, rest /= VALUES)
            value[at] = values[rest % VALUES];

        struct precopy_input input = { value[0], value[1], value[2], value[3], value[4], value[5] };
        struct precopy_forecast forecast = forecast_of(input);
        assert_true(forecast.rounds <= PRECOPY_ROUNDS);
        assert_true(forecast.time >= forecast.downtime);
        assert_true(forecast.pages <= (PRECOPY_ROUNDS + 1ull) << 40);
        assert_true(!forecast.converges || (forecast.downtime <= input.downtime && forecast.downtime != PRECOPY_NEVER));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_model_is_what_floating_point_says),
        cmocka_unit_test(test_the_model_of_a_large_machine),
        cmocka_unit_test(test_the_model_of_a_guest_that_hardly_repeats_itself),
        cmocka_unit_test(test_the_model_says_what_was_measured),
        cmocka_unit_test(test_the_model_grows_with_time_up_to_all_of_memory),
        cmocka_unit_test(test_measurements_that_cannot_be),
        cmocka_unit_test(test_rounds_are_counted_and_timed),
        cmocka_unit_test(test_all_fits_into_the_downtime),
        cmocka_unit_test(test_times_are_exact),
        cmocka_unit_test(test_hopeless_guests_are_given_up),
        cmocka_unit_test(test_what_is_needed_suffices_and_less_does_not),
        cmocka_unit_test(test_the_largest_quotient),
        cmocka_unit_test(test_nothing_to_send),
        cmocka_unit_test(test_nothing_is_written),
        cmocka_unit_test(test_no_bandwidth),
        cmocka_unit_test(test_no_downtime),
        cmocka_unit_test(test_every_input_is_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
