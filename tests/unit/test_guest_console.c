/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/guest_console.c: what guests send on the left, the lines that a person sees on the right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/guest_console.h"

#define HOME  "\x1b[H"
#define CLEAR "\x1b[2J"

enum { SEEN = 1 << 16 };

static struct guest_console console;
static char seen[SEEN]; /* emitted lines, each with '|' behind it */
static size_t seen_length;
static char matched_lines[SEEN];
static size_t matched_length;
static const char *expected; /* NULL: nothing */

static void append(char *to, size_t *length, const char *line)
{
    int added = snprintf(to + *length, SEEN - *length, "%s|", line);

    assert_true(added >= 0 && *length + (size_t)added < SEEN);
    *length += (size_t)added;
}

static void emit(void *context, const char *line)
{
    assert_ptr_equal(context, &console);
    append(seen, &seen_length, line);
}

static bool match(void *context, const char *line)
{
    append(matched_lines, &matched_length, line);
    return expected && strstr(line, expected);
}

static void start(u64 limit)
{
    struct guest_console_config config = { .context = &console, .emit = emit, .match = match, .output_limit = limit };

    guest_console_init(&console, &config);
    seen[0] = matched_lines[0] = '\0';
    seen_length = matched_length = 0;
}

static int setup(void **state)
{
    expected = NULL;
    start(1 << 20);
    return 0;
}

static void put(const char *text)
{
    while (*text)
        guest_console_put(&console, (u8)*text++);
}

/* What comes out of `text` until now; then it is forgotten. */
static void assert_seen(const char *lines)
{
    assert_string_equal(seen, lines);
    seen[0] = '\0';
    seen_length = 0;
}

static void check(const char *text, const char *lines)
{
    start(1 << 20);
    put(text);
    assert_seen(lines);
}

static void lines_come_out_as_they_are(void **state)
{
    check("one\ntwo\r\nthree\n\rfour\n", "one|two|three|four|");
    check("same\nsame\n\n\nsame\n", "same|same|||same|");
    check("  indented\n", "  indented|");
    check("trailing blanks   \n", "trailing blanks|");
    check("\r\n", "|");
    check("a\r\r\nb\n", "a|b|");
    check("page\fnext\v", "page|next|");
    check("a\x1b"
          "Db\x1b"
          "E",
          "a|b|");
}

static void unfinished_line_comes_at_the_end(void **state)
{
    check("prompt> ", "");
    guest_console_flush(&console);
    assert_seen("prompt>|");
    guest_console_flush(&console);
    assert_seen("");
    check("", "");
    guest_console_flush(&console);
    assert_seen("");
    check("all\n", "all|");
    guest_console_flush(&console);
    assert_seen("");
    check("cut \xe2\x82", "");
    guest_console_flush(&console);
    assert_seen("cut \\xe2\\x82|");
}

static void carriage_return_starts_another_line(void **state)
{
    check("one\rtwo\r\n", "one|two|");
    check("longer line\rshort\n", "longer line|short|");
    check("same\rsame\rsame\r\n", "same|");
    check("one\r\x1b[Ktwo\n", "one|two|");
    check("x\r\ty\n", "x|        y|");
}

/* A progress display: its first steps, then fewer and fewer of them, and the last one. */
static void progress_is_thinned(void **state)
{
    char text[32];

    for (unsigned i = 0; i <= 100; i++) {
        snprintf(text, sizeof text, "\rloaded %3u%%", i);
        put(text);
    }
    put("\n");
    assert_seen("loaded   0%|loaded   1%|loaded   2%|loaded   4%|loaded   8%|loaded  16%|loaded  32%|loaded  64%|"
                "loaded 100%|");
    put("\rchecked 1\rchecked 2\rchecked 3\rcopied 4\rcopied 5\rcopied 6\r");
    put("x\n");
    assert_seen("checked 1|checked 2|checked 3|copied 4|copied 5|copied 6|x|");
}

/* What is a number, and so a small change; and what is a word. The third of three different rows tells. */
static void numbers_and_words(void **state)
{
    check("\r0x1f\r0x2e\r0x3d\r0xc4\rz", "0x1f|0x2e|0x3d|");
    check("\r[4MB of 8GB]\r[5MB of 8GB]\r[512KB of 8GB]\r[7MB of 16KB]\rz",
          "[4MB of 8GB]|[5MB of 8GB]|[512KB of 8GB]|");
    check("\rhda1a\rhda1b\rhda1c\rhda1d\rz", "hda1a|hda1b|hda1c|hda1d|"); /* the digit is within a word */
    check("\r1 a\r1 b\r1 c\r1 d\rz", "1 a|1 b|1 c|1 d|");
}

