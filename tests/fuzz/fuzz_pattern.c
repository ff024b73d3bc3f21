/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/pattern.c against the naive matcher. Input: the pattern, a newline, the line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/pattern.h"
#include "tests/unit/naive_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The naive matcher needs exponential time in the number of stars. */
enum { LONGEST_PATTERN = 10, LONGEST_LINE = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    size_t pattern_length = newline ? (size_t)(newline - data) : size,
           line_length = newline ? size - pattern_length - 1 : 0;

    char *pattern = strndup((const char *)data, pattern_length);
    char *line = strndup(newline ? (const char *)newline + 1 : "", line_length);

    if (!pattern || !line)
        abort();

    bool found = pattern_found(pattern, line);

    if (strlen(pattern) <= LONGEST_PATTERN && strlen(line) <= LONGEST_LINE &&
        found != naive_pattern_found(pattern, line))
        abort();
    free(pattern);
    free(line);
    return 0;
}
