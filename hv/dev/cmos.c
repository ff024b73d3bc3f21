/* SPDX-License-Identifier: BSD-2-Clause */
/* See cmos.h. */
#include "hv/dev/cmos.h"
#include "hv/load/guest_memory_map.h"

#define NS_PER_SECOND 1000000000ull
#define UPDATE_NS     2228000ull /* how long before the next second UIP announces it: 244 + 1984 us */
#define KIB           1024ull
#define MIB           (1024 * KIB)

enum {
    CELL_SECONDS = 0x00,
    CELL_SECONDS_ALARM = 0x01,
    CELL_MINUTES = 0x02,
    CELL_MINUTES_ALARM = 0x03,
    CELL_HOURS = 0x04,
    CELL_HOURS_ALARM = 0x05,
    CELL_WEEKDAY = 0x06,
    CELL_DAY = 0x07,
    CELL_MONTH = 0x08,
    CELL_YEAR = 0x09,
    CELL_A = 0x0a,
    CELL_B = 0x0b,
    CELL_C = 0x0c,
    CELL_D = 0x0d,
    CELL_SHUTDOWN = 0x0f,
    CELL_EQUIPMENT = 0x14,
    CELL_BASE_KIB = 0x15,
    CELL_EXTENDED_KIB = 0x17,
    CELL_EXTENDED_KIB_2 = 0x30,
    CELL_CENTURY = 0x32,
    CELL_ABOVE_16M = 0x34,
    CELL_ABOVE_4G = 0x5b,
    CELL_PROCESSORS = 0x5f,

    A_UIP = 0x80,
    A_DIVIDER_AND_RATE = 0x26, /* 32768 Hz, 1024 Hz */
    A_RATE = 0x0f,
    B_SET = 0x80,
    B_BINARY = 0x04,
    B_24H = 0x02,
    C_IRQ = 0x80,
    C_PERIODIC = 0x40,
    C_ALARM = 0x20,
    C_UPDATED = 0x10,
    C_SOURCES = 0x70, /* the enables in status B have the same bits */
    ALARM_ANY = 0xc0, /* an alarm cell from here on matches always */
    D_VALID = 0x80,
    HOUR_PM = 0x80,
    EQUIPMENT = 0x06, /* a coprocessor, and the pointing device bit as most firmware has it; no floppy, no display */
};

struct clock_time {
    u64 year; /* four digits and more */
    u8 month, day, hour, minute, second, weekday;
};

/* Days since 1970-01-01 to a Gregorian date: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static struct clock_time time_of(u64 seconds)
{
    u64 days = seconds / 86400, rest = seconds % 86400;
    u64 shifted = days + 719468; /* from 0000-03-01: a year begins with March, so that its leap day comes last */
    u64 era = shifted / 146097, day_of_era = shifted % 146097;
    u64 year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    u64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    u64 month_from_march = (5 * day_of_year + 2) / 153;
    u64 month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    return (struct clock_time){
        .year = era * 400 + year_of_era + (month <= 2),
        .month = (u8)month,
        .day = (u8)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (u8)(rest / 3600),
        .minute = (u8)(rest / 60 % 60),
        .second = (u8)(rest % 60),
        .weekday = (u8)((days + 4) % 7 + 1), /* 1970-01-01 was a Thursday, which is 5 */
    };
}

/* The inverse; a month or day that no calendar has counts on from where it would be. Years from 1970. */
static u64 seconds_of(const struct clock_time *time)
{
    u64 month = time->month;
    u64 year = time->year - (month <= 2);
    u64 era = year / 400, year_of_era = year % 400;
    u64 day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + (time->day ? time->day - 1u : 0);
    u64 days = era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;

    return days * 86400 + time->hour * 3600ull + time->minute * 60ull + time->second;
}

static u8 encode(const struct cmos *cmos, unsigned number)
{
    return (u8)(cmos->cells[CELL_B] & B_BINARY ? number : number / 10 << 4 | number % 10);
}

