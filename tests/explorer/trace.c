/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/trace.h. */
#include "tests/explorer/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 60000, WIDTH = 256 };

struct line {
    int actor;
    const char *what;
    const void *word, *code, *caller;
};

/* On the heap, so that machine_restore() does not copy it. */
static struct trace {
    unsigned count;
    struct line line[LINES];
} * trace;

void trace_add(int actor, const char *what, const void *word, const void *code, const void *caller)
{
    if (trace == NULL)
        trace = calloc(1, sizeof(*trace));
    if (trace != NULL && trace->count < LINES)
        trace->line[trace->count++] = (struct line){ actor, what, word, code, caller };
}

/* All addresses go to a file, and one addr2line(1) reads it. */
static FILE *start_naming(void)
{
    char path[] = "/tmp/explorer-trace-XXXXXX", program[128], command[WIDTH];
    int file = mkstemp(path);
    FILE *addresses = file < 0 ? NULL : fdopen(file, "w");
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (addresses == NULL || length < 0)
        return NULL;
    program[length] = '\0';
    for (unsigned i = 0; i < trace->count; i++)
        fprintf(addresses, "%p\n%p\n", trace->line[i].code, trace->line[i].caller);
    fclose(addresses);
    snprintf(command, sizeof(command), "addr2line -f -p -s -e %s < %s; rm %s", program, path, path);
    return popen(command, "r");
}

static void read_name(FILE *names, char name[WIDTH])
{
    if (names != NULL && fgets(name, WIDTH, names) != NULL)
        name[strcspn(name, "\n")] = '\0';
}

void trace_print(void)
{
    if (trace == NULL)
        return;

    FILE *names = start_naming();
    for (unsigned i = 0; i < trace->count; i++) {
        const struct line *line = &trace->line[i];
        char code[WIDTH] = "", caller[WIDTH] = "";

        read_name(names, code);
        read_name(names, caller);
        printf("#   %*s%d %s", line->actor * 8, "", line->actor, line->what);
        if (line->word != NULL)
            printf(" %p", line->word);
        if (line->code != NULL)
            printf(" %s, from %s", code, caller);
        putchar('\n');
    }
    if (names != NULL)
        pclose(names);
    trace->count = 0;
}
