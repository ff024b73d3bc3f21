/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/cmos.c: the calendar against the C library's, formats, setting the clock, flags, memory sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hv/dev/cmos.h"

#define SECOND 1000000000ull
#define MIB    (1ull << 20)
#define GIB    (1ull << 30)

enum { A = 0x0a, B = 0x0b, C = 0x0c, D = 0x0d };

static struct cmos cmos;
static const u64 start = 1763647200; /* 2025-11-20 14:00:00, a Thursday */

static u8 get(unsigned cell, u64 now)
{
    cmos_ops.write(&cmos, 0, (u8)cell, now);
    return cmos_ops.read(&cmos, 1, now);
}

static void set(unsigned cell, u8 value, u64 now)
{
    cmos_ops.write(&cmos, 0, (u8)cell, now);
    cmos_ops.write(&cmos, 1, value, now);
}

static unsigned get_bcd(unsigned cell, u64 now)
{
    u8 value = get(cell, now);

    return (value >> 4) * 10u + (value & 15u);
}

static u64 number(unsigned cell, unsigned bytes)
{
    u64 value = 0;

    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | get(cell + i, 0);
    return value;
}

static int setup(void **state)
{
    cmos_init(&cmos, 64 * MIB, 1, start);
    return 0;
}

static void assert_time(u64 now, u64 unix_time)
{
    time_t seconds = (time_t)unix_time;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    assert_int_equal(get_bcd(0x00, now), tm.tm_sec);
    assert_int_equal(get_bcd(0x02, now), tm.tm_min);
    assert_int_equal(get_bcd(0x04, now), tm.tm_hour);
    assert_int_equal(get_bcd(0x06, now), tm.tm_wday + 1);
    assert_int_equal(get_bcd(0x07, now), tm.tm_mday);
    assert_int_equal(get_bcd(0x08, now), tm.tm_mon + 1);
    assert_int_equal(get_bcd(0x09, now), tm.tm_year % 100);
    assert_int_equal(get_bcd(0x32, now), (tm.tm_year + 1900) / 100);
}

static void time_of_day(void **state)
{
    assert_time(0, start);
    assert_int_equal(get(0x04, 0), 0x14);
    assert_time(SECOND - 1, start);
    assert_time(SECOND, start + 1);
    assert_time(86400 * SECOND, start + 86400);
}

/* Every day from 1970 to 2400, which has all of the calendar's cases. */
static void calendar(void **state)
{
    for (u64 day = 0; day < 431 * 366; day++) {
        cmos_init(&cmos, MIB, 1, day * 86400 + day % 86400);
        assert_time(0, day * 86400 + day % 86400);
    }
}

static void binary_and_12_hours(void **state)
{
    static const u8 bcd_hours[24] = { 0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x10, 0x11,
                                      0x92, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91 };

    assert_int_equal(get(B, 0), 0x02);
    cmos_init(&cmos, MIB, 1, start - 14 * 3600);
    set(B, 0x00, 0);
    for (unsigned hour = 0; hour < 24; hour++)
        assert_int_equal(get(0x04, hour * 3600 * SECOND), bcd_hours[hour]);
    set(B, 0x04, 0);
    assert_int_equal(get(0x04, 23 * 3600 * SECOND), 0x80 | 11);
    set(B, 0x06, 0);
    assert_int_equal(get(0x04, 23 * 3600 * SECOND), 23);
    assert_int_equal(get(0x09, 0), 25);
    assert_int_equal(get(0x32, 0), 20);
}

