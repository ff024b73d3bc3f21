/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/lib/log.c: one piece per line, the prefix, and the limit of 500 bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/lib/log.h"

static char seen[2048];
static size_t seen_length;
static unsigned seen_pieces;

static void sink(const char *text, size_t length)
{
    assert_true(seen_length + length < sizeof seen);
    memcpy(seen + seen_length, text, length);
    seen_length += length;
    seen[seen_length] = 0;
    seen_pieces++;
}

static int start(void **state)
{
    log_set_sink(sink);
    seen_length = 0;
    seen_pieces = 0;
    seen[0] = 0;
    return 0;
}

static void a_line_is_one_piece_with_prefix_and_newline(void **state)
{
    log_line("guest %s: %u of %#x pages", "hello", 3u, 0x20u);
    assert_string_equal(seen, "slat: guest hello: 3 of 0x20 pages\n");
    assert_int_equal(seen_pieces, 1);
    log_line("%s", "");
    assert_string_equal(seen, "slat: guest hello: 3 of 0x20 pages\nslat: \n");
    assert_int_equal(seen_pieces, 2);
}

/* Below, at and above the longest text: 500 bytes without "slat: " and the newline. */
static void a_long_line_is_cut_at_500_bytes(void **state)
{
    char text[600];

    for (size_t length = 491; length <= 599; length++) {
        size_t shown = length < 493 ? length : 493;

        memset(text, 'a', length);
        memset(text + shown, 'b', length - shown);
        text[length] = 0;
        start(state);
        log_line("%s", text);
        assert_int_equal(seen_length, 6 + shown + 1);
        assert_int_equal(seen[seen_length - 1], '\n');
        assert_null(strchr(seen, 'b'));
        assert_int_equal(strlen(seen), seen_length);
    }
}

static void raw_text_goes_as_it_stands(void **state)
{
    log_raw("a\0b\xff", 4);
    assert_int_equal(seen_length, 4);
    assert_memory_equal(seen, "a\0b\xff", 4);
    log_raw("x", 0);
    assert_int_equal(seen_pieces, 1);
}

static void without_a_sink_text_is_dropped(void **state)
{
    log_set_sink(NULL);
    log_line("%s", "nobody hears it");
    log_raw("x", 1);
    assert_int_equal(seen_pieces, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_is_one_piece_with_prefix_and_newline, start),
        cmocka_unit_test_setup(a_long_line_is_cut_at_500_bytes, start),
        cmocka_unit_test_setup(raw_text_goes_as_it_stands, start),
        cmocka_unit_test_setup(without_a_sink_text_is_dropped, start),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