static void tabs_and_backspace(void **state)
{
    check("a\tb\n", "a       b|");
    check("12345678\tb\n", "12345678        b|");
    check("ab\b\bcd\n", "cd|");
    check("abc\b \b\n", "ab|");
    check("\b\b\bx\n", "x|");
    check("12345678\r\n", "12345678|");
    check("abcdefghij\x1b[3G\tX\n", "abcdefghij|abcdefghXj|"); /* a tab over text moves only */
}

static void control_characters(void **state)
{
    check("a\x01"
          "b\x7f"
          "c\x07"
          "d\x0e"
          "e\x11"
          "f\x1f\n",
          "a^Abcdef^_|");
    start(1 << 20);
    guest_console_put(&console, 'a');
    guest_console_put(&console, 0);
    put("b\n");
    assert_seen("ab|");
    check("\x9b"
          "1m\xc2\x9b"
          "2J\n",
          "\\x9b1m?2J|"); /* C1 controls, bare and as UTF-8 */
}

static void utf8(void **state)
{
    check("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\n", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80|");
    check("\xc3\n", "\\xc3|"); /* ends early */
    check("\xe2\x82x\n", "\\xe2\\x82x|");
    check("\xe2\x82\xc3\xbc\n", "\\xe2\\x82\xc3\xbc|");
    check("\xc0\x80\n", "\\xc0\\x80|"); /* overlong */
    check("\xe0\x80\x80\n", "\\xe0\\x80\\x80|");
    check("\xf0\x80\x80\x80\n", "\\xf0\\x80\\x80\\x80|");
    check("\xed\xa0\x80\n", "\\xed\\xa0\\x80|"); /* a surrogate */
    check("\xf4\x90\x80\x80\n", "\\xf4\\x90\\x80\\x80|");
    check("\x80\xff\n", "\\x80\\xff|");
    check("\xc3\x1b[1m\xbc\n", "\\xc3\\xbc|");
    check("\xe2\x80\xae"
          "abc\xe2\x80\x8b\xef\xbb\xbf\n",
          "?abc??|"); /* direction, zero width */
}

static void sequences_are_swallowed(void **state)
{
    check("\x1b[1;31mred\x1b[0m plain\n", "red plain|");
    check("a\x1b[?25lb\x1b[>0cc\x1b[6nd\x1b[1 qe\n", "abcde|");
    check("a\x1b]0;title\x07"
          "b\x1b]0;title\x1b\\c\x1bP1$qm\x1b\\d\n",
          "abcd|");
    check("a\x1b(Bb\x1b=c\x1b>d\n", "abcd|");
    check("abc\x1b[?1Kd\n", "abcd|"); /* not ours to obey */
    check("a\x1b[1\xc3\xbc"
          "b\n",
          "a\xc3\xbc"
          "b|"); /* a byte that no sequence has ends it */
    check("a\x1b[1;2;3;4;5;6Hb\n", "a| b|");
    check("a\x1b[1;\x18"
          "b\x1b[\x1a"
          "c\n",
          "abc|");
    check("a\x1b[1\x1b[1mb\n", "ab|");
    check("a\x1b[1\nb\n", "a|b|"); /* a line feed within */
    check("a\x1b]0;no end\nb\n", "a|b|");
    check("a\x1b]0;\xc3\xbc\x07"
          "b\n",
          "ab|");
    check("a\x1b\n", "a|");
}

static void endless_sequences_end(void **state)
{
    start(1 << 20);
    put("a\x1b[");
    for (unsigned i = 0; i < 100; i++)
        put(";");
    put("\n");
    assert_true(strlen(seen) > 50 && strlen(seen) < 110);
    start(1 << 20);
    put("a\x1b]");
    for (unsigned i = 0; i < 400; i++)
        put("x");
    put("\n");
    assert_true(strlen(seen) > 100 && strlen(seen) < 200);
}

static void long_lines_are_broken(void **state)
{
    char text[512] = "", lines[512] = "";

    for (unsigned i = 0; i < 450; i++) {
        char c = (char)('a' + i % 26);
        text[i] = c;
        if (i && i % 200 == 0)
            strcat(lines, "|");
        strncat(lines, &c, 1);
    }
    strcat(lines, "|");
    put(text);
    put("\n");
    assert_seen(lines);
    text[200] = '\0';
    lines[201] = '\0';
    put(text);
    put("\r\n");
    assert_seen(lines); /* exactly 200: no empty line behind it */
    put("\x1b[999Cx\x1b[999Gy\n");
    assert_int_equal(strlen(seen), 2 * 201); /* back to the last column: another version of the line */
    assert_int_equal(seen[199], 'x');
    assert_int_equal(seen[201 + 199], 'y');
}

static void rows_come_when_the_cursor_leaves(void **state)
{
    put(CLEAR HOME "title" HOME);
    assert_seen("title|");
    put("\x1b[3;5Hname\x1b[3;20Hvalue");
    assert_seen("");
    put("\x1b[5;1Hx");
    assert_seen("    name           value|");
    put("\x1b[3;20Hother" HOME);
    assert_seen("x|    name           other|");
    put("\x1b[3;20Hother" HOME "\x1b[5;1Hx" HOME);
    assert_seen(""); /* nothing new */
    put("\x1b[3d\x1b[2CA\x1b[1BB\x1b[4AC\x1b[EE\x1b[FF");
    assert_seen("  A name           other|   B|titlC|E|");
    guest_console_flush(&console);
    assert_seen("FitlC|");
    put("\x1b[s\x1b[9;9HZ\x1b[uY\x1b[1;1H");
    assert_seen("        Z|FYtlC|");
    put("\x1b"
        "7\x1b[9;9HW\x1b"
        "8V\x1b[1;1H");
    assert_seen("        W|VYtlC|");
}

static void screen_beyond_ours(void **state)
{
    put("\x1b[99;999H");
    assert_int_equal(console.row, GUEST_CONSOLE_ROWS - 1);
    assert_int_equal(console.column, GUEST_CONSOLE_COLUMNS - 1);
    put("\x1b[99;99Hx\x1b[1;999Hy\x1b[0;0Hz");
    guest_console_flush(&console);
    assert_non_null(strstr(seen, "x|"));
    assert_non_null(strstr(seen, "y|"));
}

static void erasing(void **state)
{
    check("abc\x1b[2Dx\x1b[K\n", "abc|ax|");
    check("abcdef\x1b[4G\x1b[1K\n", "abcdef|    ef|");
    check("abcdef\x1b[3G\x1b[2Xz\n", "abcdef|abz ef|");
    check("abc\x1b[2K\n", "|");
    start(1 << 20);
    put(HOME "one\x1b[2;1Htwo\x1b[3;1Hthree\x1b[2;2H\x1b[J\x1b[3;1Hx" HOME);
    assert_seen("one|two|three|t|x|");
    put("\x1b[2;1H\x1b[1J\x1b[1;2Hy\x1b[9;1H");
    assert_seen(" y|");
}

/* After the screen was cleared, what is written is new even if it is the same. */
static void clearing(void **state)
{
    put(CLEAR HOME "same\r\nline\r\n");
    assert_seen("same|line|");
    put(CLEAR HOME "same\r\nline\r\n");
    assert_seen("same|line|");
    put("rest" CLEAR);
    assert_seen("rest|");
    put("\x1b"
        "c"
        "a\n\x1b[H\x1b[Ja\n");
    assert_seen("a|a|");
}

/* A firmware clears the screen once and then prints lines: all come out, over the bottom of the screen too. */
static void lines_after_clearing(void **state)
{
    char text[16], lines[2000] = "";

    put(CLEAR "\x1b[01;01H");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "line %u\r\n", i / 2);
        put(text);
        snprintf(text, sizeof text, "line %u|", i / 2);
        strcat(lines, text);
    }
    assert_seen(lines);
}

