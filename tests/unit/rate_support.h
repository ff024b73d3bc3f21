/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of dirty rates share: a measurement of slot 0, and writes of both processors. */
#ifndef TESTS_UNIT_RATE_SUPPORT_H
#define TESTS_UNIT_RATE_SUPPORT_H

#include "mm/dirty_rate.h"
#include "tests/unit/dirty_support.h"

static struct dirty_rate rate;

struct way {
    enum rate_method method;
    bool small;
};
static const struct way ways[] = {
    { RATE_BY_D_BITS, false }, { RATE_BY_D_BITS, true }, { RATE_BY_LOG, false }, { RATE_BY_LOG, true }
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static inline int try_begin(enum rate_method method, bool small)
{
    return dirty_rate_begin(vm, method, small, &rate);
}

static inline void begin(enum rate_method method, bool small)
{
    assert_int_equal(try_begin(method, small), 0);
}

static inline void sample_is(u64 count, u64 new_pages)
{
    struct dirty_sample sample;

    dirty_rate_sample(&rate, &sample);
    assert_int_equal(sample.pages, count);
    assert_int_equal(sample.new_pages, new_pages);
    if (rate.method == RATE_BY_D_BITS)
        return;
    assert_int_equal(sample.leaves[LEVEL_4K], 0);
    assert_false(sample.disturbed);
}

static inline struct dirty_sample sample_now(void)
{
    struct dirty_sample sample;

    dirty_rate_sample(&rate, &sample);
    return sample;
}

static inline void write_some(u64 first, u64 count, u64 step)
{
    for (u64 i = 0; i < count; i++) {
        guest_write(&cpus[i % 2], first + i * step);
        guest_write(&cpus[(i + 1) % 2], first + i * step);
    }
}

static inline void map_all(void)
{
    for (u64 page = 0; page < pages; page++)
        guest_write(&cpus[0], base + page);
    leave_all();
}

static inline void nothing_is_left(void)
{
    assert_int_equal(vm->logging, 0);
    assert_log_sound();
}

#endif
