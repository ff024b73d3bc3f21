/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_screen.h; the rules by which a row is handed out are in guest_console.h. */
#include "hv/guest_screen.h"

#include "hv/lib/format.h"

enum {
    ROWS = GUEST_CONSOLE_ROWS,
    COLUMNS = GUEST_CONSOLE_COLUMNS,
    TAB_WIDTH = 8,
};

/* How the cursor leaves a row. */
enum leaving { LEAVE_MOVED, LEAVE_LINE_FEED, LEAVE_END };

static struct guest_console_row *row_at(struct guest_console *console, unsigned row)
{
    return &console->rows[(console->top + row) % ROWS];
}

static struct guest_console_row *current_row(struct guest_console *console)
{
    return row_at(console, console->row);
}

static size_t encode_utf8(u32 code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 63));
        to[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 63));
    to[2] = (char)(0x80 | (code >> 6 & 63));
    to[3] = (char)(0x80 | (code & 63));
    return 4;
}

struct row_text {
    char text[GUEST_CONSOLE_LINE_SIZE];
    size_t length;
    u64 hash;       /* of all of it */
    u64 words_hash; /* of its letters, without those of numbers: 0xff, 16MB */
};

static bool is_digit(u32 code)
{
    return code >= '0' && code <= '9';
}

static bool is_letter(u32 code)
{
    return (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z') || code >= 0x80;
}

static u64 hash_add(u64 hash, u32 code)
{
    return (hash ^ code) * 0x100000001b3ull; /* FNV-1a */
}

static void row_compose(const struct guest_console_row *row, struct row_text *to)
{
    unsigned used = row->used;
    bool number = false; /* within what begins with a digit, up to the next blank */

    while (used > 0 && row->cells[used - 1] == ' ')
        used--;
    to->length = 0;
    to->hash = to->words_hash = 0xcbf29ce484222325ull;
    for (unsigned i = 0; i < used; i++) {
        u32 code = row->cells[i];
        to->length += encode_utf8(code, to->text + to->length);
        to->hash = hash_add(to->hash, code);
        if (code == ' ')
            number = false;
        else if (is_digit(code) && (i == 0 || !is_letter(row->cells[i - 1])))
            number = true;
        if (is_letter(code) && !number)
            to->words_hash = hash_add(to->words_hash, code);
    }
    to->text[to->length] = '\0';
}

static void row_write(struct guest_console_row *row, unsigned column, u32 code)
{
    while (row->used < column)
        row->cells[row->used++] = ' ';
    row->cells[column] = code;
    if (row->used == column)
        row->used++;
    row->dirty = row->unmatched = true;
}

/* Blanks [from, to). */
static void row_erase(struct guest_console_row *row, unsigned from, unsigned to)
{
    if (to >= row->used) {
        if (from < row->used)
            row->used = (u16)from;
    } else {
        for (unsigned i = from; i < to; i++)
            row->cells[i] = ' ';
    }
    row->dirty = row->unmatched = true;
}

static void emit(struct guest_console *console, const struct row_text *text)
{
    char notice[80];

    if (!console->limit_reached) {
        if (console->emitted_bytes + text->length + 1 <= console->config.output_limit) {
            console->emitted_bytes += text->length + 1;
            console->emitted_lines++;
            console->config.emit(console->config.context, text->text);
            return;
        }
        console->limit_reached = true;
        format_text(notice, sizeof(notice), "[output limit of %llu bytes reached: the rest is only counted]",
                    (unsigned long long)console->config.output_limit);
        console->config.emit(console->config.context, notice);
    }
    console->dropped_bytes += text->length + 1;
    console->dropped_lines++;
}

static void row_emit(struct guest_console *console, struct guest_console_row *row, const struct row_text *text)
{
    row->emitted = true;
    row->emitted_text = text->hash;
    row->emitted_words = text->words_hash;
    emit(console, text);
}

static bool is_power_of_two(u32 number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* Whether the text is one to show: see the rules in guest_console.h. */
static bool row_is_news(struct guest_console_row *row, const struct row_text *text, enum leaving leaving)
{
    if (row->emitted && row->emitted_text == text->hash)
        return false;
    if (leaving == LEAVE_LINE_FEED)
        return true;
    if (text->length == 0)
        return false;
    if (leaving == LEAVE_END || !row->emitted)
        return true;
    if (row->emitted_words != text->words_hash) {
        row->small_changes = 0;
        return true;
    }
    if (row->small_changes < UINT32_MAX)
        row->small_changes++;
    return is_power_of_two(row->small_changes);
}

static bool row_match(struct guest_console *console, struct guest_console_row *row, const struct row_text *text)
{
    if (console->matched || !console->config.match || !row->unmatched)
        return false;
    row->unmatched = false;
    console->matched = console->config.match(console->config.context, text->text);
    return console->matched;
}

static void row_leave(struct guest_console *console, struct guest_console_row *row, enum leaving leaving)
{
    struct row_text text;
    bool expected;

    if (!row->dirty && leaving == LEAVE_MOVED)
        return;
    row_compose(row, &text);
    expected = row_match(console, row, &text);
    row->dirty = false;
    if (row_is_news(row, &text, leaving) || expected)
        row_emit(console, row, &text);
}

static void row_clear(struct guest_console_row *row)
{
    row->used = 0;
    row->dirty = false;
    row->unmatched = false;
    row->emitted = false;
    row->small_changes = 0;
}

void guest_screen_line_feed(struct guest_console *console)
{
    struct guest_console_row *row = current_row(console);

    if (row->used == 0)
        row->unmatched = true; /* an empty line is a line */
    row_leave(console, row, LEAVE_LINE_FEED);
    console->returned = false;
    console->column = 0;
    if (console->row + 1 < ROWS) {
        console->row++;
        return;
    }
    row_leave(console, row_at(console, 0), LEAVE_END); /* scrolls away */
    row_clear(row_at(console, 0));
    console->top = (u16)((console->top + 1) % ROWS);
}

/* To a place counted from 0; beyond the edge is at the edge. */
void guest_screen_move(struct guest_console *console, unsigned row, unsigned column)
{
    if (row >= ROWS)
        row = ROWS - 1;
    if (column >= COLUMNS)
        column = COLUMNS - 1;
    /* Forward within the row goes on with the line; back is the next version of it. */
    if (row != console->row || column < console->column)
        row_leave(console, current_row(console), LEAVE_MOVED);
    console->row = (u16)row;
    console->column = (u16)column;
    console->returned = false;
}

/* What stands on a row to which the cursor was returned is a line of its own when it is about to be overwritten. */
static void end_returned_line(struct guest_console *console)
{
    if (!console->returned)
        return;
    console->returned = false;
    row_leave(console, current_row(console), LEAVE_MOVED);
    current_row(console)->used = 0;
}

void guest_screen_put(struct guest_console *console, u32 code)
{
    end_returned_line(console);
    if (console->column >= COLUMNS)
        guest_screen_line_feed(console);
    row_write(current_row(console), console->column, code);
    console->column++;
}

void guest_screen_tab(struct guest_console *console)
{
    do {
        if (console->column >= current_row(console)->used || console->returned)
            guest_screen_put(console, ' ');
        else
            console->column++;
    } while (console->column % TAB_WIDTH != 0 && console->column < COLUMNS);
}

void guest_screen_clear(struct guest_console *console)
{
    for (unsigned i = 0; i < ROWS; i++) {
        row_leave(console, row_at(console, i), LEAVE_END);
        row_clear(row_at(console, i));
    }
    console->returned = false;
}

void guest_screen_erase_in_row(struct guest_console *console, unsigned what)
{
    struct guest_console_row *row = current_row(console);
    unsigned column = console->column;

    end_returned_line(console);
    if (what == 0)
        row_erase(row, column, COLUMNS);
    else if (what == 1)
        row_erase(row, 0, column < COLUMNS ? column + 1 : COLUMNS);
    else if (what == 2)
        row_erase(row, 0, COLUMNS);
}

void guest_screen_erase_characters(struct guest_console *console, unsigned count)
{
    row_erase(current_row(console), console->column, console->column + count);
}

void guest_screen_erase(struct guest_console *console, unsigned what)
{
    unsigned first = what == 0 ? console->row + 1u : 0, end = what == 0 ? ROWS : console->row;

    if (what >= 2 || (what == 0 && console->row == 0 && console->column == 0)) {
        guest_screen_clear(console);
        return;
    }
    guest_screen_erase_in_row(console, what);
    for (unsigned i = first; i < end; i++)
        row_erase(row_at(console, i), 0, COLUMNS);
}

void guest_screen_return(struct guest_console *console)
{
    console->column = 0;
    console->returned = current_row(console)->used > 0;
}

void guest_screen_backspace(struct guest_console *console)
{
    if (console->column > 0)
        console->column--;
}

void guest_screen_save_cursor(struct guest_console *console)
{
    console->saved_row = console->row;
    console->saved_column = console->column;
}

void guest_screen_restore_cursor(struct guest_console *console)
{
    guest_screen_move(console, console->saved_row, console->saved_column);
}

void guest_screen_match_unfinished(struct guest_console *console)
{
    struct guest_console_row *row = current_row(console);
    struct row_text text;

    if (!row->dirty || !row->unmatched || console->matched || !console->config.match)
        return;
    row_compose(row, &text);
    if (row_match(console, row, &text))
        row_emit(console, row, &text);
}

void guest_screen_flush(struct guest_console *console)
{
    for (unsigned i = 0; i < ROWS; i++)
        row_leave(console, row_at(console, i), LEAVE_END);
}

void guest_screen_init(struct guest_console *console)
{
    console->row = ROWS - 1;
}
