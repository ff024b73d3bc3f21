/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Matching of a console line against a pattern. Only the last star needs to be tried again: if what stands between two
 * stars is taken at its first place, more of the line is left for the rest than with any other choice.
 */
#include "hv/pattern.h"

bool pattern_found(const char *pattern, const char *line)
{
    /* Where to go on when a comparison fails: behind the last star, one byte later in the line. The search for the
     * pattern anywhere in the line is a star before it. */
    const char *retry_pattern = pattern, *retry_line = line;

    for (;;) {
        while (*pattern == '*') {
            retry_pattern = ++pattern;
            retry_line = line;
        }
        if (!*pattern)
            return true;
        if (!*line)
            return false; /* a later start would leave even less of the line */

        bool quoted = pattern[0] == '\\' && pattern[1];

        if (pattern[quoted] == *line || (!quoted && *pattern == '?')) {
            pattern += quoted ? 2 : 1;
            line++;
        } else {
            pattern = retry_pattern;
            line = ++retry_line;
        }
    }
}
