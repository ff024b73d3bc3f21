/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/console_lines.c: each line is found once, and too many lines cost the oldest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hv/console_lines.h"
#include "hv/guest_console.h"

static struct console_lines lines;

static void each_line_once(void **state)
{
    memset(&lines, 0, sizeof(lines));
    assert_false(console_lines_find(&lines, ""));
    console_lines_add(&lines, "");
    assert_true(console_lines_find(&lines, ""));
    assert_false(console_lines_find(&lines, ""));
    console_lines_add(&lines, "a b");
    console_lines_add(&lines, "b c");
    console_lines_add(&lines, "d");
    assert_true(console_lines_find(&lines, "b"));
    assert_true(console_lines_find(&lines, "b"));
    assert_false(console_lines_find(&lines, "b"));
    assert_false(console_lines_find(&lines, "d")); /* looked at */
}

/* So many that the ring goes round several times. */
static void the_oldest_are_forgotten(void **state)
{
    char text[20], last[20] = "";
    unsigned found = 0;

    memset(&lines, 0, sizeof(lines));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "line %u.", i);
        console_lines_add(&lines, text);
    }
    for (unsigned i = 0; i < 5000; i++) {
        struct console_lines copy = lines;

        snprintf(text, sizeof(text), "line %u.", i);
        if (console_lines_find(&copy, text)) {
            found++;
            memcpy(last, text, sizeof(last));
        }
    }
    assert_string_equal(last, "line 4999.");
    assert_in_range(found, (CONSOLE_LINES_SIZE - GUEST_CONSOLE_LINE_SIZE) / 11, CONSOLE_LINES_SIZE / 10);
}

static void long_lines_are_cut(void **state)
{
    char text[GUEST_CONSOLE_LINE_SIZE + 2];

    memset(&lines, 0, sizeof(lines));
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    text[sizeof(text) - 2] = 'y';
    for (int i = 0; i < 30; i++)
        console_lines_add(&lines, text);
    struct console_lines copy = lines;
    assert_false(console_lines_find(&copy, "y"));
    assert_true(console_lines_find(&lines, "xxx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_once),
        cmocka_unit_test(the_oldest_are_forgotten),
        cmocka_unit_test(long_lines_are_cut),
    };

    return cmocka_run_group_tests_name("console_lines", tests, NULL, NULL);
}
