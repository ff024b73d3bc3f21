/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf's conversions into a buffer. A conversion is read into a struct spec, and one function for each kind of value
 * writes it. Nothing is allocated, and the time is bounded by the buffer and the arguments, not by the width that is asked
 * for. Where C leaves a choice ("(nil)", "(null)") it is glibc's, so that tests can compare with it.
 */
#include "hv/lib/format.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/lib/string.h"

struct output {
    char *to;
    size_t size;   /* of the buffer */
    size_t length; /* of the text so far, written or not */
};

enum { FLAG_LEFT = 1, FLAG_ZERO = 2, FLAG_PLUS = 4, FLAG_SPACE = 8, FLAG_ALTERNATE = 16 };

enum length { LENGTH_INT, LENGTH_CHAR, LENGTH_SHORT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE, LENGTH_MAX };

struct spec {
    unsigned flags;
    size_t width;
    bool has_precision;
    size_t precision;
    enum length length;
    char conversion; /* NUL: the format ends within the conversion */
};

/* The part of [0, count) that still fits before the terminating NUL. */
static size_t output_room(const struct output *out, size_t count)
{
    size_t room = out->length + 1 < out->size ? out->size - 1 - out->length : 0;

    return count < room ? count : room;
}

static void put_text(struct output *out, const char *text, size_t count)
{
    size_t room = output_room(out, count);

    if (room)
        memcpy(out->to + out->length, text, room);
    out->length += count;
}

static void put_fill(struct output *out, char c, size_t count)
{
    size_t room = output_room(out, count);

    if (room)
        memset(out->to + out->length, c, room);
    out->length += count;
}

static void put_padded(struct output *out, const struct spec *spec, const char *text, size_t count)
{
    size_t padding = spec->width > count ? spec->width - count : 0;

    if (!(spec->flags & FLAG_LEFT))
        put_fill(out, ' ', padding);
    put_text(out, text, count);
    if (spec->flags & FLAG_LEFT)
        put_fill(out, ' ', padding);
}

/* `prefix` is what stands before the digits and before zeros that pad: a sign or 0x. */
static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base, const char *prefix)
{
    const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[20]; /* as many as 2^64 - 1 has in decimal */
    size_t count = 0, prefix_length = strlen(prefix), zeros = 0;

    while (value) {
        text[sizeof text - ++count] = digits[value % base];
        value /= base;
    }

    size_t least = spec->has_precision ? spec->precision : 1;

    if (least > count)
        zeros = least - count;

    size_t length = prefix_length + zeros + count;
    size_t padding = spec->width > length ? spec->width - length : 0;

    if (spec->flags & FLAG_ZERO && !(spec->flags & FLAG_LEFT) && !spec->has_precision) {
        zeros += padding;
        padding = 0;
    }
    if (!(spec->flags & FLAG_LEFT))
        put_fill(out, ' ', padding);
    put_text(out, prefix, prefix_length);
    put_fill(out, '0', zeros);
    put_text(out, text + sizeof text - count, count);
    if (spec->flags & FLAG_LEFT)
        put_fill(out, ' ', padding);
}

