/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says in files, and what it was told on its command line. */
#include "tests/guests/linux/init.h"

enum { READ_ONLY = 0, WRITE_ONLY = 1 };

long file_read(const char *path, char *text, size_t size)
{
    long file = CALL_3(open, path, READ_ONLY, 0), length = 0, got = 0;

    text[0] = '\0';
    if (file < 0)
        return file;
    while ((size_t)length < size - 1 && (got = CALL_3(read, file, text + length, size - 1 - (size_t)length)) > 0)
        length += got;
    CALL_1(close, file);
    text[length] = '\0';
    return got < 0 ? got : length;
}

long file_write(const char *path, const char *text)
{
    long file = CALL_3(open, path, WRITE_ONLY, 0), result;
    size_t length = 0;

    if (file < 0)
        return file;
    while (text[length])
        length++;
    result = CALL_3(write, file, text, length);
    CALL_1(close, file);
    return result;
}

bool file_exists(const char *path)
{
    return CALL_2(access, path, 0) == 0;
}

bool text_is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* The text behind `prefix`, or NULL. */
static const char *text_after(const char *text, const char *prefix)
{
    while (*prefix) {
        if (*text++ != *prefix++)
            return NULL;
    }
    return text;
}

const char *text_find(const char *text, const char *part)
{
    for (; *text; text++) {
        if (text_after(text, part))
            return text;
    }
    return NULL;
}

const char *option(const char *key, const char *absent)
{
    static char command_line[1024], value[64];

    if (!command_line[0])
        file_read("/proc/cmdline", command_line, sizeof(command_line));
    for (const char *word = command_line; *word;) {
        const char *rest = text_after(word, key);
        if (rest && *rest == '=') {
            size_t length = 0;
            while (*++rest > ' ' && length < sizeof(value) - 1)
                value[length++] = *rest;
            value[length] = '\0';
            return value;
        }
        while (*word > ' ')
            word++;
        while (*word && *word <= ' ')
            word++;
    }
    return absent;
}

static u64 number(const char **text)
{
    u64 value = 0;

    while (**text >= '0' && **text <= '9')
        value = value * 10 + (u64)(*(*text)++ - '0');
    return value;
}

u64 option_number(const char *key, u64 absent)
{
    const char *value = option(key, NULL);

    return value ? number(&value) : absent;
}

bool interrupts_count(const char *name, u64 *counts)
{
    static char text[16384];
    unsigned online = processors();

    file_read("/proc/interrupts", text, sizeof(text));
    for (char *row = text; *row;) {
        char *end = row;
        const char *field;

        while (*end && *end != '\n')
            end++;
        if (*end)
            *end++ = '\0';
        field = text_find(row, ":");
        if (field && text_find(row, name)) {
            field++;
            for (unsigned i = 0; i < online; i++) {
                while (*field == ' ')
                    field++;
                counts[i] += number(&field);
            }
            return true;
        }
        row = end;
    }
    return false;
}
