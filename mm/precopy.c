/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See mm/precopy.h. Fractions are of ONE = 2^63. All calculation is with 1 - x^n rather than with x^n: where x is almost 1,
 * that is where the digits are.
 */
#include "mm/precopy.h"

#define ONE (1ull << 63)

/* Above that times and counts of pages could meet the limits of u64, and the error of D() would grow. */
#define MAX_PAGES (1ull << 40)

enum {
    PARTS = 32,       /* bits of a period's fraction, and of the number of periods */
    ENOUGH = 1000,    /* the error of precopy_forecast.bandwidth */
    STANDSTILL = 100, /* a round that shortens the next one by less than a part of this is the last */
};

/* What the measurement says of the guest. */
struct model {
    u64 memory;
    u64 one, period;
    bool is_straight;       /* D grows in a straight line; then what follows is not used */
    u64 working_set;        /* W */
    u64 written[2 * PARTS]; /* 1 - x^(2^(i - PARTS)) */
};

/* a * b / c, rounded down, *rest is the rest; ~0 if that is too large, or if c is 0. There is no 128-bit division here. */
static u64 divide_product(u64 a, u64 b, u64 c, u64 *rest)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    u64 high = (u64)(product >> 64), low = (u64)product;

    *rest = 0;
    if (high >= c)
        return ~0ull;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool carry = high >> 63;

        high = high << 1 | low >> 63;
        low <<= 1;
        if (carry || high >= c) {
            high -= c;
            low |= 1;
        }
    }
    *rest = high;
    return low;
}

static u64 scale(u64 a, u64 b, u64 c)
{
    u64 rest;

    return divide_product(a, b, c, &rest);
}

static u64 scale_up(u64 a, u64 b, u64 c)
{
    u64 rest, result = divide_product(a, b, c, &rest);

    return result + (rest != 0 && result != ~0ull);
}

static u64 add(u64 a, u64 b)
{
    return a + b < a ? ~0ull : a + b;
}

static u64 multiply(u64 a, u64 b)
{
    return (u64)((unsigned __int128)a * b >> 63);
}

/* The largest whole number whose square is not above `square`. */
static u64 square_root(u64 square)
{
    u64 root = 0;

    for (u64 bit = 1ull << 31; bit != 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= square)
            root |= bit;
    }
    return root;
}

/* 1 - x^(n/2) of 1 - x^n: c / (1 + sqrt(1 - c)). */
static u64 halve(u64 c)
{
    return scale(c, 1ull << 32, (1ull << 32) + square_root((ONE - c) << 1));
}

/* 1 - x^(a + b) of 1 - x^a and 1 - x^b. */
static u64 join(u64 a, u64 b)
{
    return a + multiply(b, ONE - a);
}

static void make_model(const struct precopy_input *input, struct model *model)
{
    u64 memory = u64_min(input->memory, MAX_PAGES), one = u64_min(input->one, memory);
    /* What cannot be: fewer in both than in one, or more in the second, is noise. */
    u64 both = input->both < one ? one : u64_min(input->both, 2 * one);

    *model = (struct model){ .memory = memory, .one = one, .period = input->period == 0 ? 1 : input->period };
    model->working_set = scale_up(one, one, 2 * one - both);
    /* So large a W shows no bend before all of memory is written; and few digits of 1 - x are left. */
    model->is_straight = model->working_set >> 20 >= memory;
    if (model->is_straight)
        return;
    model->written[PARTS] = scale(2 * one - both, ONE, one);
    for (unsigned i = PARTS; i > 0; i--)
        model->written[i - 1] = halve(model->written[i]);
    for (unsigned i = PARTS + 1; i < 2 * PARTS; i++)
        model->written[i] = join(model->written[i - 1], model->written[i - 1]);
}

/* D(time). */
static u64 written_in(const struct model *model, u64 time)
{
    u64 periods = scale_up(time, 1ull << PARTS, model->period), part = 0;

    if (model->is_straight)
        return u64_min(scale_up(model->one, time, model->period), model->memory);
    for (unsigned i = 0; i < 2 * PARTS; i++) {
        if (periods >> i & 1)
            part = join(part, model->written[i]);
    }
    return u64_min(scale_up(model->working_set, part, ONE), model->memory);
}

u64 precopy_written(const struct precopy_input *input, u64 time)
{
    struct model model;

    make_model(input, &model);
    return written_in(&model, time);
}

/* The time in which so many pages are sent. */
static u64 time_of(u64 pages, u64 bandwidth)
{
    return pages == 0 ? 0 : scale_up(pages * PRECOPY_PAGE_BYTES, 1000000000, bandwidth);
}

/* Sends until what is left fits into the downtime, or does not become less any more. */
static void migrate(const struct model *model, u64 bandwidth, u64 downtime, struct precopy_forecast *forecast)
{
    u64 left = model->memory, time = time_of(left, bandwidth);

    *forecast = (struct precopy_forecast){ 0 };
    while ((time > downtime || time == PRECOPY_NEVER) && forecast->rounds < PRECOPY_ROUNDS) {
        u64 before = left;

        forecast->rounds++;
        forecast->time = add(forecast->time, time);
        forecast->pages += left;
        /* Never more than before: D grows with the time, and the first time is that for all there is. */
        left = written_in(model, time);
        time = time_of(left, bandwidth);
        if (left >= before - before / STANDSTILL)
            break;
    }
    forecast->downtime = time;
    forecast->converges = forecast->downtime <= downtime && forecast->downtime != PRECOPY_NEVER;
    forecast->time = add(forecast->time, forecast->downtime);
    forecast->pages += left;
}

static bool would_converge(const struct model *model, u64 bandwidth, u64 downtime)
{
    struct precopy_forecast forecast;

    migrate(model, bandwidth, downtime, &forecast);
    return forecast.converges;
}

static u64 least_bandwidth(const struct model *model, u64 downtime)
{
    u64 enough = 1, less = 0;

    while (!would_converge(model, enough, downtime)) {
        if (enough == 1ull << 63)
            return 0;
        less = enough;
        enough <<= 1;
    }
    while (enough - less > 1 + enough / ENOUGH) {
        u64 middle = less + (enough - less) / 2;

        if (would_converge(model, middle, downtime))
            enough = middle;
        else
            less = middle;
    }
    return enough;
}

void precopy_forecast(const struct precopy_input *input, struct precopy_forecast *forecast)
{
    struct model model;

    make_model(input, &model);
    migrate(&model, input->bandwidth, input->downtime, forecast);
    forecast->bandwidth = least_bandwidth(&model, input->downtime);
}
