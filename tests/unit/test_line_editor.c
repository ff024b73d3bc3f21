/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/line_editor.c and what it is made of: after every byte the row of an emulated terminal reads as prompt and line,
 * with the cursor where it belongs; and the line is what these keys make of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/line_editor_view.h"

#define UP    "\033[A"
#define DOWN  "\033[B"
#define RIGHT "\033[C"
#define LEFT  "\033[D"

static struct terminal terminal;
static struct line_editor editor;

static const char *const first_words[] = { "dirty", "drop", "stats", "slots", NULL };
static const char *const second_words[] = { "linux", "little", "lithium-with-a-long-name", NULL };
static size_t asked_length;

static bool candidate(void *context, const char *line, size_t length, unsigned index, char word[LINE_EDITOR_SIZE])
{
    const char *const *words = length == 0 ? first_words : second_words;

    asked_length = length;
    if (context != &terminal || !words[index])
        return false;
    strcpy(word, words[index]);
    return true;
}

static enum line_event press(const char *keys)
{
    enum line_event event = LINE_NOTHING;

    for (; *keys; keys++) {
        assert_int_equal(event, LINE_NOTHING);
        event = line_editor_key(&editor, (u8)*keys);
        assert_true(event == LINE_NOTHING ? view_is_right(&editor, &terminal) : !editor.is_open);
    }
    return event;
}

static void open_with(const char *keys)
{
    line_editor_open(&editor);
    assert_true(view_is_right(&editor, &terminal));
    assert_int_equal(press(keys), LINE_NOTHING);
}

static void enter(const char *keys, const char *line)
{
    open_with("");
    assert_int_equal(press(keys), LINE_NOTHING);
    assert_int_equal(line_editor_key(&editor, '\r'), LINE_ENTERED);
    assert_string_equal(editor.line, line);
    assert_int_equal(terminal.column, 0);
}

static const char *line(void)
{
    editor.line[editor.length] = '\0';
    return editor.line;
}

static unsigned bells_of(const char *keys)
{
    unsigned bells = terminal.bells;

    press(keys);
    return terminal.bells - bells;
}

static int start(void **state)
{
    struct line_editor_config config = { PROMPT, &terminal, terminal_write, candidate };

    memset(&terminal, 0, sizeof(terminal));
    line_editor_init(&editor, &config);
    return 0;
}

static void characters_are_inserted(void **state)
{
    enter("stats left", "stats left");
    assert_string_equal(terminal.above, "slat> stats left\n");
    enter("ac" LEFT "b", "abc");
    enter("bc\001a\005d", "abcd");
    enter("bc\x02\002a\x06\006d", "abcd");
    enter("bc\033OD\033ODa\033OC\033OCd", "abcd");
    enter("bc\033[Ha\033[Fd", "abcd");
    enter("bc\033OHa\033OFd", "abcd");
    enter("bc\033[1~a\033[4~d", "abcd");
    enter("bc\033[7~a\033[8~d", "abcd");
    /* Beyond an end the cursor does not go. */
    enter("b\x02\x02\002a\x06\x06\006c", "abc");
}

static void the_end_of_a_line(void **state)
{
    open_with("a");
    assert_int_equal(press("\n"), LINE_ENTERED);
    open_with("b");
    assert_int_equal(press("\r"), LINE_ENTERED);
    /* The second half of CR LF: neither while it is closed nor afterwards. */
    assert_int_equal(line_editor_key(&editor, '\n'), LINE_NOTHING);
    assert_int_equal(line_editor_key(&editor, '\n'), LINE_ENTERED);
    assert_int_equal(line_editor_key(&editor, '\r'), LINE_ENTERED);
    open_with("\nc");
    assert_int_equal(press("\r"), LINE_ENTERED);
    assert_string_equal(editor.line, "c");
    /* Closed: only Enter counts, and nothing is shown. */
    size_t bytes = terminal.bytes;
    for (const char *at = "x\x03\x04\x0c\t\x7f" UP; *at; at++)
        assert_int_equal(line_editor_key(&editor, (u8)*at), LINE_NOTHING);
    assert_int_equal(line_editor_key(&editor, '\r'), LINE_ENTERED);
    assert_string_equal(editor.line, "");
    assert_int_equal(terminal.bytes, bytes);
    open_with("abc" LEFT LEFT);
    assert_int_equal(press("\x03"), LINE_CANCELLED);
    assert_string_equal(editor.line, "");
    assert_string_equal(strrchr(terminal.above, 'a'), "abc^C\n");
    open_with("ab");
    assert_int_equal(press("\x01\x04\x04"), LINE_NOTHING);
    assert_string_equal(line(), "");
    assert_int_equal(press("\x04"), LINE_LEFT);
    assert_int_equal(terminal.column, 0);
}