/* As kernels set the clock: SET, the cells, SET off. */
static void clock_is_set(void **state)
{
    static const u8 cells[][2] = { { 0x00, 0x59 }, { 0x02, 0x58 }, { 0x04, 0x23 }, { 0x07, 0x29 },
                                   { 0x08, 0x02 }, { 0x09, 0x96 }, { 0x32, 0x19 } };

    set(B, 0x82, 5 * SECOND);
    assert_int_equal(get(0x00, 5 * SECOND), 0x05);
    assert_int_equal(get(0x00, 9 * SECOND), 0x05); /* held */
    for (unsigned i = 0; i < sizeof cells / sizeof cells[0]; i++)
        set(cells[i][0], cells[i][1], 9 * SECOND);
    assert_int_equal(get(0x04, 10 * SECOND), 0x23);
    set(B, 0x02, 10 * SECOND);
    assert_time(10 * SECOND, 825638339); /* 1996-02-29 23:58:59 */
    assert_time(70 * SECOND, 825638399);
    assert_time(71 * SECOND, 825638400); /* midnight, the first of March */
}

/* Every day of the calendar is what it was after it has been set. */
static void every_day_can_be_set(void **state)
{
    for (u64 day = 0; day < 431 * 366; day++) {
        cmos_init(&cmos, MIB, 1, day * 86400 + 3661);
        set(B, 0x82, SECOND);
        set(B, 0x02, 2 * SECOND);
        assert_int_equal(cmos.start_seconds + 2, day * 86400 + 3661 + 1);
    }
}

static void clock_is_set_while_running(void **state)
{
    set(0x04, 0x03, 0);
    assert_time(0, start - 11 * 3600);
    assert_time(SECOND, start - 11 * 3600 + 1);
}

static void clock_in_other_format_is_set(void **state)
{
    set(B, 0x80, 0); /* 12 hours, BCD */
    set(0x04, 0x92, 0);
    set(B, 0x00, 0);
    assert_int_equal(get(0x04, 0), 0x92);
    set(B, 0x02, 0);
    assert_int_equal(get(0x04, 0), 0x12);
    set(B, 0x80, 0);
    set(0x04, 0x12, 0);
    set(B, 0x00, 0);
    set(B, 0x02, 0);
    assert_int_equal(get(0x04, 0), 0x00);
}

static void nonsense_can_be_set(void **state)
{
    for (unsigned value = 0; value < 256; value++) {
        set(B, 0x82, value * SECOND);
        for (unsigned cell = 0; cell < CMOS_SIZE; cell++) {
            if (cell != A && cell != B)
                set(cell, (u8)value, value * SECOND);
        }
        set(B, (u8)(value & 0x7f), value * SECOND);
        for (unsigned cell = 0; cell < CMOS_SIZE; cell++)
            get(cell, value * SECOND + SECOND / 2);
    }
}

static void update_in_progress(void **state)
{
    assert_int_equal(get(A, 0), 0x26);
    assert_int_equal(get(A, SECOND - 2300000), 0x26);
    assert_int_equal(get(A, SECOND - 2200000), 0xa6);
    assert_int_equal(get(A, SECOND - 1), 0xa6);
    assert_int_equal(get(A, SECOND), 0x26);
    set(A, 0xff, 0);
    assert_int_equal(get(A, 0), 0x7f); /* UIP is not the writer's */
    set(B, 0x82, 0);
    assert_int_equal(get(A, SECOND - 1), 0x7f);
}

static void status_c(void **state)
{
    get(C, 0);
    assert_int_equal(get(C, 1000), 0);
    assert_int_equal(get(C, SECOND / 1024 + 1), 0x40);
    assert_int_equal(get(C, SECOND / 1024 + 2), 0); /* reading clears it */
    assert_int_equal(get(C, SECOND + 5), 0x50);
    set(B, 0x12, SECOND);
    assert_int_equal(get(C, 2 * SECOND), 0xd0); /* enabled: the interrupt flag */
    set(A, 0x2f, 0);
    assert_int_equal(get(C, 2 * SECOND + SECOND / 2 - 1), 0);
    assert_int_equal(get(C, 2 * SECOND + SECOND / 2), 0x40); /* twice a second */
    set(A, 0x20, 0);
    assert_int_equal(get(C, 3 * SECOND), 0x90);
    set(B, 0x82, 3 * SECOND);
    assert_int_equal(get(C, 4 * SECOND), 0);
    set(C, 0xff, 0);
    assert_int_equal(get(C, 4 * SECOND), 0);
    set(D, 0, 0);
    assert_int_equal(get(D, 0), 0x80);
}

