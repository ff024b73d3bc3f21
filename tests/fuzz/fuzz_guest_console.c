/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes from a guest: every line that comes out is clean, bounded and counted, the state stays in its bounds, and
 * bytes that are only printable lines come out as they are.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/guest_console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static struct guest_console console;
static u64 bytes_out, lines_out, matches;
static const uint8_t *plain; /* what plain lines must be equal to, or NULL */

/* Printable ASCII and well-formed UTF-8 (RFC 3629) without C1 controls, at most 200 characters, no blank at the end. */
static void check_line(const char *line)
{
    size_t length = strlen(line), characters = 0;
    const uint8_t *at = (const uint8_t *)line;

    CHECK(length < GUEST_CONSOLE_LINE_SIZE);
    CHECK(length == 0 || line[length - 1] != ' ');
    while (*at) {
        unsigned more = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;

        characters++;
        if (more == 0)
            CHECK(*at >= 0x20 && *at < 0x7f);
        else
            CHECK(*at >= 0xc2 && *at <= 0xf4);
        CHECK(!(at[0] == 0xc2 && at[1] < 0xa0));
        CHECK(!(at[0] == 0xe0 && at[1] < 0xa0) && !(at[0] == 0xed && at[1] >= 0xa0));
        CHECK(!(at[0] == 0xf0 && at[1] < 0x90) && !(at[0] == 0xf4 && at[1] >= 0x90));
        for (at++; more > 0; more--, at++)
            CHECK((*at & 0xc0) == 0x80);
    }
    CHECK(characters <= GUEST_CONSOLE_COLUMNS);
}

static void emit(void *context, const char *line)
{
    check_line(line);
    bytes_out += strlen(line) + 1;
    lines_out++;
    if (plain) {
        size_t length = strlen(line);
        CHECK(memcmp(plain, line, length) == 0);
        plain += length;
        while (*plain == ' ')
            plain++;
        CHECK(*plain == '\n');
        plain++;
    }
}

static bool match(void *context, const char *line)
{
    check_line(line);
    matches++;
    return strstr(line, "expected");
}

static void start(u64 limit)
{
    const struct guest_console_config config = { .emit = emit, .match = match, .output_limit = limit };

    guest_console_init(&console, &config);
    bytes_out = lines_out = matches = 0;
}

/* The input as lines of printable text, none longer than a row. */
static void try_plain(const uint8_t *data, size_t size)
{
    uint8_t *text = malloc(size + 2);
    size_t column = 0;

    CHECK(text);
    for (size_t i = 0; i < size; i++) {
        text[i] = data[i] % 16 == 0 || column == GUEST_CONSOLE_COLUMNS ? '\n' : (uint8_t)(' ' + data[i] % 95);
        column = text[i] == '\n' ? 0 : column + 1;
    }
    text[size] = '\n';
    text[size + 1] = 0;
    start(UINT64_MAX);
    plain = text;
    for (size_t i = 0; i <= size; i++)
        guest_console_put(&console, text[i]);
    CHECK(plain == text + size + 1);
    guest_console_flush(&console);
    plain = NULL;
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u64 limit;

    if (size < 2)
        return 0;
    try_plain(data, size);
    limit = data[0] << (data[1] & 7);
    start(limit);
    for (size_t i = 2; i < size; i++) {
        guest_console_put(&console, data[i]);
        if (data[1] & 0x80)
            guest_console_idle(&console);
        CHECK(console.row < GUEST_CONSOLE_ROWS && console.top < GUEST_CONSOLE_ROWS);
        CHECK(console.column <= GUEST_CONSOLE_COLUMNS);
        CHECK(console.saved_row < GUEST_CONSOLE_ROWS && console.saved_column <= GUEST_CONSOLE_COLUMNS);
    }
    guest_console_flush(&console);
    for (unsigned i = 0; i < GUEST_CONSOLE_ROWS; i++)
        CHECK(console.rows[i].used <= GUEST_CONSOLE_COLUMNS);
    CHECK(console.emitted_bytes <= limit);
    CHECK(lines_out == console.emitted_lines + console.limit_reached);
    CHECK(console.limit_reached == (console.dropped_lines > 0));
    lines_out = 0;
    guest_console_flush(&console);
    CHECK(lines_out == 0); /* everything has been handed out */
    return 0;
}
