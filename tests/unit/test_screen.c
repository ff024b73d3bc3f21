/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/screen.c on a framebuffer in host memory of exactly the size that is said, so that the address sanitizer sees every
 * pixel beyond it. What is on the screen is read back by comparing pixels with the font.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/paging.h"
#include "hv/screen.h"
#include "hv/screen_font.h"

enum { BASE = 0x80000000, UNTOUCHED = 0x55aa55aa, GUEST_LINE = 0xcfcfc8, OWN_LINE = 0x7fc4f0, BACKGROUND = 0x0c1016 };

static struct framebuffer screen; /* as given to screen_init() */
static u8 *memory;                /* screen.pitch * screen.height bytes */
static u64 mapped_base, mapped_size;
static bool no_memory;

void *vmap_framebuffer(hpa_t hpa, u64 size)
{
    mapped_base = hpa.v;
    mapped_size = size;
    if (no_memory)
        return NULL;
    memory = malloc(size);
    for (u64 i = 0; i < size / 4; i++)
        ((u32 *)memory)[i] = UNTOUCHED;
    return memory;
}

static u32 *pixel(u32 x, u32 y)
{
    return (u32 *)(memory + (u64)y * screen.pitch) + x;
}

static void start(u32 width, u32 height, u32 pitch, u32 format)
{
    free(memory);
    memory = NULL;
    screen = (struct framebuffer){ BASE, (u64)pitch * height, width, height, pitch, format };
    assert_true(screen_init(&screen));
    assert_int_equal(mapped_base, BASE);
    assert_int_equal(mapped_size, (u64)pitch * height);
}

/* A screen of so many characters. */
static void start_text(unsigned columns, unsigned rows)
{
    start(columns * GLYPH_WIDTH, rows * GLYPH_HEIGHT, columns * GLYPH_WIDTH * 4, FRAMEBUFFER_BGRX);
}

static void print(const char *text)
{
    screen_write(text, strlen(text));
}

static u32 color_of(u32 x, u32 y)
{
    u32 p = *pixel(x, y);

    return screen.format == FRAMEBUFFER_BGRX ? p : (p & 0xff) << 16 | (p & 0xff00) | p >> 16;
}

/* Whether every pixel of the cell is as the glyph says, at this scale; any ink but `ink` is wrong. */
static bool cell_shows(unsigned column, unsigned row, unsigned glyph, u32 ink, unsigned scale)
{
    for (unsigned y = 0; y < GLYPH_HEIGHT * scale; y++) {
        for (unsigned x = 0; x < GLYPH_WIDTH * scale; x++) {
            bool set = screen_font[glyph].rows[y / scale] & 0x80 >> x / scale;

            if (color_of(column * GLYPH_WIDTH * scale + x, row * GLYPH_HEIGHT * scale + y) != (set ? ink : BACKGROUND))
                return false;
        }
    }
    return true;
}

static unsigned glyph_of(const char *character)
{
    return screen_font_next(&character, character + strlen(character));
}

/* The row of the screen, without blanks at its end. What is not ASCII is '?'. */
static const char *read_row(unsigned row, u32 ink)
{
    static char text[1000];
    unsigned columns = screen.width / GLYPH_WIDTH, length = 0;

    for (unsigned column = 0; column < columns; column++) {
        char c = ' ';

        while (c <= '~' && !cell_shows(column, row, glyph_of((char[]){ c, 0 }), ink, 1))
            c++;
        text[column] = c <= '~' ? c : '?';
        if (c != ' ')
            length = column + 1;
    }
    text[length] = 0;
    return text;
}

static void assert_rows(const char *const *expected, unsigned rows)
{
    for (unsigned i = 0; i < rows; i++)
        assert_string_equal(read_row(i, GUEST_LINE), expected[i]);
}

