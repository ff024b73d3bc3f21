/* SPDX-License-Identifier: BSD-2-Clause */
/* From a calendar to seconds. */
#ifndef BOOT_UNIX_TIME_H
#define BOOT_UNIX_TIME_H

#include <stdint.h>

struct calendar_time {
    unsigned year, month, day, hour, minute, second;
    int minutes_to_utc; /* what has to be added to get UTC */
};

/* Seconds since 1970-01-01 00:00 UTC; 0 if it is no date between 1998 and 9999, the range of EFI_TIME. */
uint64_t unix_time(const struct calendar_time *time);

#endif
