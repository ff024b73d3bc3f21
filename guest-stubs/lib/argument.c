/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers from the command line. */
#include "guest-stubs/lib/stub.h"

/* The text behind `key` if the word at `text` is key or key=…, else NULL. */
static const char *after_key(const char *text, const char *key)
{
    while (*key) {
        if (*text++ != *key++)
            return NULL;
    }
    return *text == '=' || *text == ' ' || *text == '\0' ? text : NULL;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return 16;
}

static u64 number(const char *text)
{
    unsigned base = 10;
    u64 value = 0;

    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    while (digit_value(*text) < base)
        value = value * base + digit_value(*text++);
    switch (*text) {
    case 'K':
        return value << 10;
    case 'M':
        return value << 20;
    case 'G':
        return value << 30;
    default:
        return value;
    }
}

u64 argument(const char *key, u64 absent)
{
    for (const char *word = stub_command_line; *word;) {
        const char *value = after_key(word, key);
        if (value)
            return *value == '=' ? number(value + 1) : 1;
        while (*word && *word != ' ')
            word++;
        while (*word == ' ')
            word++;
    }
    return absent;
}
