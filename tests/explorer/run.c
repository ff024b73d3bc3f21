/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/run.h. */
#include "tests/explorer/run.h"

#include <stdio.h>

void run_print(const struct run *runs, unsigned count, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < count && at < size; i++) {
        const char *space = i == 0 ? "" : " ";

        if (i + 1 < count)
            at += (size_t)snprintf(text + at, size - at, "%s%d*%u", space, runs[i].actor, runs[i].points);
        else
            at += (size_t)snprintf(text + at, size - at, "%s%d", space, runs[i].actor);
    }
}

unsigned run_parse(const char *text, struct run *runs, unsigned limit)
{
    unsigned count = 0;

    while (*text != '\0' && count < limit) {
        struct run *run = &runs[count];
        int length = 0;

        run->points = 0;
        if (sscanf(text, "%d*%u %n", &run->actor, &run->points, &length) < 2 &&
            sscanf(text, "%d %n", &run->actor, &length) < 1)
            break;
        count++;
        text += length;
    }
    return count;
}
