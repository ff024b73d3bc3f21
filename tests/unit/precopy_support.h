/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of mm/precopy.c share. */
#ifndef TESTS_UNIT_PRECOPY_SUPPORT_H
#define TESTS_UNIT_PRECOPY_SUPPORT_H

#include "mm/precopy.h"
#include "tests/unit/mm_support.h"

enum { SECOND = 1000000000 };

static u64 seed = 20;

static inline struct precopy_forecast forecast_of(struct precopy_input input)
{
    struct precopy_forecast forecast;

    precopy_forecast(&input, &forecast);
    return forecast;
}

static inline u64 bandwidth_of(u64 pages_per_second)
{
    return pages_per_second * PRECOPY_PAGE_BYTES;
}

#endif