#define ASSERT_ROWS(...) \
    assert_rows((const char *const[]){ __VA_ARGS__ }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

/* Pixels that were written since the last call of forget(). */
static u64 written(void)
{
    u64 count = 0;

    for (u32 y = 0; y < screen.height; y++) {
        for (u32 x = 0; x < screen.width; x++)
            count += *pixel(x, y) != UNTOUCHED;
    }
    return count;
}

static void forget(void)
{
    for (u64 i = 0; i < mapped_size / 4; i++)
        ((u32 *)memory)[i] = UNTOUCHED;
}

static void the_font_is_complete_and_sorted(void **state)
{
    assert_int_equal(screen_font[0].code, ' ');
    assert_int_equal(screen_font[screen_font_count - 1].code, 0xfffd);
    assert_true(screen_font_count < 32768);
    for (unsigned i = 0; i < 95; i++)
        assert_int_equal(screen_font[i].code, ' ' + i);
    for (unsigned i = 1; i < screen_font_count; i++)
        assert_true(screen_font[i - 1].code < screen_font[i].code);
    for (unsigned y = 0; y < GLYPH_HEIGHT; y++)
        assert_int_equal(screen_font[0].rows[y], 0);
}

static void characters_are_decoded(void **state)
{
    static const struct {
        const char *text;
        unsigned used;
        u32 code;
    } cases[] = {
        { "A", 1, 'A' },
        { "~x", 1, '~' },
        { "\xc3\xa4x", 2, 0xe4 },
        { "\xe2\x94\x80x", 3, 0x2500 },
        { "\xef\xbf\xbd", 3, 0xfffd },
        { "\xf0\x9f\x98\x80", 4, 0xfffd }, /* not in the font */
        { "\x01", 1, 0xfffd },
        { "\x7f", 1, 0xfffd },
        { "\x80\x80", 1, 0xfffd },
        { "\xc3", 1, 0xfffd },
        { "\xc3z", 1, 0xfffd },
        { "\xe2\x94z", 2, 0xfffd },
        { "\xf0\x9f\x98", 3, 0xfffd },
        { "\xff\xbf\xbf\xbf", 4, 0xfffd },
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = cases[i].text;

        assert_int_equal(screen_font[screen_font_next(&at, at + strlen(at))].code, cases[i].code);
        assert_int_equal(at - cases[i].text, cases[i].used);
    }
}

static void glyphs_are_drawn_in_both_formats(void **state)
{
    static const u32 formats[] = { FRAMEBUFFER_RGBX, FRAMEBUFFER_BGRX };

    for (unsigned i = 0; i < 2; i++) {
        start(80, 48, 80 * 4, formats[i]);
        print("A\nslat: B");
        assert_true(cell_shows(0, 0, glyph_of("A"), GUEST_LINE, 1));
        assert_true(cell_shows(6, 1, glyph_of("B"), OWN_LINE, 1));
        for (unsigned column = 1; column < 10; column++)
            assert_true(cell_shows(column, 0, glyph_of(" "), GUEST_LINE, 1));
    }
    /* By the bytes in memory: blue first in BGRX. */
    u32 x = 0;
    while (!(screen_font[glyph_of("B")].rows[8] & 0x80 >> x))
        x++;
    u8 *bytes = (u8 *)pixel(6 * 8 + x, 16 + 8);
    assert_int_equal(bytes[0], OWN_LINE & 0xff);
    assert_int_equal(bytes[1], OWN_LINE >> 8 & 0xff);
    assert_int_equal(bytes[2], OWN_LINE >> 16);
}

static void lines_have_the_color_of_who_wrote_them(void **state)
{
    start_text(10, 8);
    print("slat: a\nx slat: b\nslat: longer than a row\n\n");
    print("slat:\nhello");
    assert_string_equal(read_row(0, OWN_LINE), "slat: a");
    assert_string_equal(read_row(1, GUEST_LINE), "x slat: b");
    assert_string_equal(read_row(2, OWN_LINE), "slat: long");
    assert_string_equal(read_row(3, OWN_LINE), "er than a");
    assert_string_equal(read_row(4, OWN_LINE), "row");
    assert_string_equal(read_row(6, GUEST_LINE), "slat:");
    assert_string_equal(read_row(7, GUEST_LINE), "hello");
}

/* The same letters in another color have to be painted again. */
static void a_scrolled_line_keeps_its_color(void **state)
{
    start_text(12, 3);
    print("slat: a\nslat a: b\nslat: a\n");
    print("slat a: b");
    assert_string_equal(read_row(0, GUEST_LINE), "slat a: b");
    assert_string_equal(read_row(1, OWN_LINE), "slat: a");
    assert_string_equal(read_row(2, GUEST_LINE), "slat a: b");
}

static void long_lines_wrap(void **state)
{
    start_text(4, 6);
    print("abcdefghij\nabcd\nxy"); /* one that just fits takes one row */
    ASSERT_ROWS("abcd", "efgh", "ij", "abcd", "xy", "");
}

static void pieces_of_a_line_join(void **state)
{
    start_text(8, 3);
    print("ab");
    print("cd\n");
    print("\nef");
    ASSERT_ROWS("abcd", "", "ef");
}

/* As a panic's report does, when it comes while a line is being written. */
static void an_own_line_begins_a_row(void **state)
{
    start_text(12, 4);
    print("half a");
    print("slat: PANIC\n");
    assert_string_equal(read_row(0, GUEST_LINE), "half a");
    assert_string_equal(read_row(1, OWN_LINE), "slat: PANIC");
}

static void a_full_screen_loses_its_upper_third(void **state)
{
    start_text(8, 6);
    print("1\n2\n3\n4\n5\n6\n");
    ASSERT_ROWS("1", "2", "3", "4", "5", "6"); /* not before there is something to show */
    print("7");
    ASSERT_ROWS("3", "4", "5", "6", "7", "");
    print("\n8\n9");
    ASSERT_ROWS("5", "6", "7", "8", "9", "");
    print("\n\n\n\n\n\nend");
    ASSERT_ROWS("", "", "", "", "end", "");
}

static void many_lines_in_one_piece_show_the_last(void **state)
{
    char text[4000];
    size_t length = 0;

    start_text(8, 6);
    for (unsigned i = 0; i < 500; i++)
        length += (size_t)sprintf(text + length, "%u\n", i);
    print(text);
    /* 500 lines are 6, and 2 for each scrolling: the last one filled the screen. */
    ASSERT_ROWS("494", "495", "496", "497", "498", "499");
}

static void the_smallest_screens_work(void **state)
{
    start_text(1, 1);
    print("abc");
    ASSERT_ROWS("c");
    print("\n\nd\n");
    ASSERT_ROWS("d");
    start_text(3, 2);
    print("1\n2\n3");
    ASSERT_ROWS("2", "3");
    start(15, 31, 15 * 4, FRAMEBUFFER_BGRX); /* parts of cells */
    print("xyz\nslat: ab");
    assert_string_equal(read_row(0, OWN_LINE), "b");
}

static void what_is_between_the_lines_is_not_touched(void **state)
{
    start(40, 33, 52 * 4, FRAMEBUFFER_RGBX);
    for (unsigned i = 0; i < 20; i++)
        print("abcdefg\nslat: x\n");
    for (u32 y = 0; y < 33; y++) {
        for (u32 x = 40; x < 52; x++)
            assert_int_equal(*pixel(x, y), UNTOUCHED);
    }
    for (u32 x = 0; x < 40; x++)
        assert_int_equal(color_of(x, 32), BACKGROUND); /* the rest of the last line is cleared */
}

static void on_large_screens_pixels_grow(void **state)
{
    static const struct {
        u32 width, height;
        unsigned scale;
    } cases[] = {
        { 1920, 1080, 1 }, { 1920, 1200, 1 }, { 2560, 1440, 2 },  { 3840, 2160, 2 },
        { 7680, 4320, 4 }, { 1080, 1920, 2 }, { 20000, 400, 11 },
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned scale = cases[i].scale;

        start(cases[i].width, cases[i].height, cases[i].width * 4, FRAMEBUFFER_BGRX);
        print("ab\nc");
        assert_true(cell_shows(1, 0, glyph_of("b"), GUEST_LINE, scale));
        assert_true(cell_shows(0, 1, glyph_of("c"), GUEST_LINE, scale));
        for (unsigned line = 0; line < 5000; line++)
            print("more than the rows of any of these screens and once in a while more than the columns of it ");
    }
}

static void descriptions_that_cannot_be_true_are_refused(void **state)
{
    const struct framebuffer good = { BASE, 80 * 48 * 4, 80, 48, 80 * 4, FRAMEBUFFER_BGRX };
    const struct framebuffer bad[] = {
        { 0 },
        { BASE, 80 * 48 * 4, 80, 48, 80 * 4, FRAMEBUFFER_NONE },
        { BASE, 80 * 48 * 4, 80, 48, 80 * 4, 3 },
        { 0, 80 * 48 * 4, 80, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE + 2, 80 * 48 * 4, 80, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4 - 1, 80, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 0, 80, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 80, 48, 79 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 50 * 4, 80, 48, 80 * 4 + 2, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 80, 48, 0, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 0, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 7, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 80, 0, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 80, 15, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 80, 0xffffffff, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 0xffffffff, 48, 80 * 4, FRAMEBUFFER_BGRX },
        { BASE, 80 * 48 * 4, 0x40000050, 48, 80 * 4, FRAMEBUFFER_BGRX }, /* width * 4 is 80 * 4 in 32 bits */
        { BASE, UINT64_MAX, 80, 48, 0xfffffffc, FRAMEBUFFER_BGRX },      /* too much to map */
        { BASE, UINT64_MAX, 0x3fffffff, 0xffffffff, 0xfffffffc, FRAMEBUFFER_BGRX },
        { 0xfffffffffffffffc, 80 * 48 * 4, 80, 48, 80 * 4, FRAMEBUFFER_BGRX }, /* beyond all addresses */
        { (1ull << 52) - 4, 80 * 48 * 4, 80, 48, 80 * 4, FRAMEBUFFER_BGRX },
    };

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        mapped_size = 0;
        assert_false(screen_init(&bad[i]));
        assert_int_equal(mapped_size, 0);
        print("nothing happens\n");
    }
    no_memory = true;
    assert_false(screen_init(&good));
    print("nothing happens\n");
    no_memory = false;
    start(good.width, good.height, good.pitch, good.format);
}

