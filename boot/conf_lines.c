/* SPDX-License-Identifier: BSD-2-Clause */
/* slat.conf as lines and spans: the only file that counts lines and columns. */
#include "boot/conf_lines.h"

#include "hv/lib/string.h"

void conf_lines_start(struct conf_lines *lines, const char *text, size_t size)
{
    static const char byte_order_mark[3] = "\xef\xbb\xbf";

    *lines = (struct conf_lines){ .at = text, .end = text + size };
    if (size >= sizeof byte_order_mark && !memcmp(text, byte_order_mark, sizeof byte_order_mark))
        lines->at += sizeof byte_order_mark;
}

bool conf_lines_next(struct conf_lines *lines, struct conf_span *line)
{
    while (lines->at != lines->end) {
        const char *start = lines->at, *end = start;

        while (end != lines->end && *end != '\n')
            end++;
        lines->at = end != lines->end ? end + 1 : end;
        lines->line++;
        if (end != start && end[-1] == '\r')
            end--;

        struct conf_span all = { start, (size_t)(end - start), { lines->line, 1 } };

        if (!conf_span_is_over(all)) {
            *line = conf_span_skip_blanks(all);
            return true;
        }
    }
    return false;
}

bool conf_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct conf_span conf_span_from(struct conf_span span, size_t count)
{
    span.at += count;
    span.length -= count;
    span.place.column += (unsigned)count;
    return span;
}

struct conf_span conf_span_first(struct conf_span span, size_t count)
{
    span.length = count;
    return span;
}

struct conf_span conf_span_skip_blanks(struct conf_span span)
{
    size_t count = 0;

    while (count < span.length && conf_is_blank(span.at[count]))
        count++;
    return conf_span_from(span, count);
}

struct conf_span conf_span_trim(struct conf_span span)
{
    while (span.length && conf_is_blank(span.at[span.length - 1]))
        span.length--;
    return span;
}

size_t conf_span_until(struct conf_span span, const char *stops)
{
    size_t count = 0;

    /* strchr finds a NUL in every text, but here it is a byte like any other. */
    while (count < span.length && !(span.at[count] && strchr(stops, span.at[count])))
        count++;
    return count;
}

bool conf_span_is_over(struct conf_span span)
{
    span = conf_span_skip_blanks(span);
    return !span.length || span.at[0] == '#';
}

bool conf_span_equals(struct conf_span span, const char *text)
{
    return span.length == strlen(text) && !memcmp(span.at, text, span.length);
}
