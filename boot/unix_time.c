/* SPDX-License-Identifier: BSD-2-Clause */
/* Pure: boot/clock.c and tests/unit/test_unix_time.c. */
#include "boot/unix_time.h"

#include <stdbool.h>

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && is_leap(year));
}

uint64_t unix_time(const struct calendar_time *time)
{
    uint64_t days = time->day - 1, years_before = time->year - 1;
    unsigned month;

    if (time->year < 1998 || time->year > 9999 || time->month < 1 || time->month > 12 || time->day < 1 ||
        time->day > days_in_month(time->year, time->month) || time->hour > 23 || time->minute > 59 ||
        time->second > 59 || time->minutes_to_utc < -1440 || time->minutes_to_utc > 1440)
        return 0;
    for (month = 1; month < time->month; month++)
        days += days_in_month(time->year, month);
    /* 719162 days lie between 0001-01-01 and 1970-01-01. */
    days += years_before * 365 + years_before / 4 - years_before / 100 + years_before / 400 - 719162;
    return ((days * 24 + time->hour) * 60 + time->minute) * 60 + time->second +
           (uint64_t)((int64_t)time->minutes_to_utc * 60);
}
