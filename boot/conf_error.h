/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of the parser's errors: found text made printable, and what else could have been meant. */
#ifndef BOOT_CONF_ERROR_H
#define BOOT_CONF_ERROR_H

#include "boot/conf.h"
#include "boot/conf_lines.h"

/* Fills *error, for now without the file's name, and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int conf_fail(struct conf_error *error, struct conf_place place,
                                                    const char *format, ...);

/* Puts "file:line:column: " before the text. */
void conf_error_add_place(struct conf_error *error, const char *file);

/* Text in quotes: bytes that are not printable ASCII as \xNN, long text cut with "...". */
struct conf_quoted {
    char text[56];
};

struct conf_quoted conf_quote(const char *text, size_t length);

/* "; did you mean "memory"? allowed: image, format …"; the question only if a name is near. Names may be NULL: left out. */
struct conf_suggestion {
    char text[256];
};

struct conf_suggestion conf_suggest(const char *found, size_t length, const char *const *names, unsigned count);

#endif
