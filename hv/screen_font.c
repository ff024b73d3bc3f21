/* SPDX-License-Identifier: BSD-2-Clause */
/* From UTF-8 to glyphs. */
#include "hv/screen_font.h"

enum { REPLACEMENT = 0xfffd };

static u32 next_code(const char **text, const char *end)
{
    const char *first = (*text)++;
    u8 byte = (u8)*first;
    unsigned more = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    u32 code = more ? byte & (0x3fu >> more) : byte < 0x80 ? byte : REPLACEMENT;

    for (; more && *text < end && (**text & 0xc0) == 0x80; more--)
        code = code << 6 | (*(*text)++ & 0x3f);
    return more ? REPLACEMENT : code;
}

unsigned screen_font_next(const char **text, const char *end)
{
    u32 code = next_code(text, end);
    unsigned low = 0, high = screen_font_count - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (screen_font[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return screen_font[low].code == code ? low : screen_font_count - 1;
}
