/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the bytes that a guest sends on its serial line to lines for a person, and for the pattern that "expect" names.
 *
 * The bytes go through a model of a terminal's screen. It starts with its cursor on the bottom row, so a guest that
 * just prints lines has each of them handed out once, exactly and in order, as its line feed comes. A guest that
 * places its cursor has the rows that it changes handed out when the cursor leaves them. Rules for what would be a
 * flood:
 *   - a row that reads as it did when it was last handed out is not handed out again;
 *   - a row that differs only in numbers and punctuation (a clock, a percentage, a spinner, 0xff), and was not ended by
 *     a line feed, is handed out at its 1st, 2nd, 4th, 8th … such change;
 *   - guest_console_flush() hands out what the rows read at the end.
 * A carriage return with other text after it ends a line too. A line of more than 200 characters is broken.
 *
 * Nothing that a guest sends reaches the person's terminal as a control: printable ASCII and valid UTF-8 pass, escape
 * sequences are obeyed or swallowed, other control characters are dropped or shown as ^X, other bytes as \xNN.
 * Blanks at a line's end are cut. What is matched is what would be handed out, so the pattern is for the line as seen.
 *
 * The work for one byte is bounded by a few row lengths. One processor at a time uses a console; no lock.
 */
#ifndef HV_GUEST_CONSOLE_H
#define HV_GUEST_CONSOLE_H

#include "mm/types.h"

enum {
    GUEST_CONSOLE_ROWS = 32,
    GUEST_CONSOLE_COLUMNS = 200,
    GUEST_CONSOLE_LINE_SIZE = 4 * GUEST_CONSOLE_COLUMNS + 1, /* bytes of the longest line, with its NUL */
};

struct guest_console_config {
    void *context;                                 /* for both callbacks */
    void (*emit)(void *context, const char *line); /* a line to show, without newline */
    bool (*match)(void *context,
                  const char *line); /* whether this line is the expected one; NULL: nothing is expected */
    u64 output_limit; /* bytes of lines, newlines included, that are emitted; what is beyond is matched and counted */
};

struct guest_console_row {
    u16 used;                         /* cells that have been written, or are blank to the left of such */
    bool dirty;                       /* written to since the cursor last left it */
    bool unmatched;                   /* its text has not been matched as it is now */
    bool emitted;                     /* emitted_text is valid */
    u64 emitted_text;                 /* hash of the text when it was last emitted */
    u64 emitted_words;                /* hash of its words */
    u32 small_changes;                /* not emitted, or emitted as the 1st, 2nd, 4th …, since words changed */
    u32 cells[GUEST_CONSOLE_COLUMNS]; /* code points */
};

struct guest_console {
    struct guest_console_config config; /* set once */

    u64 emitted_bytes, dropped_bytes; /* dropped: beyond the limit */
    u64 emitted_lines, dropped_lines;
    bool limit_reached;
    bool matched; /* the expected line was seen */

    u8 state;  /* of the escape sequence parser */
    u8 length; /* bytes of the sequence so far */
    u8 parameter_count;
    bool private_sequence;
    u16 parameters[2];
    u8 utf8_left;  /* bytes that the character still needs */
    u8 utf8_count; /* bytes of it that came */
    u8 utf8[4];

    u16 top;         /* index of the row that is on top of the screen */
    u16 row, column; /* the cursor */
    u16 saved_row, saved_column;
    bool returned; /* a carriage return was the last thing on this row */
    struct guest_console_row rows[GUEST_CONSOLE_ROWS];
};

/* About 27 KiB: not for a stack. */
void guest_console_init(struct guest_console *console, const struct guest_console_config *config);

void guest_console_put(struct guest_console *console, u8 byte);

/*
 * Matches the row that the cursor is on although it is unfinished: so a prompt is recognized. Called when the guest
 * halts and at the end of its slice; costs nothing if nothing was written since.
 */
void guest_console_idle(struct guest_console *console);

/* The guest has ended: hands out every row that was changed and not handed out, from top to bottom. */
void guest_console_flush(struct guest_console *console);

#endif