/* Stripes: the font would have to grow until it does not fit any more. */
static void a_stripe_is_refused(void **state)
{
    const struct framebuffer stripes[] = {
        { BASE, 100000 * 4 * 16, 100000, 16, 100000 * 4, FRAMEBUFFER_BGRX },
        { BASE, 8 * 4 * 100000, 8, 100000, 8 * 4, FRAMEBUFFER_BGRX },
    };

    for (unsigned i = 0; i < 2; i++) {
        free(memory);
        memory = NULL;
        assert_false(screen_init(&stripes[i]));
        print("nothing happens\n");
    }
}

static void only_changes_are_painted(void **state)
{
    start_text(20, 6);
    print("abc");
    forget();
    print("d");
    assert_true(written() > 0);
    assert_true(written() <= GLYPH_WIDTH * GLYPH_HEIGHT);
    print("\n   \n");
    forget();
    print("   \n");
    assert_int_equal(written(), 0); /* blanks on blanks */
}

/* Scrolling lines that are all the same changes nothing but the rows that get empty. */
static void what_looks_the_same_is_not_painted_when_it_scrolls(void **state)
{
    start_text(20, 6);
    print("same\nsame\nsame\nsame\nsame\nsame");
    forget();
    print("\nsame");
    assert_true(written() > 0);
    assert_true(written() <= 4 * GLYPH_WIDTH * GLYPH_HEIGHT);
}

