/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/monitor*.c: lines of commands, one after the other, from an operator or (a line that begins with a tab) from a guest
 * about itself. Whatever they are, the memory core is sound at the end, nobody is left working on a guest, and answers fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/monitor_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_LINES = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;

    start_guests(&port_host_caps);
    for (unsigned lines = 0; at < end && lines < MOST_LINES; lines++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        char *line = strndup(at, length);

        if (!line)
            abort();
        touch(&left, 3 * lines, 3 * lines + 2, ACCESS_WRITE);
        /* Who waits for longer finds that all guests have ended. */
        on_task_yield = end_guests;
        execute_as(line[0] == '\t' && left.runs ? &left : NULL, line);
        on_task_yield = NULL;
        left.runs = right.runs = true;
        free(line);
        at += length + 1;
    }
    if (left.users || right.users || left.is_commanded || right.is_commanded || mm_audit() != 0)
        abort();
    stop_guests();
    return 0;
}
