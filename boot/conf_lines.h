/* SPDX-License-Identifier: BSD-2-Clause */
/* slat.conf as lines, and pieces of a line that know where they are. */
#ifndef BOOT_CONF_LINES_H
#define BOOT_CONF_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct conf_place {
    unsigned line, column; /* from 1 */
};

struct conf_span {
    const char *at; /* not terminated */
    size_t length;
    struct conf_place place; /* of the first byte */
};

struct conf_lines {
    const char *at, *end; /* what has not been read */
    unsigned line;        /* the one that was read last; 0: none */
};

void conf_lines_start(struct conf_lines *lines, const char *text, size_t size);

/* The next line that is neither empty nor a comment, from its first character, without its end (LF or CR LF). */
bool conf_lines_next(struct conf_lines *lines, struct conf_span *line);

/* A space or a tab. */
bool conf_is_blank(char c);

/* The span from its `count`th byte on; count <= length. */
struct conf_span conf_span_from(struct conf_span span, size_t count);

/* The first `count` bytes of the span; count <= length. */
struct conf_span conf_span_first(struct conf_span span, size_t count);

struct conf_span conf_span_skip_blanks(struct conf_span span);

/* Without blanks at its end. */
struct conf_span conf_span_trim(struct conf_span span);

/* How many bytes stand before the first of the characters in `stops`; all, if there is none. */
size_t conf_span_until(struct conf_span span, const char *stops);

/* Nothing is left but blanks and a comment. */
bool conf_span_is_over(struct conf_span span);

bool conf_span_equals(struct conf_span span, const char *text);

#endif
