/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A schedule: which actor runs for how many points, and then which. As text: "0*14 1*3 0": actor 0 to its 14th point, actor
 * 1 for 3, and then actor 0 as long as it can.
 */
#ifndef TESTS_EXPLORER_RUN_H
#define TESTS_EXPLORER_RUN_H

#include <stddef.h>

struct run {
    int actor;
    unsigned points; /* 0: as many as it can */
};

/* The last one without its points. What does not fit into `size` bytes is left out. */
void run_print(const struct run *runs, unsigned count, char *text, size_t size);

/* At most `limit` runs; how many there are. */
unsigned run_parse(const char *text, struct run *runs, unsigned limit);

#endif
