/* SPDX-License-Identifier: BSD-2-Clause */
/* See line_history.h. */
#include "hv/line_history.h"

#include "hv/lib/string.h"

const char *line_history_at(const struct line_history *history, unsigned age)
{
    if (age == 0 || age > history->count)
        return NULL;
    return history->lines[(history->next + LINE_HISTORY_LINES - age) % LINE_HISTORY_LINES];
}

void line_history_add(struct line_history *history, const char *line)
{
    const char *latest = line_history_at(history, 1);
    size_t length = strlen(line);

    assert(length < LINE_HISTORY_SIZE);
    if (length == 0 || (latest && strcmp(latest, line) == 0))
        return;
    memcpy(history->lines[history->next], line, length + 1);
    history->next = (history->next + 1) % LINE_HISTORY_LINES;
    if (history->count < LINE_HISTORY_LINES)
        history->count++;
}
