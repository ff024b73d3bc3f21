/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last lines of a guest's console, for who waits for one: the monitor's `expect`. Each line is looked at once. Where so
 * many come that nobody looked at them in time, the oldest are forgotten.
 */
#ifndef HV_CONSOLE_LINES_H
#define HV_CONSOLE_LINES_H

#include "mm/types.h"

enum { CONSOLE_LINES_SIZE = 8192 };

/* All zero: empty. */
struct console_lines {
    /* Counts of bytes; a line ends with its NUL. */
    u64 oldest, unseen, end;
    char text[CONSOLE_LINES_SIZE];
};

/* `line` is shorter than GUEST_CONSOLE_LINE_SIZE; what is longer is cut. */
void console_lines_add(struct console_lines *lines, const char *line);

/* Whether the pattern (hv/pattern.h) is found in a line that nobody has looked at. What comes after that is kept. */
bool console_lines_find(struct console_lines *lines, const char *pattern);

#endif