static void characters_are_erased(void **state)
{
    enter("abcx\x7f", "abc");
    enter("abcx\b", "abc");
    enter("abxc" LEFT "\x7f", "abc");
    enter("abxc" LEFT LEFT "\033[3~", "abc");
    enter("abxc" LEFT LEFT "\x04", "abc");
    enter("abc def\x17ghi", "abc ghi");
    enter("abc def  \x17", "abc ");
    enter("abc def" LEFT "\x17", "abc f");
    enter("abc def\033\x7f\033\b", "");
    enter("abc def\x01\033d", " def");
    enter("abc def" LEFT LEFT LEFT "\x0b", "abc ");
    enter("abc def" LEFT LEFT LEFT "\x15", "def");
    open_with("a");
    assert_int_equal(bells_of("\x04"), 1);
    assert_int_equal(bells_of("\033[3~"), 1);
    assert_int_equal(bells_of("\x0b"), 1);
    assert_int_equal(bells_of("\x01\x7f"), 1);
    assert_int_equal(bells_of("\x15"), 1);
    assert_int_equal(bells_of("\x17"), 1);
    assert_string_equal(line(), "a");
}

static void words(void **state)
{
    enter("one two  three\033b\033bX\033fY", "one XtwoY  three");
    enter("one two\033[1;5D\033[1;5DX\033[1;5CY", "XoneY two");
    enter("one two\033[1;1D-", "one tw-o");
}

static void unknown_keys(void **state)
{
    open_with("ab" LEFT);
    assert_int_equal(bells_of("\033[15~"), 1);
    assert_int_equal(bells_of("\033[99999999~"), 1);
    assert_int_equal(bells_of("\033[1;2;3;4;5Z"), 1);
    assert_int_equal(bells_of("\033[?25h"), 1);
    assert_int_equal(bells_of("\033[[A"), 1);
    assert_int_equal(bells_of("\033OP"), 1);
    assert_int_equal(bells_of("\033x"), 1);
    assert_int_equal(bells_of("\x19\x1c\x1d"), 3);
    /* What begins anew, or a control character, ends what was there. */
    assert_int_equal(bells_of("\033\033[\033[D"), 0);
    assert_int_equal(editor.cursor, 0);
    assert_int_equal(bells_of("\033[1\x05"), 0);
    assert_int_equal(editor.cursor, 2);
    assert_string_equal(line(), "ab");
    line_editor_key(&editor, 0);
    assert_string_equal(line(), "ab");
    /* Longer than any sequence is: the rest is text. */
    assert_int_equal(bells_of("\033[111111111111111111111111111111111"), 1);
    press("1");
    assert_string_equal(line(), "ab1");
    assert_int_equal(press("\033[\r"), LINE_ENTERED);
}

static void letters_outside_of_ascii(void **state)
{
    enter("äöü", "äöü");
    assert_string_equal(terminal.above, "slat> äöü\n");
    enter("äö\x7fü" LEFT LEFT "x", "xäü");
    enter("ж€\xf0\x9f\x98\x80y" LEFT LEFT LEFT "z", "жz€\xf0\x9f\x98\x80y");
    assert_non_null(strstr(terminal.above, "slat> жz??y\n"));
    open_with("");
    assert_int_equal(bells_of("\x80"), 1);
    assert_int_equal(bells_of("\xff"), 1);
    assert_int_equal(bells_of("\xc1"), 1);
    assert_int_equal(bells_of("\xc2\x85"), 1);
    assert_int_equal(bells_of("\xe0\x80\xaf"), 1);
    assert_int_equal(bells_of("\xed\xa0\x80"), 1);
    assert_int_equal(bells_of("\xf0\x80\x80\x80"), 1);
    assert_int_equal(bells_of("\xf4\x90\x80\x80"), 1);
    assert_string_equal(line(), "");
    /* An unfinished one: the next byte counts. */
    press("\xc3y\xe2\x82z\xf0\xc3\xa4\xe2\033[Dx");
    assert_string_equal(line(), "yzxä");
    assert_int_equal(bells_of("\xc3q\xa4"), 1);
    assert_string_equal(line(), "yzxqä");
}