static int64_t signed_argument(enum length length, va_list *args)
{
    switch (length) {
    case LENGTH_CHAR:
        return (signed char)va_arg(*args, int);
    case LENGTH_SHORT:
        return (short)va_arg(*args, int);
    case LENGTH_LONG:
        return va_arg(*args, long);
    case LENGTH_LONG_LONG:
        return va_arg(*args, long long);
    case LENGTH_SIZE:
        return va_arg(*args, ptrdiff_t);
    case LENGTH_MAX:
        return va_arg(*args, intmax_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(*args, int);
}

static uint64_t unsigned_argument(enum length length, va_list *args)
{
    switch (length) {
    case LENGTH_CHAR:
        return (unsigned char)va_arg(*args, int);
    case LENGTH_SHORT:
        return (unsigned short)va_arg(*args, int);
    case LENGTH_LONG:
        return va_arg(*args, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(*args, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(*args, size_t);
    case LENGTH_MAX:
        return va_arg(*args, uintmax_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(*args, unsigned);
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    const char *sign = value < 0 ? "-" : spec->flags & FLAG_PLUS ? "+" : spec->flags & FLAG_SPACE ? " " : "";

    put_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, sign);
}

static void put_hexadecimal(struct output *out, const struct spec *spec, uint64_t value)
{
    const char *prefix = "";

    if (spec->flags & FLAG_ALTERNATE && value)
        prefix = spec->conversion == 'X' ? "0X" : "0x";
    put_number(out, spec, value, 16, prefix);
}

static void put_pointer(struct output *out, struct spec *spec, const void *pointer)
{
    spec->flags |= FLAG_ALTERNATE;
    if (pointer)
        put_hexadecimal(out, spec, (uintptr_t)pointer);
    else
        put_padded(out, spec, "(nil)", 5);
}

static void put_string(struct output *out, const struct spec *spec, const char *text)
{
    if (!text)
        text = spec->has_precision && spec->precision < 6 ? "" : "(null)";
    /* With a precision the text need not be terminated. */
    put_padded(out, spec, text, spec->has_precision ? strnlen(text, spec->precision) : strlen(text));
}

static const char *parse_flags(const char *at, unsigned *flags)
{
    static const char letters[] = "-0+ #"; /* in the order of enum FLAG_… */
    const char *letter;

    while (*at && (letter = strchr(letters, *at))) {
        *flags |= 1u << (letter - letters);
        at++;
    }
    return at;
}

/* Digits or a star; a number that an int cannot hold counts as the largest one. */
static const char *parse_count(const char *at, int *count, va_list *args)
{
    unsigned value = 0;

    if (*at == '*') {
        *count = va_arg(*args, int);
        return at + 1;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');

        value = value > (INT_MAX - digit) / 10 ? INT_MAX : value * 10 + digit;
    }
    *count = (int)value;
    return at;
}

static const char *parse_length(const char *at, enum length *length)
{
    *length = LENGTH_INT;
    switch (*at) {
    case 'h':
        *length = at[1] == 'h' ? LENGTH_CHAR : LENGTH_SHORT;
        return at + (at[1] == 'h' ? 2 : 1);
    case 'l':
        *length = at[1] == 'l' ? LENGTH_LONG_LONG : LENGTH_LONG;
        return at + (at[1] == 'l' ? 2 : 1);
    case 'z':
        *length = LENGTH_SIZE;
        return at + 1;
    case 'j':
        *length = LENGTH_MAX;
        return at + 1;
    }
    return at;
}

/* `at` is behind the percent sign. Returns what follows the conversion. */
static const char *parse_spec(const char *at, struct spec *spec, va_list *args)
{
    int count;

    *spec = (struct spec){ 0 };
    at = parse_flags(at, &spec->flags);
    at = parse_count(at, &count, args);
    if (count < 0)
        spec->flags |= FLAG_LEFT;
    spec->width = count < 0 ? -(size_t)count : (size_t)count;
    if (*at == '.') {
        at = parse_count(at + 1, &count, args);
        spec->has_precision = count >= 0;
        spec->precision = count >= 0 ? (size_t)count : 0;
    }
    at = parse_length(at, &spec->length);
    spec->conversion = *at;
    return *at ? at + 1 : at;
}

/* False: not a conversion that is known here. */
static bool put_conversion(struct output *out, struct spec *spec, va_list *args)
{
    char c;

    switch (spec->conversion) {
    case 'd':
    case 'i':
        put_signed(out, spec, signed_argument(spec->length, args));
        return true;
    case 'u':
        put_number(out, spec, unsigned_argument(spec->length, args), 10, "");
        return true;
    case 'x':
    case 'X':
        put_hexadecimal(out, spec, unsigned_argument(spec->length, args));
        return true;
    }
    if (spec->length != LENGTH_INT) /* wide characters */
        return false;
    switch (spec->conversion) {
    case 'c':
        c = (char)va_arg(*args, int);
        put_padded(out, spec, &c, 1);
        return true;
    case 's':
        put_string(out, spec, va_arg(*args, const char *));
        return true;
    case 'p':
        put_pointer(out, spec, va_arg(*args, const void *));
        return true;
    case '%':
        put_text(out, "%", 1);
        return true;
    }
    return false;
}

int format_text_v(char *to, size_t size, const char *format, va_list args)
{
    struct output out = { .to = to, .size = size };
    struct spec spec;
    va_list rest; /* a parameter of this type is a pointer on x86-64, and its address would be another type */

    va_copy(rest, args);
    while (*format) {
        const char *percent = strchr(format, '%');

        if (!percent)
            percent = format + strlen(format);
        put_text(&out, format, (size_t)(percent - format));
        if (!*percent)
            break;
        format = parse_spec(percent + 1, &spec, &rest);
        if (!put_conversion(&out, &spec, &rest))
            put_text(&out, percent, (size_t)(format - percent));
    }
    va_end(rest);
    if (size)
        to[out.length < size ? out.length : size - 1] = 0;
    return out.length > INT_MAX ? INT_MAX : (int)out.length;
}

int format_text(char *to, size_t size, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = format_text_v(to, size, format, args);
    va_end(args);
    return length;
}
