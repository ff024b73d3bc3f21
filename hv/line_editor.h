/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line that somebody types at a terminal: bytes of keys in, bytes for the terminal out, and the line when it is
 * entered.
 *
 *   left, right, ^B, ^F     by a character; with Ctrl, and Alt-B, Alt-F: by a word
 *   Home, End, ^A, ^E       to an end of the line
 *   Backspace, ^H; Delete   a character away, to the left or to the right; ^D too, if the line is not empty
 *   ^W, Alt-Backspace; Alt-D   a word away, to the left or to the right
 *   ^U, ^K                  all away, to the left or to the right
 *   up, down, ^P, ^N        the last lines; the one that was being typed comes after the latest
 *   TAB                     completes a word; twice: says how it can go on
 *   ^L                      clears the screen
 *   ^C; ^D in an empty line give up the line; leave
 *
 * Other keys, and bytes that are no UTF-8, do nothing but to ring the bell. The row on the terminal always reads as the
 * line does; a longer line is shown in part, and < and > say where there is more. What the terminal has to understand
 * is in line_row.h. The line is UTF-8; a character that may be wider or narrower than a column is shown as a question
 * mark.
 *
 * Nothing here yields or takes a lock. The owner of the lock of what is printed calls all this.
 */
#ifndef HV_LINE_EDITOR_H
#define HV_LINE_EDITOR_H

#include "hv/line_history.h"
#include "hv/line_keys.h"
#include "hv/line_row.h"

enum { LINE_EDITOR_SIZE = LINE_HISTORY_SIZE }; /* of a line, with the NUL */

struct line_editor_config {
    const char *prompt;                                            /* printable ASCII, up to 20 characters */
    void *context;                                                 /* for both callbacks */
    void (*write)(void *context, const char *text, size_t length); /* raw bytes to the terminal */
    /*
     * A word of printable ASCII that can stand behind the first `length` bytes of `line`: number `index` of them;
     * false: there are not so many. NULL: nothing is completed.
     */
    bool (*candidate)(void *context, const char *line, size_t length, unsigned index, char word[LINE_EDITOR_SIZE]);
};

enum line_event {
    LINE_NOTHING,
    LINE_ENTERED,   /* editor->line is what was entered */
    LINE_CANCELLED, /* by ^C */
    LINE_LEFT,      /* by ^D */
};

struct line_editor {
    struct line_editor_config config; /* set once */

    bool is_open;
    char line[LINE_EDITOR_SIZE];
    u16 length, cursor; /* bytes */
    u16 first;          /* characters of it that are left of what is shown */

    struct line_keys keys;
    bool after_tab; /* the last key was TAB */

    /* of the lines before: */
    u16 age; /* of the one that is shown; 0: it is the draft */
    char draft[LINE_EDITOR_SIZE];
    struct line_history history;

    bool is_hidden;
    struct line_row row;
};

/* Closed, and without a history. */
void line_editor_init(struct line_editor *editor, const struct line_editor_config *config);

/* Shows the prompt, and an empty line. */
void line_editor_open(struct line_editor *editor);

/* Erases the line, if one is open. */
void line_editor_close(struct line_editor *editor);

/*
 * A byte from the keyboard. Every event but LINE_NOTHING closes the editor and ends the row. While it is closed a line
 * can be entered all the same, an empty one: somebody pressed Enter.
 */
enum line_event line_editor_key(struct line_editor *editor, u8 byte);

/*
 * Between the two the row is blank, the cursor in its first column, and something else may write to the terminal: whole
 * rows. No key is pressed between them. While the editor is closed they do nothing.
 */
void line_editor_hide(struct line_editor *editor);
void line_editor_show(struct line_editor *editor);

#endif
