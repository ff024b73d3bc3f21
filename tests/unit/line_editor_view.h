/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person must see while a line is edited, for the tests and the fuzzer of hv/line_editor.c. */
#ifndef TESTS_UNIT_LINE_EDITOR_VIEW_H
#define TESTS_UNIT_LINE_EDITOR_VIEW_H

#include "hv/line_editor.h"
#include "tests/unit/terminal.h"

#define PROMPT "slat> "
enum { ROOM = LINE_ROW_COLUMNS - (sizeof(PROMPT) - 1) };

/* The line in characters, what is not of one column in each terminal as '?'; *cursor: where the cursor is in them. */
static inline unsigned line_in_characters(const struct line_editor *editor, uint32_t *codes, unsigned *cursor)
{
    unsigned count = 0;

    for (unsigned at = 0; at < editor->length;) {
        unsigned char lead = (unsigned char)editor->line[at];
        unsigned size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t code = size == 1 ? lead : size == 2 ? (uint32_t)(lead & 0x1f) << 6 | (editor->line[at + 1] & 0x3f) : 0;

        if (at == editor->cursor)
            *cursor = count;
        bool narrow = (code >= 0x20 && code <= 0x7e) || (code >= 0xa1 && code <= 0x24f && code != 0xad) ||
                      (code >= 0x391 && code <= 0x482 && code != 0x3a2);
        codes[count++] = narrow ? code : '?';
        at += size;
    }
    if (editor->cursor == editor->length)
        *cursor = count;
    return count;
}

/* The window of the line that begins at `first`, with its marks, is what stands behind the prompt. */
static inline bool window_is_shown(const struct terminal *terminal, const uint32_t *codes, unsigned count,
                                   unsigned first)
{
    unsigned shown = count - first < ROOM ? count - first : ROOM;
    const uint32_t *row = terminal->row + sizeof(PROMPT) - 1;

    for (unsigned i = 0; i < shown; i++) {
        uint32_t wanted = i == 0 && first > 0 ? '<' : i == shown - 1 && first + shown < count ? '>' : codes[first + i];

        if (row[i] != wanted)
            return false;
    }
    for (const uint32_t *at = row + shown; at < terminal->row + TERMINAL_COLUMNS; at++) {
        if (*at != 0)
            return false;
    }
    return true;
}

/* The row is prompt and line, or a part of it that has the cursor; and the terminal got nothing strange. */
static inline bool view_is_right(const struct line_editor *editor, const struct terminal *terminal)
{
    uint32_t codes[LINE_EDITOR_SIZE];
    unsigned cursor = ~0u, count = line_in_characters(editor, codes, &cursor);
    unsigned column = terminal->column - (unsigned)(sizeof(PROMPT) - 1);
    char text[4 * TERMINAL_COLUMNS + 1];

    terminal_row(terminal, text);
    if (cursor == ~0u || terminal->strange || strncmp(text, PROMPT, sizeof(PROMPT) - 1) != 0 || column > cursor)
        return false;
    unsigned first = cursor - column;
    bool left = first == 0 || column > 0, right = first + ROOM >= count || column < ROOM - 1;
    return left && right && (count > ROOM || first == 0) && window_is_shown(terminal, codes, count, first);
}

#endif
