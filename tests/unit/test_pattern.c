/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/pattern.c: chosen patterns, every short pattern on every short line against a naive matcher, and bounded time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/pattern.h"
#include "tests/unit/naive_pattern.h"

static void chosen_patterns(void **state)
{
    static const struct {
        const char *pattern, *line;
        bool found;
    } cases[] = {
        { "", "", true },
        { "", "abc", true },
        { "abc", "abc", true },
        { "abc", "xxabcxx", true },
        { "abc", "ababc", true },
        { "abc", "ab", false },
        { "abc", "", false },
        { "Errors: 0", "12 tests. Errors: 0.", true },
        { "Errors: 0", "12 tests. Errors: 10", false },
        { "a*c", "xabbbcx", true },
        { "a*c", "ac", true },
        { "a*c", "ca", false },
        { "a*b*c", "a b a c", true },
        { "a*b*c", "a c b", false },
        { "*", "", true },
        { "**", "abc", true },
        { "*c*", "abc", true },
        { "*d*", "abc", false },
        { "a?c", "abc", true },
        { "a?c", "ac", false },
        { "?", "", false },
        { "???", "ab", false },
        { "*??", "ab", true },
        { "a*?c", "ac", false },
        { "a\\*c", "a*c", true },
        { "a\\*c", "abc", false },
        { "a\\?c", "a?c", true },
        { "a\\?c", "abc", false },
        { "a\\\\c", "a\\c", true },
        { "a\\bc", "abc", true },
        { "a\\", "a\\", true },
        { "a\\", "a", false },
        { "\\**x", "*abcx", true },
        { "aab", "aaab", true },
        { "a*aab", "aaaab", true },
        { "x*aab*y", "x aaab y", true },
        { "\xc3\xa4", "M\xc3\xa4rz", true },
        { "M??rz", "M\xc3\xa4rz", true },
        { "ABC", "abc", false },
        { "[ab]", "a", false },
        { "[ab]", "[ab]", true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (pattern_found(cases[i].pattern, cases[i].line) != cases[i].found)
            fail_msg("\"%s\" in \"%s\" should be %s", cases[i].pattern, cases[i].line,
                     cases[i].found ? "found" : "absent");
    }
}

/* The `number`th text over the letters, in order of length. */
static void make_text(char *text, const char *letters, unsigned number)
{
    unsigned count = (unsigned)strlen(letters);

    for (; number; number = (number - 1) / count)
        *text++ = letters[(number - 1) % count];
    *text = 0;
}

static void all_short_patterns_on_all_short_lines(void **state)
{
    char pattern[16], line[16];

    for (unsigned i = 0; i < 3906; i++) { /* up to 5 of 5 letters */
        make_text(pattern, "ab*?\\", i);
        for (unsigned j = 0; j < 364; j++) { /* up to 5 of 3 letters */
            make_text(line, "ab*", j);
            if (pattern_found(pattern, line) != naive_pattern_found(pattern, line))
                fail_msg("\"%s\" in \"%s\" is %s", pattern, line, pattern_found(pattern, line) ? "found" : "absent");
        }
    }
}

/* A matcher that tries every star again needs more time for this than the universe has. */
static void stars_do_not_multiply(void **state)
{
    static char line[4096];
    char pattern[128];

    for (size_t i = 0; i < sizeof pattern - 2; i += 2)
        memcpy(pattern + i, "a*", 2);
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = 0;
    memset(line, 'a', sizeof line - 1);
    assert_false(pattern_found(pattern, line));
    line[sizeof line - 2] = 'b';
    assert_true(pattern_found(pattern, line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_patterns),
        cmocka_unit_test(all_short_patterns_on_all_short_lines),
        cmocka_unit_test(stars_do_not_multiply),
    };

    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
