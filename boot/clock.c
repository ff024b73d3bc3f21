/* SPDX-License-Identifier: BSD-2-Clause */
/* See clock.h. */
#include "boot/clock.h"

#include "boot/firmware.h"
#include "boot/processor.h"
#include "boot/unix_time.h"

enum { ROUNDS = 4, SHORT_US = 200, LONG_US = 2200 };

static uint64_t ticks_of_stall(UINTN microseconds)
{
    uint64_t start = processor_tsc();

    firmware.services->Stall(microseconds);
    return processor_tsc() - start;
}

/*
 * The difference of two lengths does not contain what the call costs. Whatever disturbs (system management mode, an
 * emulator's own scheduler) makes a call longer: so the shortest ones count.
 */
uint64_t clock_tsc_hz(void)
{
    uint64_t least_short = UINT64_MAX, least_long = UINT64_MAX;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        uint64_t ticks_short = ticks_of_stall(SHORT_US), ticks_long = ticks_of_stall(LONG_US);

        least_short = ticks_short < least_short ? ticks_short : least_short;
        least_long = ticks_long < least_long ? ticks_long : least_long;
    }
    return least_long > least_short ? (least_long - least_short) * 1000000 / (LONG_US - SHORT_US) : 0;
}

uint64_t clock_unix_time(void)
{
    EFI_TIME time;
    struct calendar_time calendar;

    if (EFI_ERROR(firmware.runtime->GetTime(&time, NULL)))
        return 0;
    calendar = (struct calendar_time){
        .year = time.Year,
        .month = time.Month,
        .day = time.Day,
        .hour = time.Hour,
        .minute = time.Minute,
        .second = time.Second,
        /* EFI counts from local time to UTC. */
        .minutes_to_utc = time.TimeZone == EFI_UNSPECIFIED_TIMEZONE ? 0 : time.TimeZone,
    };
    return unix_time(&calendar);
}
