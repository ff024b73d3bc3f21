/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row of a terminal, of which the cursor is somewhere in the middle: changed with as few bytes as a dumb terminal
 * understands. Besides characters there are only \b, \r and ESC [ K; to go right, what stands there is written again.
 */
#ifndef HV_LINE_ROW_H
#define HV_LINE_ROW_H

#include "mm/types.h"

/* The last column stays empty: what terminals do when it is written differs. */
enum { LINE_ROW_COLUMNS = 79 };

struct line_row {
    void (*write)(void *context, const char *text, size_t length); /* raw bytes to the terminal */
    void *context;

    /* what is on the terminal: */
    u16 length, cursor;
    u32 cells[LINE_ROW_COLUMNS]; /* characters up to U+07FF, each of them one column wide */
};

/* The row is blank from here on, and the cursor in its first column. */
void line_row_begin(struct line_row *row);

/* Afterwards it reads so, and the cursor is in this column, at most `length`. */
void line_row_update(struct line_row *row, const u32 *cells, unsigned length, unsigned cursor);

/* `text` is written behind the last character, or over the last ones where there is no room; and a new row begins. */
void line_row_end(struct line_row *row, const char *text);

/* Erases it. */
void line_row_clear(struct line_row *row);

#endif
