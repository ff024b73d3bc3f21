/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of the parser's errors. Found text is hostile: it reaches a message only through conf_quote(). */
#include "boot/conf_error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/lib/format.h"
#include "hv/lib/nearest.h"
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

struct conf_suggestion conf_suggest(const char *found, size_t length, const char *const *names, unsigned count)
{
    struct conf_suggestion suggestion;
    const char *nearest = nearest_name(found, length, names, count);
    size_t used;

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
