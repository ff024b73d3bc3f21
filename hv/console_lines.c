/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of lines: see console_lines.h. */
#include "hv/console_lines.h"

#include "hv/guest_console.h"
#include "hv/pattern.h"

static_assert((int)GUEST_CONSOLE_LINE_SIZE < (int)CONSOLE_LINES_SIZE, "every line has room");

static char byte_at(const struct console_lines *lines, u64 at)
{
    return lines->text[at % CONSOLE_LINES_SIZE];
}

static void forget_oldest(struct console_lines *lines)
{
    while (byte_at(lines, lines->oldest++) != '\0')
        ;
    if (lines->unseen < lines->oldest)
        lines->unseen = lines->oldest;
}

static void put(struct console_lines *lines, char c)
{
    lines->text[lines->end++ % CONSOLE_LINES_SIZE] = c;
}

void console_lines_add(struct console_lines *lines, const char *line)
{
    while (lines->oldest != lines->end && lines->end - lines->oldest + GUEST_CONSOLE_LINE_SIZE > CONSOLE_LINES_SIZE)
        forget_oldest(lines);
    for (unsigned i = 0; line[i] != '\0' && i < GUEST_CONSOLE_LINE_SIZE - 1; i++)
        put(lines, line[i]);
    put(lines, '\0');
}

bool console_lines_find(struct console_lines *lines, const char *pattern)
{
    char line[GUEST_CONSOLE_LINE_SIZE];
    bool found = false;

    while (!found && lines->unseen != lines->end) {
        unsigned length = 0;

        do {
            line[length] = byte_at(lines, lines->unseen++);
        } while (line[length++] != '\0');
        found = pattern_found(pattern, line);
    }
    return found;
}