static void full_lines(void **state)
{
    char text[LINE_EDITOR_SIZE];

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    open_with("");
    assert_int_equal(bells_of(text), 0);
    assert_int_equal(editor.length, LINE_EDITOR_SIZE - 1);
    assert_int_equal(bells_of("x"), 1);
    assert_int_equal(bells_of("\x01x"), 1);
    assert_string_equal(line(), text);
    assert_int_equal(bells_of("\x04ä"), 1);
    assert_int_equal(bells_of("\x04ä"), 0);
    assert_int_equal(editor.length, LINE_EDITOR_SIZE - 1);
    /* The blank behind a completed word has no room. */
    press("\x03");
    open_with("");
    text[sizeof(text) - 5] = '\0';
    text[sizeof(text) - 6] = ' ';
    press(text);
    assert_int_equal(bells_of("linu\t"), 1);
    assert_string_equal(line() + sizeof(text) - 5, "linu");
}

/* 73 of 119 characters are shown behind the prompt: the part with the cursor. */
static void long_lines(void **state)
{
    open_with("");
    for (unsigned i = 0; i < LINE_EDITOR_SIZE - 1; i++)
        press((char[]){ (char)('a' + i % 26), '\0' });
    press("\x01");
    assert_int_equal(terminal.row[sizeof(PROMPT) - 1], 'a');
    assert_int_equal(terminal.row[LINE_ROW_COLUMNS - 1], '>');
    press("\x05");
    assert_int_equal(terminal.row[sizeof(PROMPT) - 1], '<');
    for (unsigned i = 0; i < LINE_EDITOR_SIZE; i++)
        press(LEFT);
    for (unsigned i = 0; i < LINE_EDITOR_SIZE; i++)
        press(RIGHT);
    press("\x05");
    for (unsigned i = 0; i < 60; i++)
        press("\x7f");
    press("\x01" RIGHT RIGHT "\x0b\x05");
    assert_string_equal(line(), "ab");
}

/* A character costs a few bytes, not the row. */
static void few_bytes_are_sent(void **state)
{
    open_with("stats left");
    size_t bytes = terminal.bytes;

    press("x");
    assert_int_equal(terminal.bytes - bytes, 1);
    press("\x7f");
    assert_int_equal(terminal.bytes - bytes, 1 + 4);
    press(LEFT RIGHT);
    assert_int_equal(terminal.bytes - bytes, 5 + 2);
}

static void the_last_lines(void **state)
{
    open_with("");
    assert_int_equal(bells_of(UP), 1);
    assert_int_equal(bells_of(DOWN), 1);
    press("\x03");
    enter("first", "first");
    enter("second", "second");
    enter("second", "second");
    enter("", "");
    enter(UP, "second");
    enter(UP UP, "first");
    enter("x" UP UP, "second");
    /* first, second, first, second */
    /* The line that is being typed is kept. */
    open_with("draft" LEFT);
    press("\x10\x10\x10\x10");
    assert_string_equal(line(), "first");
    assert_int_equal(bells_of(UP), 1);
    press("\x0e\x0e\x0e" DOWN);
    assert_string_equal(line(), "draft");
    assert_int_equal(bells_of(DOWN), 1);
    assert_int_equal(editor.cursor, 5);
    press("\x03");
    /* One that was given up is not among them; a line that was recalled and changed leaves the first one alone. */
    enter(UP "!", "second!");
    enter(UP UP, "second");
}

static void the_history_is_bounded(void **state)
{
    char keys[16];

    for (unsigned i = 0; i < 50; i++) {
        snprintf(keys, sizeof(keys), "line %u", i);
        enter(keys, keys);
    }
    open_with("");
    for (unsigned i = 0; i < LINE_HISTORY_LINES; i++)
        assert_int_equal(bells_of(UP), 0);
    assert_string_equal(line(), "line 18");
    assert_int_equal(bells_of(UP), 1);
    for (unsigned i = 0; i < LINE_HISTORY_LINES; i++)
        press(DOWN);
    assert_string_equal(line(), "");
}

