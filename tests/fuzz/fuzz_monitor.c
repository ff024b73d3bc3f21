/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/monitor*.c: lines of commands, one after the other, from an operator or (a line that begins with a tab) from a
 * guest about itself. Whatever they are, the memory core is sound at the end, nobody is left working on a guest, and
 * answers fit. Each line is completed, too: words are words, and there is an end of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/monitor_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_LINES = 24, MOST_WORDS = 100 };

static unsigned asked, line_number;

/* Some commands are cancelled when they have waited for a while, others never. */
static bool cancelled(void *argument)
{
    return line_number % 3 == 0 && ++asked > 3;
}

static void connect(void *argument, struct vm *vm)
{
    if (!vm->runs)
        abort();
}

static void complete(const char *line, size_t length)
{
    char word[MONITOR_LINE_SIZE];

    for (unsigned i = 0; monitor_candidate(line, length, i, word); i++) {
        size_t size = strnlen(word, sizeof(word));

        if (i == MOST_WORDS || size == 0 || size == sizeof(word) || strcspn(word, " \t") != size)
            abort();
    }
}

/* A guest that reads some of what is typed to it. */
static void take_input(void)
{
    u8 byte;

    for (unsigned i = 0; i < 40 && guest_input_take(&left.input, &byte); i++)
        ;
    for (unsigned i = 0; i < 40 && guest_input_take(&right.input, &byte); i++)
        ;
    on_task_yield = end_guests;
}

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
        on_task_yield = take_input;
        line_number = lines;
        asked = 0;
        context_cancelled = cancelled;
        context_connect = lines % 2 ? connect : NULL;
        complete(at, length);
        execute_as(line[0] == '\t' && left.runs ? &left : NULL, line);
        on_task_yield = NULL;
        left.runs = right.runs = 1;
        free(line);
        at += length + 1;
    }
    if (left.users || right.users || left.is_commanded || right.is_commanded || mm_audit() != 0)
        abort();
    stop_guests();
    return 0;
}
