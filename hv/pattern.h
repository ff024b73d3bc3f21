/* SPDX-License-Identifier: BSD-2-Clause */
/* The patterns of "expect" in slat.conf. */
#ifndef HV_PATTERN_H
#define HV_PATTERN_H

#include <stdbool.h>

/*
 * Whether the pattern is found anywhere in the line (without its newline). In the pattern `*` stands for any text, also
 * none, `?` for one byte, and a backslash takes the special meaning from what follows it; everything else stands for
 * itself. The empty pattern is found in every line. At most length(pattern) * length(line) comparisons.
 */
bool pattern_found(const char *pattern, const char *line);

#endif
