/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/lib/format.c against the C library's snprintf: chosen cases, every combination of flags, and random conversions. */
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hv/lib/format.h"

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-overflow"

enum { BUFFER = 300 };

/* Text, returned length, and not a byte behind the given size. */
#define SAME(size, ...)                                           \
    do {                                                          \
        start_same();                                             \
        int our_length = format_text(ours, size, __VA_ARGS__);    \
        int their_length = snprintf(theirs, size, __VA_ARGS__);   \
        check_same(#__VA_ARGS__, size, our_length, their_length); \
    } while (0)

static char ours[BUFFER + 1], theirs[BUFFER + 1];

static void start_same(void)
{
    memset(ours, 0x5a, sizeof ours);
    memset(theirs, 0x5a, sizeof theirs);
}

static void check_same(const char *what, size_t size, int our_length, int their_length)
{
    if (our_length != their_length || (size && strcmp(ours, theirs)))
        fail_msg("%s, size %zu: ours %d \"%s\", theirs %d \"%s\"", what, size, our_length, ours, their_length, theirs);
    for (size_t i = size; i <= BUFFER; i++) {
        if (ours[i] != 0x5a)
            fail_msg("%s, size %zu: byte %zu was written", what, size, i);
    }
}

static uint64_t random_state;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static unsigned random_below(unsigned limit)
{
    return (unsigned)(random_u64() >> 32) % limit;
}

/* Numbers of every magnitude, and the ones at the edges of the types. */
static uint64_t random_value(void)
{
    static const uint64_t edges[] = { 0,          1,          9,          10,        0x7f,
                                      0x80,       0xff,       0x7fff,     0x8000,    0xffff,
                                      0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, (uint64_t)INT64_MIN,
                                      UINT64_MAX };

    if (random_below(4) == 0)
        return edges[random_below(sizeof edges / sizeof *edges)];
    return random_u64() >> random_below(64);
}

static void every_length_at_its_edges(void **state)
{
    SAME(BUFFER, "%hhd %hhu %hhx", -128, 255, 0xab);
    SAME(BUFFER, "%hhd %hhd", 127, -1);
    SAME(BUFFER, "%hd %hu %hX", SHRT_MIN, USHRT_MAX, 0xabcd);
    SAME(BUFFER, "%d %i %u %x", INT_MIN, INT_MAX, UINT_MAX, UINT_MAX);
    SAME(BUFFER, "%ld %li %lu %lx", LONG_MIN, LONG_MAX, ULONG_MAX, ULONG_MAX);
    SAME(BUFFER, "%lld %lli %llu %llX", LLONG_MIN, LLONG_MAX, ULLONG_MAX, ULLONG_MAX);
    SAME(BUFFER, "%zd %zu %zx", (ssize_t)-1, SIZE_MAX, SIZE_MAX);
    SAME(BUFFER, "%jd %ju %jx", INTMAX_MIN, UINTMAX_MAX, UINTMAX_MAX);
    SAME(BUFFER, "%" PRIu64 " %" PRIx64, UINT64_MAX, UINT64_C(0x1234));
}

static void arguments_too_large_for_a_short_length_are_cut(void **state)
{
    const char *formats[] = { "%hhd", "%hhu", "%hhx", "%hd", "%hu", "%hX" };

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        SAME(BUFFER, formats[i], 0x12345678 + 0x70 * (int)i);
}

static void strings_characters_and_percent(void **state)
{
    const char unterminated[3] = { 'a', 'b', 'c' };

    SAME(BUFFER, "%s|%10s|%-10s|", "abc", "abc", "abc");
    SAME(BUFFER, "%.2s|%.0s|%.9s|%.s|", "abc", "abc", "abc", "abc");
    SAME(BUFFER, "%8.2s|%-8.2s|", "abc", "abc");
    SAME(BUFFER, "%.3s", unterminated);
    SAME(BUFFER, "%.*s|%.*s", 2, "abc", -1, "abc");
    SAME(BUFFER, "%c|%5c|%-5c|", 'x', 'y', 'z');
    SAME(BUFFER, "100%%|%%");
    SAME(BUFFER, "%s %d", "\xc3\xa4\xff", 1);
}

static void null_pointers_as_glibc_has_them(void **state)
{
    const char *volatile nothing = NULL;
    const char *formats[] = { "%s|", "%.5s|", "%.6s|", "%10s|", "%-10s|", "%.0s|", "%p|", "%10p|", "%-10p|" };

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        SAME(BUFFER, formats[i], nothing);
}

static void pointers(void **state)
{
    SAME(BUFFER, "%p", (void *)0x1234);
    SAME(BUFFER, "%20p|%-20p|", (void *)0xffff800000000000, (void *)1);
}

static void a_star_takes_the_argument(void **state)
{
    SAME(BUFFER, "%*d|%-*d|%*d|", 8, 12, 8, 12, -8, 12);
    SAME(BUFFER, "%.*d|%.*d|%.*x|%.*d|", 5, 12, 0, 0, 7, 0xabc, -1, 0);
    SAME(BUFFER, "%*.*d|", 10, 4, -7);
    SAME(BUFFER, "%0*d|%0*d|", 6, 5, -6, 5);
}

/* What C leaves undefined and format.h does not. */
static void unknown_conversions_stand_as_they_are(void **state)
{
    static const struct {
        const char *format, *text;
    } cases[] = {
        { "a %y b", "a %y b" }, { "%", "%" },           { "a%", "a%" },   { "%-08", "%-08" },
        { "%ls", "%ls" },       { "%5.3q!", "%5.3q!" }, { "%hh", "%hh" }, { "%lc|", "%lc|" },
        { "%n", "%n" },         { "%f", "%f" },         { "%.", "%." },   { "%#+ 0", "%#+ 0" },
    };
    char text[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(format_text(text, sizeof text, cases[i].format, 1, 2, 3), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* Widths that no buffer holds: the length is told, and it takes no time. */
static void the_largest_widths(void **state)
{
    char text[8];

    for (int i = 0; i < 1000; i++) {
        assert_int_equal(format_text(text, sizeof text, "%*d", INT_MAX, 5), INT_MAX);
        assert_string_equal(text, "       ");
    }
    assert_int_equal(format_text(text, sizeof text, "%-*d%*d", INT_MAX, 5, INT_MIN, 6), INT_MAX);
    assert_string_equal(text, "5      ");
    assert_int_equal(format_text(text, sizeof text, "%.*d", INT_MAX, 5), INT_MAX);
    assert_string_equal(text, "0000000");
    /* Written out: the largest two that an int holds, and what counts as the largest. */
    const char *widths[] = { "%2147483646d", "%2147483647d", "%2147483648d", "%2147483650d", "%99999999999999999999d" };

    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        assert_int_equal(format_text(text, sizeof text, widths[i], 5), i ? INT_MAX : INT_MAX - 1);
        assert_string_equal(text, "       ");
    }
}

static void every_buffer_size(void **state)
{
    for (size_t size = 0; size <= 40; size++) {
        SAME(size, "text %8d %-8x| %s", 42, 42u, "and more");
        SAME(size, "%020d", 42);
        SAME(size, "%-20d", 42);
        SAME(size, "%.20d", 42);
        SAME(size, "%s", "0123456789");
        SAME(size, "0123456789");
    }
    assert_int_equal(format_text(NULL, 0, "%d", 12345), 5);
}

/* Every set of flags with small widths and precisions and numbers whose texts differ. */
static void every_combination_of_flags(void **state)
{
    static const int64_t values[] = { 0, 1, -1, 7, -42, 4095, INT_MIN, INT_MAX };
    char format[32];

    for (unsigned flags = 0; flags < 32; flags++) {
        for (int width = -1; width <= 7; width++) {
            for (int precision = -2; precision <= 7; precision++) {
                for (const char *conversion = "diuxX"; *conversion; conversion++) {
                    char *at = format;

                    *at++ = '%';
                    for (unsigned bit = 0; bit < 5; bit++) {
                        if (flags >> bit & 1)
                            *at++ = "-0+ #"[bit];
                    }
                    if (width >= 0)
                        at += sprintf(at, "%d", width);
                    if (precision >= -1)
                        *at++ = '.';
                    if (precision >= 0)
                        at += sprintf(at, "%d", precision);
                    *at++ = *conversion;
                    *at = 0;
                    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                        SAME(BUFFER, format, (int)values[i]);
                }
            }
        }
    }
}

/* One conversion of a random kind into *at; whether it takes a string. */
static bool random_conversion(char **at)
{
    static const char *const lengths[] = { "l", "ll", "z", "j" }; /* all take 64 bits */
    char *to = *at;
    bool string = random_below(5) == 0;

    *to++ = '%';
    if (random_below(2))
        *to++ = '-';
    for (const char *flag = "0+ #"; !string && *flag; flag++) {
        if (random_below(3) == 0)
            *to++ = *flag;
    }
    if (random_below(2))
        to += sprintf(to, "%u", 1 + random_below(30));
    if (random_below(2))
        to += sprintf(to, ".%u", random_below(30));
    if (string) {
        *to++ = 's';
    } else {
        to += sprintf(to, "%s", lengths[random_below(4)]);
        *to++ = "diuxX"[random_below(5)];
    }
    *at = to;
    return string;
}

static void random_conversions(void **state)
{
    char format[128];

    random_state = 0x736c6174;
    for (unsigned i = 0; i < 200000; i++) {
        union {
            uint64_t number;
            const char *text;
        } arguments[3];
        char *at = format;
        size_t size = random_below(BUFFER);

        for (unsigned n = 0; n < 3; n++) {
            static const char text[] = "the quick brown fox jumps";

            for (unsigned letters = random_below(4); letters; letters--)
                *at++ = (char)('a' + random_below(26));
            if (random_conversion(&at))
                arguments[n].text = text + random_below(sizeof text);
            else
                arguments[n].number = random_value();
        }
        *at = 0;
        SAME(size, format, arguments[0].number, arguments[1].number, arguments[2].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_at_its_edges),
        cmocka_unit_test(arguments_too_large_for_a_short_length_are_cut),
        cmocka_unit_test(strings_characters_and_percent),
        cmocka_unit_test(null_pointers_as_glibc_has_them),
        cmocka_unit_test(pointers),
        cmocka_unit_test(a_star_takes_the_argument),
        cmocka_unit_test(unknown_conversions_stand_as_they_are),
        cmocka_unit_test(the_largest_widths),
        cmocka_unit_test(every_buffer_size),
        cmocka_unit_test(every_combination_of_flags),
        cmocka_unit_test(random_conversions),
    };

    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