/*
 * Different full lines, one at a time, on a full-HD screen: the worst case. Each may cost four rows of pixels on average,
 * and the whole screen at most.
 */
static void a_flood_costs_four_rows_a_line(void **state)
{
    enum { COLUMNS = 240, ROWS = 67, LINES = 400, ROW_PIXELS = COLUMNS * GLYPH_WIDTH * GLYPH_HEIGHT };
    u64 sum = 0;

    start_text(COLUMNS, ROWS);
    for (unsigned line = 0; line < LINES; line++) {
        char text[COLUMNS + 1];

        for (unsigned i = 0; i < COLUMNS; i++)
            text[i] = (char)('!' + (line * 7 + i * (line % 5 + 1)) % 94);
        text[COLUMNS] = '\n';
        forget();
        screen_write(text, sizeof text);
        sum += written();
        if (line < ROWS)
            assert_true(written() <= ROW_PIXELS);
    }
    print_message("# %llu pixels a line, %u a row\n", (unsigned long long)sum / LINES, ROW_PIXELS);
    assert_true(sum <= 4ull * LINES * ROW_PIXELS);
}

/* What the screen should show: all that was ever written, in rows, and which of them is the topmost that is seen. */
enum { HISTORY = 20000, WIDEST = 50 };
static struct {
    u16 glyphs[HISTORY][WIDEST];
    bool own[HISTORY];
    unsigned columns, rows, row, column, top;
    bool line_starts, line_is_own;
} model;