static void words_are_completed(void **state)
{
    open_with("di\t");
    assert_string_equal(line(), "dirty ");
    assert_int_equal(asked_length, 0);
    press("lin\t");
    assert_string_equal(line(), "dirty linux ");
    assert_int_equal(asked_length, 6);
    press("\x15 li\t");
    assert_string_equal(line(), " li");
    assert_int_equal(bells_of("\t\t"), 0);
    /* In the middle of a line, and in front of a blank. */
    press("\x15 linu x" LEFT LEFT "\t");
    assert_string_equal(line(), " linux x");
    assert_int_equal(editor.cursor, 6);
    press("\x15\x0bs\t");
    assert_string_equal(line(), "s");
    press("t\t");
    assert_string_equal(line(), "stats ");
    press("\025d\t");
    assert_int_equal(bells_of("x\t"), 1);
    assert_string_equal(line(), "dx");
    /* What they have in common, before anything is listed. */
    press("\x15x l\t");
    assert_string_equal(line(), "x li");
    editor.config.candidate = NULL;
    assert_int_equal(bells_of("\t"), 1);
}

static void completions_are_listed(void **state)
{
    open_with("x li");
    assert_int_equal(bells_of("\t"), 1);
    assert_string_equal(terminal.above, "");
    press("\t");
    assert_string_equal(terminal.above, "slat> x li\nlinux  little  lithium-with-a-long-name\n");
    assert_string_equal(line(), "x li");
    /* Another key between them. */
    size_t above = terminal.above_length;
    press(LEFT RIGHT "\t");
    assert_int_equal(terminal.above_length, above);
}

static const char *const long_words[] = { "aaaaaaaaaaaaaaaaaaaaaaaaa", "abbbbbbbbbbbbbbbbbbbbbbbbb",
                                          "acccccccccccccccccccccccc", "ad", NULL };

static bool long_candidate(void *context, const char *text, size_t length, unsigned index, char word[LINE_EDITOR_SIZE])
{
    if (!long_words[index])
        return false;
    strcpy(word, long_words[index]);
    return true;
}

static void long_lists_have_rows(void **state)
{
    editor.config.candidate = long_candidate;
    open_with("a\t\t");
    assert_string_equal(terminal.above, "slat> a\n"
                                        "aaaaaaaaaaaaaaaaaaaaaaaaa  abbbbbbbbbbbbbbbbbbbbbbbbb\n"
                                        "acccccccccccccccccccccccc  ad\n");
}

/* What others print comes above the line. */
static void output_of_others(void **state)
{
    open_with("stats lft" LEFT LEFT);
    line_editor_hide(&editor);
    char row[4 * TERMINAL_COLUMNS + 1];
    assert_int_equal(terminal_row(&terminal, row), 0);
    assert_int_equal(terminal.column, 0);
    terminal_write(&terminal, "left | hello\r\n", 14);
    line_editor_show(&editor);
    assert_true(view_is_right(&editor, &terminal));
    assert_string_equal(terminal.above, "left | hello\n");
    press("e");
    assert_int_equal(press("\r"), LINE_ENTERED);
    assert_string_equal(editor.line, "stats left");
    assert_string_equal(terminal.above, "left | hello\nslat> stats left\n");
    /* Closed: not a byte. */
    size_t bytes = terminal.bytes;
    line_editor_hide(&editor);
    line_editor_show(&editor);
    assert_int_equal(terminal.bytes, bytes);
    open_with("x");
}

static void the_screen_is_cleared(void **state)
{
    open_with("abc" LEFT "\x0c");
    assert_string_equal(line(), "abc");
    assert_int_equal(terminal.bells, 0);
}

#define TEST(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(characters_are_inserted),
        TEST(the_end_of_a_line),
        TEST(characters_are_erased),
        TEST(words),
        TEST(unknown_keys),
        TEST(letters_outside_of_ascii),
        TEST(full_lines),
        TEST(long_lines),
        TEST(few_bytes_are_sent),
        TEST(the_last_lines),
        TEST(the_history_is_bounded),
        TEST(words_are_completed),
        TEST(completions_are_listed),
        TEST(long_lists_have_rows),
        TEST(output_of_others),
        TEST(the_screen_is_cleared),
    };

    return cmocka_run_group_tests_name("line_editor", tests, NULL, NULL);
}
