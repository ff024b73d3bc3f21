/* SPDX-License-Identifier: BSD-2-Clause */
/* See line_row.h. */
#include "hv/line_row.h"

#include "hv/lib/string.h"

/* Bytes that go out together. */
struct output {
    const struct line_row *row;
    size_t length;
    char text[120];
};

static void flush(struct output *out)
{
    if (out->length)
        out->row->write(out->row->context, out->text, out->length);
    out->length = 0;
}

static void put(struct output *out, unsigned byte)
{
    if (out->length == sizeof(out->text))
        flush(out);
    out->text[out->length++] = (char)byte;
}

static void put_text(struct output *out, const char *text)
{
    while (*text)
        put(out, (u8)*text++);
}

static void put_character(struct output *out, u32 code)
{
    if (code >= 0x80)
        put(out, 0xc0 | code >> 6);
    put(out, code >= 0x80 ? 0x80 | (code & 0x3f) : code);
}

static void put_cells(struct output *out, const u32 *cells, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        put_character(out, cells[i]);
}

/* Between columns of the row; to the right of both `cells` and the terminal are the same. */
static void move(struct output *out, const u32 *cells, unsigned from, unsigned to)
{
    for (; from > to; from--)
        put(out, '\b');
    put_cells(out, cells, from, to);
}

void line_row_begin(struct line_row *row)
{
    row->length = row->cursor = 0;
}

void line_row_update(struct line_row *row, const u32 *cells, unsigned length, unsigned cursor)
{
    struct output out = { .row = row };
    unsigned at = row->cursor, same = 0;

    assert(length <= LINE_ROW_COLUMNS && cursor <= length);
    while (same < length && same < row->length && cells[same] == row->cells[same])
        same++;
    if (same < length || same < row->length) {
        move(&out, cells, at, same);
        put_cells(&out, cells, same, length);
        if (row->length > length)
            put_text(&out, "\x1b[K");
        at = length;
    }
    move(&out, cells, at, cursor);
    flush(&out);
    memcpy(row->cells + same, cells + same, (length - same) * sizeof(*cells));
    row->length = (u16)length;
    row->cursor = (u16)cursor;
}

void line_row_end(struct line_row *row, const char *text)
{
    struct output out = { .row = row };
    unsigned room = LINE_ROW_COLUMNS - (unsigned)strlen(text);

    move(&out, row->cells, row->cursor, row->length < room ? row->length : room);
    put_text(&out, text);
    put_text(&out, "\r\n");
    flush(&out);
    line_row_begin(row);
}

void line_row_clear(struct line_row *row)
{
    struct output out = { .row = row };

    put_text(&out, "\r\x1b[K");
    flush(&out);
    line_row_begin(row);
}
