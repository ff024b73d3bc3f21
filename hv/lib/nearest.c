/* SPDX-License-Identifier: BSD-2-Clause */
/* See nearest.h. */
#include "hv/lib/nearest.h"

#include "hv/lib/string.h"

enum { LONGEST_NAME = 24, FAR = LONGEST_NAME };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

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

const char *nearest_name(const char *found, size_t length, const char *const *names, unsigned count)
{
    unsigned nearest_distance = least((unsigned)(length + 2) / 3, 3) + 1; /* what is that far or farther is not near */
    const char *nearest = NULL;

    for (unsigned i = 0; i < count; i++) {
        unsigned distance = names[i] ? edit_distance(found, length, names[i]) : FAR;

        if (distance < nearest_distance) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}