/* A status row redrawn many times a second: the words count, the digits and the spinner do not. */
static void status_rows_are_thinned(void **state)
{
    char text[80];
    unsigned lines = 0;

    console.config.match = NULL;
    put(CLEAR HOME "Memtest\x1b[9;1HPass: 0  Errors: 0");
    for (unsigned i = 1; i <= 10000; i++) {
        snprintf(text, sizeof text, "\x1b[8;1HTime: %u:%02u  Status: Testing %c\x1b[9;1HPass: 0  Errors: 0", i / 60,
                 i % 60, "-\\|/"[i % 4]);
        put(text);
    }
    for (const char *c = seen; *c; c++)
        lines += *c == '|' && c[1] != '\x1b';
    assert_true(lines < 30);
    seen[0] = '\0';
    seen_length = 0;
    put("\x1b[8;1HTime: 9:99  Status: Pass    -\x1b[9;1HPass: 1  Errors: 0\x1b[8;1H");
    assert_non_null(strstr(seen, "Status: Pass"));
    guest_console_flush(&console);
    assert_non_null(strstr(seen, "Pass: 1  Errors: 0|"));
    start(1 << 20); /* words are not only those of ASCII */
    put("\x1b[1;1H\xe5\xa5\xbd\x1b[2;1H\x1b[1;1H\xe5\x9d\x8f\x1b[2;1H\x1b[1;1H\xe5\xa5\xbd\x1b[2;1H"
        "\x1b[1;1H\xe5\x9d\x8f\x1b[2;1H");
    assert_seen("\xe5\xa5\xbd|\xe5\x9d\x8f|\xe5\xa5\xbd|\xe5\x9d\x8f|");
}

