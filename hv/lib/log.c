/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slat's own lines. A line is made whole on the caller's stack and handed to the sink in one piece, so that lines of
 * several processors never mix if the sink keeps pieces whole (it has the lock, if there is one).
 */
#include "hv/lib/log.h"

#include "hv/lib/format.h"
#include "hv/lib/string.h"

enum { LINE_SIZE = 500 }; /* with "slat: " and the newline */

static void (*log_sink)(const char *text, size_t length);

void log_set_sink(void (*sink)(const char *text, size_t length))
{
    log_sink = sink;
}

void log_raw(const char *text, size_t length)
{
    if (log_sink && length)
        log_sink(text, length);
}

void log_line_v(const char *format, va_list args)
{
    static const char prefix[] = "slat: ";
    char line[LINE_SIZE];
    size_t most = LINE_SIZE - 1, length = sizeof prefix - 1;

    memcpy(line, prefix, length);
    length += (size_t)format_text_v(line + length, LINE_SIZE - length, format, args);
    if (length > most)
        length = most;
    line[length++] = '\n'; /* in the place of the NUL */
    log_raw(line, length);
}

void log_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line_v(format, args);
    va_end(args);
}
