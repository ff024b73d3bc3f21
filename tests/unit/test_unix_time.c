/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/unix_time.c against the C library's timegm(). */
#define _DEFAULT_SOURCE
#include "boot/unix_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void every_day_agrees_with_the_c_library(void **state)
{
    int64_t day;

    for (day = 883612800; day < 7258118400; day += 86400 + 3601) { /* 1998 to 2199 */
        time_t seconds = day;
        struct tm tm;
        struct calendar_time calendar;

        gmtime_r(&seconds, &tm);
        calendar = (struct calendar_time){
            .year = (unsigned)tm.tm_year + 1900,
            .month = (unsigned)tm.tm_mon + 1,
            .day = (unsigned)tm.tm_mday,
            .hour = (unsigned)tm.tm_hour,
            .minute = (unsigned)tm.tm_min,
            .second = (unsigned)tm.tm_sec,
        };
        assert_int_equal(unix_time(&calendar), (uint64_t)day);
    }
}

static void zones_count(void **state)
{
    struct calendar_time noon = { 2026, 11, 20, 12, 0, 0, 0 }, east = { 2026, 11, 20, 13, 0, 0, -60 },
                         west = { 2026, 11, 20, 4, 0, 0, 480 };

    assert_int_equal(unix_time(&noon), 1795176000);
    assert_int_equal(unix_time(&east), 1795176000);
    assert_int_equal(unix_time(&west), 1795176000);
}

static void nonsense_is_no_time(void **state)
{
    static const struct calendar_time bad[] = {
        { 0 },
        { 1997, 1, 1, 0, 0, 0, 0 },
        { 10000, 1, 1, 0, 0, 0, 0 },
        { 2026, 0, 1, 0, 0, 0, 0 },
        { 2026, 13, 1, 0, 0, 0, 0 },
        { 2026, 1, 0, 0, 0, 0, 0 },
        { 2026, 2, 29, 0, 0, 0, 0 },
        { 2100, 2, 29, 0, 0, 0, 0 },
        { 2026, 1, 1, 24, 0, 0, 0 },
        { 2026, 1, 1, 0, 60, 0, 0 },
        { 2026, 1, 1, 0, 0, 60, 0 },
        { 2026, 1, 1, 0, 0, 0, 1441 },
        { 2026, 1, 1, 0, 0, 0, -1441 },
        { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, INT32_MIN },
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(unix_time(&bad[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_agrees_with_the_c_library),
        cmocka_unit_test(zones_count),
        cmocka_unit_test(nonsense_is_no_time),
    };

    return cmocka_run_group_tests_name("unix_time", tests, NULL, NULL);
}