/* What a thinned row reads at last comes out: at the end, when it is cleared, when it scrolls away. */
static void last_state_of_a_row_is_shown(void **state)
{
    char counting[512] = "", one[64];

    for (unsigned i = 0; i <= 5; i++) {
        snprintf(one, sizeof one, "\x1b[1;1HPass: %u\x1b[2;1H", i);
        strcat(counting, one);
    }
    put(counting);
    assert_seen("Pass: 0|Pass: 1|Pass: 2|Pass: 4|");
    guest_console_flush(&console);
    assert_seen("Pass: 5|");
    check(counting, "Pass: 0|Pass: 1|Pass: 2|Pass: 4|");
    put(CLEAR);
    assert_seen("Pass: 5|");
    check(counting, "Pass: 0|Pass: 1|Pass: 2|Pass: 4|");
    put("\x1b[32;1Hbottom\n");
    assert_seen("bottom|Pass: 5|");
}

static void rows_are_blank_when_they_come_again(void **state)
{
    char text[80], lines[SEEN / 4] = "";

    for (unsigned i = 70; i > 0; i--) {
        memset(text, 'a', i);
        strcpy(text + i, "\n");
        put(text);
        strcpy(text + i, "|");
        strcat(lines, text);
    }
    assert_seen(lines);
}

static void every_line_is_matched(void **state)
{
    put("one\n\ntwo\rthree\n\x1b[1;1Hfour\x1b[2;2Hfive");
    assert_string_equal(matched_lines, "one||two|three|four|");
    guest_console_flush(&console);
    assert_string_equal(matched_lines, "one||two|three|four| five|");
}

static void expected_line(void **state)
{
    expected = "login";
    put("boot\nlogin: ");
    assert_false(console.matched);
    guest_console_idle(&console); /* the prompt, which is not finished */
    assert_true(console.matched);
    assert_string_equal(matched_lines, "boot|login:|");
    assert_seen("boot|login:|"); /* what ended the guest is shown */
    put("more\n");
    assert_string_equal(matched_lines, "boot|login:|"); /* nobody asks again */
}

static void idle_costs_nothing_twice(void **state)
{
    put("=> ");
    guest_console_idle(&console);
    guest_console_idle(&console);
    put("\n");
    guest_console_idle(&console);
    assert_string_equal(matched_lines, "=>|");
    assert_seen("=>|");
    put("=> x");
    guest_console_idle(&console);
    put("y");
    guest_console_idle(&console);
    assert_string_equal(matched_lines, "=>|=> x|=> xy|");
    assert_seen("");
    put("\n");
    assert_seen("=> xy|");
}

/* The line that matches is emitted even where its change is a small one. */
static void match_is_shown(void **state)
{
    expected = "Pass: 7";
    for (unsigned i = 0; i < 8; i++) {
        char text[40];
        snprintf(text, sizeof text, "\x1b[1;1HPass: %u\x1b[2;1H", i);
        put(text);
    }
    assert_true(console.matched);
    assert_seen("Pass: 0|Pass: 1|Pass: 2|Pass: 4|Pass: 7|");
}