static unsigned decode(const struct cmos *cmos, u8 value)
{
    return cmos->cells[CELL_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static u8 encode_hour(const struct cmos *cmos, unsigned hour)
{
    if (cmos->cells[CELL_B] & B_24H)
        return encode(cmos, hour);
    return encode(cmos, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct cmos *cmos, u8 value)
{
    if (cmos->cells[CELL_B] & B_24H)
        return decode(cmos, value);
    return decode(cmos, value & (u8)~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

static bool is_clock_cell(unsigned cell)
{
    switch (cell) {
    case CELL_SECONDS:
    case CELL_MINUTES:
    case CELL_HOURS:
    case CELL_WEEKDAY:
    case CELL_DAY:
    case CELL_MONTH:
    case CELL_YEAR:
    case CELL_CENTURY:
        return true;
    default:
        return false;
    }
}

static void clock_to_cells(struct cmos *cmos, u64 now_ns)
{
    struct clock_time time = time_of(cmos->start_seconds + now_ns / NS_PER_SECOND);
    u8 *cells = cmos->cells;

    cells[CELL_SECONDS] = encode(cmos, time.second);
    cells[CELL_MINUTES] = encode(cmos, time.minute);
    cells[CELL_HOURS] = encode_hour(cmos, time.hour);
    cells[CELL_WEEKDAY] = encode(cmos, time.weekday);
    cells[CELL_DAY] = encode(cmos, time.day);
    cells[CELL_MONTH] = encode(cmos, time.month);
    cells[CELL_YEAR] = encode(cmos, (unsigned)(time.year % 100));
    cells[CELL_CENTURY] = encode(cmos, (unsigned)(time.year / 100 % 100));
}

static void clock_from_cells(struct cmos *cmos, u64 now_ns)
{
    const u8 *cells = cmos->cells;
    struct clock_time time = {
        .year = decode(cmos, cells[CELL_CENTURY]) * 100ull + decode(cmos, cells[CELL_YEAR]),
        .month = (u8)decode(cmos, cells[CELL_MONTH]),
        .day = (u8)decode(cmos, cells[CELL_DAY]),
        .hour = (u8)decode_hour(cmos, cells[CELL_HOURS]),
        .minute = (u8)decode(cmos, cells[CELL_MINUTES]),
        .second = (u8)decode(cmos, cells[CELL_SECONDS]),
    };

    if (time.year < 1970)
        time.year = 1970;
    /* May wrap below zero: the sum in clock_to_cells() wraps back. */
    cmos->start_seconds = seconds_of(&time) - now_ns / NS_PER_SECOND;
}

/* Counts of the 32768 Hz divider. */
static u64 divider_at(u64 ns)
{
    return ns / NS_PER_SECOND * 32768 + ns % NS_PER_SECOND * 32768 / NS_PER_SECOND;
}

static u64 ns_of_second(u64 second)
{
    return second < CMOS_NEVER / NS_PER_SECOND ? second * NS_PER_SECOND : CMOS_NEVER;
}

/* The first nanosecond at which divider_at() has reached `counts`. */
static u64 ns_of_divider(u64 counts)
{
    u64 start = ns_of_second(counts / 32768);

    return start == CMOS_NEVER ? CMOS_NEVER : start + (counts % 32768 * NS_PER_SECOND + 32767) / 32768;
}

/* log2 of the divider's counts per period; 0: there is no periodic event. */
static unsigned period_shift(const struct cmos *cmos)
{
    unsigned rate = cmos->cells[CELL_A] & A_RATE;

    return rate == 0 ? 0 : rate < 3 ? rate + 6 : rate - 1; /* rates 1 and 2 are 8 and 9 again */
}

static bool clock_is_held(const struct cmos *cmos)
{
    return cmos->cells[CELL_B] & B_SET;
}

static bool hour_matches(const struct cmos *cmos, unsigned hour)
{
    u8 alarm = cmos->cells[CELL_HOURS_ALARM];

    return alarm >= ALARM_ANY || alarm == encode_hour(cmos, hour);
}

static bool cell_matches(const struct cmos *cmos, unsigned cell, unsigned number)
{
    return cmos->cells[cell] >= ALARM_ANY || cmos->cells[cell] == encode(cmos, number);
}

/* Hours, minutes and seconds of the alarm each match something; a cell may hold what no clock shows. */
static bool alarm_is_possible(const struct cmos *cmos)
{
    bool hours = false, minutes = false, seconds = false;

    for (unsigned i = 0; i < 24; i++)
        hours |= hour_matches(cmos, i);
    for (unsigned i = 0; i < 60; i++) {
        minutes |= cell_matches(cmos, CELL_MINUTES_ALARM, i);
        seconds |= cell_matches(cmos, CELL_SECONDS_ALARM, i);
    }
    return hours && minutes && seconds;
}

/* The first second after flags_ns that the alarm matches, within a day. Skips what cannot match: at most some 150 steps. */
static void cmos_set_alarm(struct cmos *cmos)
{
    u64 second = cmos->flags_ns / NS_PER_SECOND + 1;

    cmos->alarm_second = CMOS_NEVER;
    if (clock_is_held(cmos) || !alarm_is_possible(cmos))
        return;
    for (;;) {
        unsigned of_day = (unsigned)((cmos->start_seconds + second) % 86400);

        if (!hour_matches(cmos, of_day / 3600))
            second += 3600 - of_day % 3600;
        else if (!cell_matches(cmos, CELL_MINUTES_ALARM, of_day / 60 % 60))
            second += 60 - of_day % 60;
        else if (!cell_matches(cmos, CELL_SECONDS_ALARM, of_day % 60))
            second++;
        else
            break;
    }
    cmos->alarm_second = second;
}

void cmos_run(struct cmos *cmos, u64 now_ns)
{
    u64 before_ns = cmos->flags_ns, second = now_ns / NS_PER_SECOND;
    unsigned shift = period_shift(cmos);

    if (now_ns <= before_ns)
        return;
    cmos->flags_ns = now_ns;
    if (shift && divider_at(now_ns) >> shift != divider_at(before_ns) >> shift)
        cmos->cells[CELL_C] |= C_PERIODIC;
    if (clock_is_held(cmos) || second == before_ns / NS_PER_SECOND)
        return;
    cmos->cells[CELL_C] |= C_UPDATED;
    if (second >= cmos->alarm_second) {
        cmos->cells[CELL_C] |= C_ALARM;
        cmos_set_alarm(cmos);
    }
}

bool cmos_irq_line(const struct cmos *cmos)
{
    return cmos->cells[CELL_C] & cmos->cells[CELL_B] & C_SOURCES;
}

u64 cmos_next_irq_ns(const struct cmos *cmos)
{
    u8 enabled = cmos->cells[CELL_B];
    unsigned shift = period_shift(cmos);
    u64 next = CMOS_NEVER;

    if (cmos_irq_line(cmos))
        return CMOS_NEVER;
    if ((enabled & C_PERIODIC) && shift)
        next = ns_of_divider(((divider_at(cmos->flags_ns) >> shift) + 1) << shift);
    if ((enabled & C_UPDATED) && !clock_is_held(cmos))
        next = u64_min(next, ns_of_second(cmos->flags_ns / NS_PER_SECOND + 1));
    if (enabled & C_ALARM)
        next = u64_min(next, ns_of_second(cmos->alarm_second));
    return next;
}

static u8 read_status_a(const struct cmos *cmos, u64 now_ns)
{
    bool updating = now_ns % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_NS && !clock_is_held(cmos);

    return (cmos->cells[CELL_A] & (u8)~A_UIP) | (updating ? A_UIP : 0);
}

/* Reading status C clears it. */
static u8 read_status_c(struct cmos *cmos)
{
    u8 flags = cmos->cells[CELL_C] | (cmos_irq_line(cmos) ? C_IRQ : 0);

    cmos->cells[CELL_C] = 0;
    return flags;
}

static void write_status_b(struct cmos *cmos, u8 value, u64 now_ns)
{
    u8 before = cmos->cells[CELL_B];

    if (!(before & B_SET))
        clock_to_cells(cmos, now_ns); /* in the format that was valid so far: changing it does not convert the cells */
    cmos->cells[CELL_B] = value;
    if ((before & B_SET) && !(value & B_SET))
        clock_from_cells(cmos, now_ns);
}

static u8 cmos_read(void *dev, unsigned reg, u64 now_ns)
{
    struct cmos *cmos = dev;

    if (reg == 0)
        return 0xff; /* the index can only be written */
    cmos_run(cmos, now_ns);
    switch (cmos->index) {
    case CELL_A:
        return read_status_a(cmos, now_ns);
    case CELL_C:
        return read_status_c(cmos);
    case CELL_D:
        return D_VALID;
    default:
        if (is_clock_cell(cmos->index) && !clock_is_held(cmos))
            clock_to_cells(cmos, now_ns);
        return cmos->cells[cmos->index];
    }
}

static void write_cell(struct cmos *cmos, u8 value, u64 now_ns)
{
    switch (cmos->index) {
    case CELL_B:
        write_status_b(cmos, value, now_ns);
        break;
    case CELL_C:
    case CELL_D:
        break;
    default:
        if (is_clock_cell(cmos->index) && !clock_is_held(cmos)) {
            /* Without SET a write goes to the running clock. */
            clock_to_cells(cmos, now_ns);
            cmos->cells[cmos->index] = value;
            clock_from_cells(cmos, now_ns);
            break;
        }
        cmos->cells[cmos->index] = value;
        break;
    }
}

static void cmos_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct cmos *cmos = dev;

    if (reg == 0) {
        cmos->index = value & (CMOS_SIZE - 1);
        return;
    }
    cmos_run(cmos, now_ns);
    write_cell(cmos, value, now_ns);
    if (cmos->index <= CELL_B || cmos->index == CELL_CENTURY)
        cmos_set_alarm(cmos); /* alarm, time or format: all of them move it */
}

static bool cmos_write_quickly(void *dev, unsigned reg, u8 value)
{
    if (reg != 0)
        return false;
    cmos_write(dev, reg, value, 0);
    return true;
}

const struct port_ops cmos_ops = { .read = cmos_read, .write = cmos_write, .write_quickly = cmos_write_quickly };

static void set_number(struct cmos *cmos, unsigned cell, unsigned bytes, u64 number)
{
    for (unsigned i = 0; i < bytes; i++)
        cmos->cells[cell + i] = (u8)(number >> (8 * i));
}

void cmos_init(struct cmos *cmos, u64 memory, unsigned processors, u64 unix_time)
{
    u64 below_4g = u64_min(memory, GUEST_BELOW_4G);
    u64 above_4g = memory - below_4g;
    u64 extended = below_4g > MIB ? u64_min(below_4g - MIB, 63 * MIB) : 0;
    u64 above_16m = below_4g > 16 * MIB ? below_4g - 16 * MIB : 0;

    *cmos = (struct cmos){ .start_seconds = unix_time };
    cmos->cells[CELL_A] = A_DIVIDER_AND_RATE;
    cmos->cells[CELL_B] = B_24H;
    cmos->cells[CELL_EQUIPMENT] = EQUIPMENT;
    set_number(cmos, CELL_BASE_KIB, 2, u64_min(memory, 640 * KIB) / KIB);
    set_number(cmos, CELL_EXTENDED_KIB, 2, extended / KIB);
    set_number(cmos, CELL_EXTENDED_KIB_2, 2, extended / KIB);
    set_number(cmos, CELL_ABOVE_16M, 2, above_16m / (64 * KIB));
    set_number(cmos, CELL_ABOVE_4G, 3, u64_min(above_4g / (64 * KIB), 0xffffff));
    cmos->cells[CELL_PROCESSORS] = (u8)(processors - 1);
    cmos_set_alarm(cmos);
}
