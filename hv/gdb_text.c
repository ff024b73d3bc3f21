/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_text.h. */
#include "hv/gdb_text.h"

#include "hv/lib/string.h"

int gdb_text_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool gdb_text_take(struct gdb_text *text, const char *word)
{
    size_t length = strlen(word);

    if (gdb_text_left(text) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

bool gdb_text_take_number(struct gdb_text *text, u64 *number)
{
    const char *at = text->at;
    u64 value = 0;

    for (; at < text->end && gdb_text_digit(*at) >= 0; at++) {
        if (value >> 60 != 0)
            return false;
        value = value << 4 | (u64)gdb_text_digit(*at);
    }
    if (at == text->at)
        return false;
    text->at = at;
    *number = value;
    return true;
}

bool gdb_text_take_bytes(struct gdb_text *text, void *bytes, size_t count)
{
    u8 *to = bytes;

    if (gdb_text_left(text) / 2 < count)
        return false;
    for (size_t i = 0; i < 2 * count; i++) {
        if (gdb_text_digit(text->at[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < count; i++, text->at += 2)
        to[i] = (u8)(gdb_text_digit(text->at[0]) << 4 | gdb_text_digit(text->at[1]));
    return true;
}