static void output_limit(void **state)
{
    expected = "needle";
    start(12);
    put("12345\n12345\n1\n12\nneedle\n");
    assert_seen("12345|12345|[output limit of 12 bytes reached: the rest is only counted]|");
    assert_true(console.matched);
    assert_int_equal(console.emitted_bytes, 12);
    assert_int_equal(console.emitted_lines, 2);
    assert_int_equal(console.dropped_lines, 3);
    assert_int_equal(console.dropped_bytes, 2 + 3 + 7);
    start(11);
    put("12345\n12345\n");
    assert_seen("12345|[output limit of 11 bytes reached: the rest is only counted]|");
    start(0);
    put("x\n");
    assert_seen("[output limit of 0 bytes reached: the rest is only counted]|");
    start(3);
    put("long\nx\n"); /* once reached, it stays: no line may be missing between others */
    assert_seen("[output limit of 3 bytes reached: the rest is only counted]|");
}

static void nothing_expected(void **state)
{
    struct guest_console_config config = { .context = &console, .emit = emit, .output_limit = 100 };

    guest_console_init(&console, &config);
    put("a\nb");
    guest_console_idle(&console);
    guest_console_flush(&console);
    assert_seen("a|b|");
}

/* What memtest86+ 6.10 sends at its start and at the end of a pass, shortened. */
static void memtest86(void **state)
{
    expected = "Pass:  1        Errors: 0";
    put(CLEAR "\x1b[?25l\x1b[1;1H\x1b[7m      Memtest86+ v6.10      \x1b[0m| QEMU Virtual CPU version 2.5+ "
              "\x1b[2;1HCLK/Temp: 2597MHz           | Pass   %                "
              "\x1b[9;1HUsing:                                    | Pass:  0        Errors: 0           "
              "\x1b[10;1H--------------------\x1b[11;1H                                   "
              "\x1b[2;35H\x1b[0m  0%                                          ");
    assert_seen("      Memtest86+ v6.10      | QEMU Virtual CPU version 2.5+|CLK/Temp: 2597MHz           | Pass   %|"
                "Using:                                    | Pass:  0        Errors: 0|--------------------|");
    put("\x1b[2;35H 96% ##########\x1b[9;1HUsing: All Cores                          | Pass:  1        Errors: 0       "
        "    "
        "\x1b[2;35H");
    assert_seen("CLK/Temp: 2597MHz           | Pass  0%|CLK/Temp: 2597MHz           | Pass 96% ##########|"
                "Using: All Cores                          | Pass:  1        Errors: 0|");
    assert_true(console.matched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_come_out_as_they_are, setup),
        cmocka_unit_test_setup(unfinished_line_comes_at_the_end, setup),
        cmocka_unit_test_setup(carriage_return_starts_another_line, setup),
        cmocka_unit_test_setup(progress_is_thinned, setup),
        cmocka_unit_test_setup(numbers_and_words, setup),
        cmocka_unit_test_setup(tabs_and_backspace, setup),
        cmocka_unit_test_setup(control_characters, setup),
        cmocka_unit_test_setup(utf8, setup),
        cmocka_unit_test_setup(sequences_are_swallowed, setup),
        cmocka_unit_test_setup(endless_sequences_end, setup),
        cmocka_unit_test_setup(long_lines_are_broken, setup),
        cmocka_unit_test_setup(rows_come_when_the_cursor_leaves, setup),
        cmocka_unit_test_setup(screen_beyond_ours, setup),
        cmocka_unit_test_setup(erasing, setup),
        cmocka_unit_test_setup(clearing, setup),
        cmocka_unit_test_setup(lines_after_clearing, setup),
        cmocka_unit_test_setup(status_rows_are_thinned, setup),
        cmocka_unit_test_setup(last_state_of_a_row_is_shown, setup),
        cmocka_unit_test_setup(rows_are_blank_when_they_come_again, setup),
        cmocka_unit_test_setup(every_line_is_matched, setup),
        cmocka_unit_test_setup(expected_line, setup),
        cmocka_unit_test_setup(idle_costs_nothing_twice, setup),
        cmocka_unit_test_setup(match_is_shown, setup),
        cmocka_unit_test_setup(output_limit, setup),
        cmocka_unit_test_setup(nothing_expected, setup),
        cmocka_unit_test_setup(memtest86, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