static void set_alarm(u8 hour, u8 minute, u8 second)
{
    set(0x05, hour, 0);
    set(0x03, minute, 0);
    set(0x01, second, 0);
}

/* When the alarm comes next after now = 0, in seconds; the start is 14:00:00. */
static u64 alarm_after(void)
{
    u64 next;

    set(B, 0x22 | (get(B, 0) & 0x04), 0);
    next = cmos_next_irq_ns(&cmos);
    assert_true(next == CMOS_NEVER || next % SECOND == 0);
    return next == CMOS_NEVER ? 0 : next / SECOND;
}

static void alarm_times(void **state)
{
    static const struct {
        u8 hour, minute, second;
        u64 after; /* 0: never */
    } alarms[] = {
        { 0x14, 0x00, 0x01, 1 },  { 0x14, 0x00, 0x00, 86400 }, { 0x13, 0x59, 0x59, 86399 }, { 0xff, 0xff, 0xff, 1 },
        { 0xc0, 0xc0, 0x00, 60 }, { 0xff, 0x00, 0x00, 3600 },  { 0x15, 0xff, 0xff, 3600 },  { 0xff, 0x59, 0xff, 3540 },
        { 0x14, 0xff, 0x00, 60 }, { 0x14, 0x00, 0xff, 1 },     { 0x00, 0x00, 0x00, 36000 }, { 0x23, 0x59, 0x59, 35999 },
        { 0x24, 0x00, 0x00, 0 },  { 0x14, 0x60, 0x00, 0 },     { 0x14, 0x00, 0x7f, 0 },     { 0xff, 0xff, 0xbf, 0 },
    };

    for (unsigned i = 0; i < sizeof alarms / sizeof alarms[0]; i++) {
        setup(state);
        set_alarm(alarms[i].hour, alarms[i].minute, alarms[i].second);
        assert_int_equal(alarm_after(), alarms[i].after);
    }
    setup(state); /* in the format that is valid when it comes */
    set_alarm(14, 0, 10);
    assert_int_equal(alarm_after(), 0);
    set(B, 0x26, 0);
    assert_int_equal(alarm_after(), 10);
    set(B, 0x20, 0); /* BCD, 12 hours */
    set_alarm(0x83, 0x00, 0x00);
    assert_int_equal(cmos_next_irq_ns(&cmos), 3600 * SECOND);
}

static void alarm_flag(void **state)
{
    set_alarm(0x14, 0x00, 0x02);
    get(C, 0);
    assert_int_equal(get(C, 2 * SECOND - 1) & 0x20, 0);
    assert_int_equal(get(C, 2 * SECOND), 0x70); /* a flag without being enabled */
    assert_int_equal(get(C, 86401 * SECOND), 0x50);
    assert_int_equal(get(C, 400000 * SECOND), 0x70);
    set(B, 0x82, 400000 * SECOND); /* the clock is set to a moment before it */
    set(0x00, 0x01, 400000 * SECOND);
    set(0x02, 0x00, 400000 * SECOND);
    set(0x04, 0x14, 400000 * SECOND);
    set(B, 0x22, 400000 * SECOND);
    get(C, 400000 * SECOND);
    assert_int_equal(cmos_next_irq_ns(&cmos), 400001 * SECOND);
    assert_int_equal(get(C, 400001 * SECOND), 0xf0);
}

static void periodic_rates(void **state)
{
    for (u8 rate = 0; rate < 16; rate++) {
        unsigned shift = rate == 0 ? 0 : rate < 3 ? rate + 6u : rate - 1u;

        setup(state);
        set(A, 0x20 | rate, 0);
        set(B, 0x42, 0);
        if (rate == 0) {
            assert_int_equal(cmos_next_irq_ns(&cmos), CMOS_NEVER);
            continue;
        }
        for (u64 i = 1; i < 100; i++) {
            u64 next = cmos_next_irq_ns(&cmos);

            assert_int_equal(next, (((i << shift) * SECOND) + 32767) / 32768);
            cmos_run(&cmos, next - 1);
            assert_false(cmos_irq_line(&cmos));
            cmos_run(&cmos, next);
            assert_true(cmos_irq_line(&cmos));
            assert_int_equal(cmos_next_irq_ns(&cmos), CMOS_NEVER);
            assert_int_equal(get(C, next) & 0xc0, 0xc0);
            assert_false(cmos_irq_line(&cmos));
        }
    }
}

