/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of the parser's errors. Found text is hostile: it reaches a message only through conf_quote(). */
#include "boot/conf_error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/lib/format.h"
#include "hv/lib/string.h"

int conf_fail(struct conf_error *error, struct conf_place place, const char *format, ...)
{
    va_list args;

    error->line = place.line;
    error->column = place.column;
    va_start(args, format);
    format_text_v(error->text, sizeof error->text, format, args);
    va_end(args);
    return -EINVAL;
}

/* Writes up to `limit` bytes of text, terminated. Returns how many bytes of the text found room. */
static size_t put_printable(char *to, size_t limit, const char *text, size_t length)
{
    size_t used = 0, i;

    to[0] = 0;
    for (i = 0; i < length; i++) {
        bool printable = text[i] >= 0x20 && text[i] < 0x7f;

        if (used + (printable ? 1 : 4) > limit)
            break;
        used += (size_t)format_text(to + used, limit + 1 - used, printable ? "%c" : "\\x%02x", (uint8_t)text[i]);
    }
    return i;
}

void conf_error_add_place(struct conf_error *error, const char *file)
{
    char message[sizeof error->text], name[129];

    memcpy(message, error->text, sizeof message);
    put_printable(name, sizeof name - 1, file, strlen(file));
    format_text(error->text, sizeof error->text, "%s:%u:%u: %s", name, error->line, error->column, message);
}

struct conf_quoted conf_quote(const char *text, size_t length)
{
    struct conf_quoted quoted;
    char shown[sizeof quoted.text - sizeof "\"...\"" + 1];
    bool whole = put_printable(shown, sizeof shown - 1, text, length) == length;

    format_text(quoted.text, sizeof quoted.text, "\"%s%s\"", shown, whole ? "" : "...");
    return quoted;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

enum { LONGEST_NAME = 24, FAR = LONGEST_NAME };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be inserted, removed or replaced (case does not count). */
static unsigned edit_distance(const char *found, size_t length, const char *name)
{
    unsigned row[LONGEST_NAME + 1]; /* the distance of each prefix of `name` from the first i letters of `found` */
    size_t name_length = strlen(name);

    if (length > LONGEST_NAME || name_length > LONGEST_NAME)
        return FAR;
    for (size_t j = 0; j <= name_length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= length; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= name_length; j++) {
            unsigned replaced = diagonal + (lower(found[i - 1]) == lower(name[j - 1]) ? 0 : 1);

            diagonal = row[j];
            row[j] = least(least(row[j], row[j - 1]) + 1, replaced);
        }
    }
    return row[name_length];
}

struct conf_suggestion conf_suggest(const char *found, size_t length, const char *const *names, unsigned count)
{
    struct conf_suggestion suggestion;
    const char *nearest = NULL;
    unsigned nearest_distance = least((unsigned)(length + 2) / 3, 3) + 1; /* what is that far or farther is not near */
    size_t used;

    for (unsigned i = 0; i < count; i++) {
        unsigned distance = names[i] ? edit_distance(found, length, names[i]) : FAR;

        if (distance < nearest_distance) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    used = (size_t)(nearest ? format_text(suggestion.text, sizeof suggestion.text,
                                          "; did you mean \"%s\"? allowed:", nearest)
                            : format_text(suggestion.text, sizeof suggestion.text, "; allowed:"));

    const char *separator = " ";

    for (unsigned i = 0; i < count; i++) {
        if (!names[i] || used >= sizeof suggestion.text)
            continue;
        used += (size_t)format_text(suggestion.text + used, sizeof suggestion.text - used, "%s%s", separator, names[i]);
        separator = ", ";
    }
    return suggestion;
}