static void model_start(unsigned columns, unsigned rows)
{
    memset(&model, 0, sizeof model);
    model.columns = columns;
    model.rows = rows;
    model.line_starts = true;
}

static void model_use_row(void)
{
    if (model.row == model.top + model.rows)
        model.top += (model.rows + 2) / 3;
}

static void model_write(const char *text, size_t length)
{
    if (length >= 6 && memcmp(text, "slat: ", 6) == 0 && !model.line_starts)
        model_write("\n", 1);
    for (const char *end = text + length; text < end;) {
        bool wraps = model.column == model.columns && *text != '\n';

        if (model.line_starts)
            model.line_is_own = end - text >= 6 && memcmp(text, "slat: ", 6) == 0;
        model.line_starts = *text == '\n';
        model_use_row();
        if (wraps || *text == '\n') {
            model.row++;
            model.column = 0;
        }
        if (*text == '\n') {
            text++;
            continue;
        }
        model_use_row();
        assert_true(model.row < HISTORY);
        model.own[model.row] = model.line_is_own;
        model.glyphs[model.row][model.column++] = (u16)screen_font_next(&text, end);
    }
}

static void assert_screen_is_as_the_model_says(void)
{
    for (unsigned r = 0; r < model.rows; r++) {
        unsigned row = model.top + r;

        for (unsigned c = 0; c < model.columns; c++)
            assert_true(cell_shows(c, r, model.glyphs[row][c], model.own[row] ? OWN_LINE : GUEST_LINE, 1));
    }
}

static u64 random_state = 1;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % limit);
}

/* Mostly ASCII, some line feeds, some of any kind. */
static char random_character(void)
{
    unsigned kind = random_below(9);

    return (char)(kind == 0 ? '\n' : kind == 1 ? random_below(256) : ' ' + random_below(95));
}

static void random_text_is_shown_right(void **state)
{
    for (unsigned round = 0; round < 60; round++) {
        u32 width = 8 + random_below(WIDEST * GLYPH_WIDTH - 8), height = 16 + random_below(300);

        start(width, height, (width + random_below(9)) * 4, random_below(2) ? FRAMEBUFFER_BGRX : FRAMEBUFFER_RGBX);
        model_start(width / GLYPH_WIDTH, height / GLYPH_HEIGHT);
        for (unsigned i = 0; i < 30; i++) {
            size_t length = 1 + random_below(1 + random_below(300));
            char *text = malloc(length); /* of its own, so that reading beyond it is seen */

            for (size_t k = 0; k < length; k++)
                text[k] = random_character();
            if (length > 12 && random_below(2))
                memcpy(text + random_below((unsigned)length - 7), "\nslat: ", 7);
            else if (length > 12 && random_below(5) == 0)
                memcpy(text, "slat: ", 6);
            model_write(text, length);
            screen_write(text, length);
            free(text);
            assert_screen_is_as_the_model_says();
        }
    }
}

static int end(void **state)
{
    free(memory);
    memory = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_font_is_complete_and_sorted),
        cmocka_unit_test(characters_are_decoded),
        cmocka_unit_test(glyphs_are_drawn_in_both_formats),
        cmocka_unit_test(lines_have_the_color_of_who_wrote_them),
        cmocka_unit_test(a_scrolled_line_keeps_its_color),
        cmocka_unit_test(long_lines_wrap),
        cmocka_unit_test(pieces_of_a_line_join),
        cmocka_unit_test(an_own_line_begins_a_row),
        cmocka_unit_test(a_full_screen_loses_its_upper_third),
        cmocka_unit_test(many_lines_in_one_piece_show_the_last),
        cmocka_unit_test(the_smallest_screens_work),
        cmocka_unit_test(what_is_between_the_lines_is_not_touched),
        cmocka_unit_test(on_large_screens_pixels_grow),
        cmocka_unit_test(descriptions_that_cannot_be_true_are_refused),
        cmocka_unit_test(a_stripe_is_refused),
        cmocka_unit_test(only_changes_are_painted),
        cmocka_unit_test(what_looks_the_same_is_not_painted_when_it_scrolls),
        cmocka_unit_test(a_flood_costs_four_rows_a_line),
        cmocka_unit_test(random_text_is_shown_right),
    };

    return cmocka_run_group_tests_name("screen", tests, NULL, end);
}