/* What has happened until a register is written has happened by its old value. */
static void writes_are_late(void **state)
{
    get(C, 0);
    cmos_ops.write(&cmos, 0, A, SECOND / 2);
    cmos_ops.write(&cmos, 1, 0x20, SECOND / 2);
    assert_int_equal(get(C, SECOND / 2), 0x40);
    assert_int_equal(get(C, SECOND / 2 + SECOND / 4), 0);
}

static void index_port(void **state)
{
    set(0x80 | 0x40, 0x12, 0); /* the NMI bit is not the index's */
    assert_int_equal(get(0x40, 0), 0x12);
    assert_int_equal(cmos_ops.read(&cmos, 0, 0), 0xff);
    set(0x7f, 0x34, 0);
    assert_int_equal(get(0x7f, 0), 0x34);
    set(0x0f, 0x05, 0);
    assert_int_equal(get(0x0f, 0), 0x05);
}

static void assert_memory(u64 memory, u64 base, u64 extended, u64 above_16m, u64 above_4g)
{
    cmos_init(&cmos, memory, 4, start);
    assert_int_equal(number(0x15, 2), base);
    assert_int_equal(number(0x17, 2), extended);
    assert_int_equal(number(0x30, 2), extended);
    assert_int_equal(number(0x34, 2), above_16m);
    assert_int_equal(number(0x5b, 3), above_4g);
    assert_int_equal(get(0x5f, 0), 3);
    assert_int_equal(get(0x14, 0), 0x06);
}

static void memory_sizes(void **state)
{
    assert_memory(4096, 4, 0, 0, 0);
    assert_memory(640 * 1024, 640, 0, 0, 0);
    assert_memory(MIB, 640, 0, 0, 0);
    assert_memory(MIB + 4096, 640, 4, 0, 0);
    assert_memory(16 * MIB, 640, 15 * 1024, 0, 0);
    assert_memory(16 * MIB + 65536, 640, 15 * 1024 + 64, 1, 0);
    assert_memory(64 * MIB, 640, 63 * 1024, 48 * 16, 0);
    assert_memory(GIB, 640, 63 * 1024, 1008 * 16, 0);
    assert_memory(3 * GIB, 640, 63 * 1024, 3056 * 16, 0);
    assert_memory(3 * GIB + MIB, 640, 63 * 1024, 3056 * 16, 16);
    assert_memory(1024 * GIB, 640, 63 * 1024, 3056 * 16, 1021 * 16384);
    assert_memory(1027 * GIB, 640, 63 * 1024, 3056 * 16, 0xffffff); /* as much as the cells can say */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(time_of_day, setup),
        cmocka_unit_test_setup(calendar, setup),
        cmocka_unit_test_setup(binary_and_12_hours, setup),
        cmocka_unit_test_setup(clock_is_set, setup),
        cmocka_unit_test_setup(every_day_can_be_set, setup),
        cmocka_unit_test_setup(clock_is_set_while_running, setup),
        cmocka_unit_test_setup(clock_in_other_format_is_set, setup),
        cmocka_unit_test_setup(nonsense_can_be_set, setup),
        cmocka_unit_test_setup(update_in_progress, setup),
        cmocka_unit_test_setup(status_c, setup),
        cmocka_unit_test_setup(alarm_times, setup),
        cmocka_unit_test_setup(alarm_flag, setup),
        cmocka_unit_test_setup(periodic_rates, setup),
        cmocka_unit_test_setup(writes_are_late, setup),
        cmocka_unit_test_setup(index_port, setup),
        cmocka_unit_test_setup(memory_sizes, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
