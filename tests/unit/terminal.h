/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A dumb terminal for tests: characters, \b, \r, \n, BEL, ESC [ K; other sequences do nothing. It keeps the row that
 * the cursor is in as a person sees it, and the rows above it as text. What it does not understand, or what depends on
 * its width, it notes.
 */
#ifndef TESTS_UNIT_TERMINAL_H
#define TESTS_UNIT_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TERMINAL_COLUMNS = 80, TERMINAL_ROWS_SIZE = 1 << 16 };

struct terminal {
    uint32_t row[TERMINAL_COLUMNS]; /* 0: blank, and nothing was written there */
    unsigned column;
    char above[TERMINAL_ROWS_SIZE]; /* finished rows, each with a newline */
    size_t above_length;
    unsigned bells, strange; /* strange: bytes that no dumb terminal understands, or the last column written */
    size_t bytes;
    char sequence[16];
    unsigned sequence_length;
    uint32_t lead; /* of a character of two bytes */
};

static inline size_t terminal_row(const struct terminal *terminal, char *text)
{
    size_t length = 0;
    unsigned end = TERMINAL_COLUMNS;

    while (end > 0 && terminal->row[end - 1] == 0)
        end--;
    for (unsigned i = 0; i < end; i++) {
        uint32_t code = terminal->row[i] ? terminal->row[i] : ' ';

        if (code >= 0x80)
            text[length++] = (char)(0xc0 | code >> 6);
        text[length++] = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    }
    text[length] = '\0';
    return length;
}

static inline void terminal_line_feed(struct terminal *terminal)
{
    if (terminal->above_length + 2 * TERMINAL_COLUMNS + 2 > TERMINAL_ROWS_SIZE)
        terminal->above_length = 0;
    terminal->above_length += terminal_row(terminal, terminal->above + terminal->above_length);
    terminal->above[terminal->above_length++] = '\n';
    terminal->above[terminal->above_length] = '\0';
    memset(terminal->row, 0, sizeof(terminal->row));
}

static inline void terminal_print(struct terminal *terminal, uint32_t code)
{
    if (terminal->column >= TERMINAL_COLUMNS - 1) {
        terminal->strange++;
        return;
    }
    terminal->row[terminal->column++] = code;
}

static inline void terminal_sequence(struct terminal *terminal, char byte)
{
    terminal->sequence[terminal->sequence_length++] = byte;
    if (terminal->sequence_length == 2 && byte != '[')
        terminal->strange++;
    if (terminal->sequence_length == sizeof(terminal->sequence))
        terminal->strange++;
    else if (terminal->sequence_length < 3 || byte < 0x40)
        return;
    if (terminal->sequence_length == 3 && byte == 'K')
        memset(terminal->row + terminal->column, 0, (TERMINAL_COLUMNS - terminal->column) * sizeof(terminal->row[0]));
    terminal->sequence_length = 0;
}

static inline void terminal_byte(struct terminal *terminal, uint8_t byte)
{
    terminal->bytes++;
    if (terminal->sequence_length > 0) {
        terminal_sequence(terminal, (char)byte);
    } else if (byte >= 0xc2 && byte <= 0xdf && terminal->lead == 0) {
        terminal->lead = byte;
    } else if (byte >= 0x80 && byte < 0xc0 && terminal->lead != 0) {
        terminal_print(terminal, (terminal->lead & 0x1f) << 6 | (byte & 0x3f));
        terminal->lead = 0;
    } else if (terminal->lead != 0) {
        terminal->strange++;
    } else if (byte >= 0x20 && byte < 0x7f) {
        terminal_print(terminal, byte);
    } else if (byte == '\b') {
        terminal->strange += terminal->column == 0;
        terminal->column -= terminal->column > 0;
    } else if (byte == '\r') {
        terminal->column = 0;
    } else if (byte == '\n') {
        terminal_line_feed(terminal);
    } else if (byte == '\a') {
        terminal->bells++;
    } else if (byte == 0x1b) {
        terminal->sequence[terminal->sequence_length++] = 0x1b;
    } else if (byte != 0x0f) { /* the usual character set */
        terminal->strange++;
    }
}

/* As line_editor_config wants it. */
static inline void terminal_write(void *terminal, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        terminal_byte(terminal, (uint8_t)text[i]);
}

#endif
