/* SPDX-License-Identifier: BSD-2-Clause */
/* TAP on the console: a line is one write, so that lines of several processes do not mix. */
#include "tests/guests/linux/init.h"

enum { LINE = 256, STDOUT = 1 };

unsigned tests_run, tests_failed;

struct line {
    char text[LINE];
    size_t length;
};

static void put(struct line *line, char c)
{
    if (line->length < LINE)
        line->text[line->length++] = c;
}

static void put_text(struct line *line, const char *text)
{
    while (*text)
        put(line, *text++);
}

static void put_number(struct line *line, u64 number, unsigned base)
{
    char digits[24];
    unsigned count = 0;

    do
        digits[count++] = "0123456789abcdef"[number % base];
    while (number /= base);
    while (count)
        put(line, digits[--count]);
}

static void put_format(struct line *line, const char *format, va_list args)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(line, *format);
            continue;
        }
        switch (*++format) {
        case 'd': {
            int64_t number = va_arg(args, int64_t);
            if (number < 0)
                put(line, '-');
            put_number(line, number < 0 ? -(u64)number : (u64)number, 10);
            break;
        }
        case 'u':
            put_number(line, va_arg(args, u64), 10);
            break;
        case 'x':
            put_number(line, va_arg(args, u64), 16);
            break;
        case 's':
            put_text(line, va_arg(args, const char *));
            break;
        default:
            put(line, *format);
            break;
        }
    }
}

void print(const char *format, ...)
{
    struct line line = { .length = 0 };
    va_list args;

    va_start(args, format);
    put_format(&line, format, args);
    va_end(args);
    CALL_3(write, STDOUT, line.text, line.length);
}

bool ok(bool right, const char *format, ...)
{
    struct line line = { .length = 0 };
    va_list args;

    tests_failed += !right;
    put_text(&line, right ? "ok " : "not ok ");
    put_number(&line, ++tests_run, 10);
    put_text(&line, " - ");
    va_start(args, format);
    put_format(&line, format, args);
    va_end(args);
    put(&line, '\n');
    CALL_3(write, STDOUT, line.text, line.length);
    return right;
}
