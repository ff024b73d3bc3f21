/* SPDX-License-Identifier: BSD-2-Clause */
/* The definition of hv/pattern.h, written down as a recursion: slow, and easy to see that it is right. */
#ifndef TESTS_UNIT_NAIVE_PATTERN_H
#define TESTS_UNIT_NAIVE_PATTERN_H

#include <stdbool.h>

static inline bool naive_pattern_starts(const char *pattern, const char *line)
{
    if (!*pattern)
        return true;
    if (*pattern == '*')
        return naive_pattern_starts(pattern + 1, line) || (*line && naive_pattern_starts(pattern, line + 1));
    if (!*line)
        return false;
    if (*pattern == '?')
        return naive_pattern_starts(pattern + 1, line + 1);
    if (*pattern == '\\' && pattern[1])
        return pattern[1] == *line && naive_pattern_starts(pattern + 2, line + 1);
    return *pattern == *line && naive_pattern_starts(pattern + 1, line + 1);
}

static inline bool naive_pattern_found(const char *pattern, const char *line)
{
    return naive_pattern_starts(pattern, line) || (*line && naive_pattern_found(pattern, line + 1));
}

#endif
