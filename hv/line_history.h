/* SPDX-License-Identifier: BSD-2-Clause */
/* The last lines that were entered. */
#ifndef HV_LINE_HISTORY_H
#define HV_LINE_HISTORY_H

#include "mm/types.h"

enum { LINE_HISTORY_LINES = 32, LINE_HISTORY_SIZE = 120 }; /* with the NUL */

/* All zero: empty. */
struct line_history {
    u32 next;  /* where the next line goes */
    u32 count; /* how many there are */
    char lines[LINE_HISTORY_LINES][LINE_HISTORY_SIZE];
};

/* An empty line, and one that is the latest already, is not added; where there are too many the oldest one goes. */
void line_history_add(struct line_history *history, const char *line);

/* 1: the latest line; NULL: there are not so many. */
const char *line_history_at(const struct line_history *history, unsigned age);

#endif
