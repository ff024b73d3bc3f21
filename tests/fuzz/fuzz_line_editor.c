/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/line_editor.c on an emulated terminal: any bytes from the keyboard, with output of others between them (byte 0xfe:
 * that is no key in UTF-8). After each the row is what the line says, and the line is a line.
 */
#include <stdlib.h>

#include "tests/unit/line_editor_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OTHERS = 0xfe };

static const char *const words[] = {
    "dirty", "drop", "dirty-log", "a-word-that-is-long-and-goes-on-and-on", "d", NULL
};

static bool candidate(void *context, const char *line, size_t length, unsigned index, char word[LINE_EDITOR_SIZE])
{
    if (!words[index])
        return false;
    strcpy(word, words[index]);
    return true;
}

static void check(bool right)
{
    if (!right)
        abort();
}

static void others_print(struct line_editor *editor, struct terminal *terminal)
{
    line_editor_hide(editor);
    check(terminal->column == 0 && terminal->row[0] == 0);
    terminal_write(terminal, "linux | hello\r\n", 15);
    line_editor_show(editor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line_editor editor;
    static struct terminal terminal;
    struct line_editor_config config = { PROMPT, &terminal, terminal_write, candidate };

    memset(&terminal, 0, sizeof(terminal));
    line_editor_init(&editor, &config);
    for (size_t i = 0; i < size; i++) {
        enum line_event event = LINE_NOTHING;

        if (data[i] == OTHERS)
            others_print(&editor, &terminal);
        else
            event = line_editor_key(&editor, data[i]);
        check(editor.length < LINE_EDITOR_SIZE && editor.cursor <= editor.length);
        check(editor.history.count <= LINE_HISTORY_LINES && terminal.strange == 0);
        if (event != LINE_NOTHING) {
            check(!editor.is_open && terminal.column == 0 && strlen(editor.line) == editor.length);
            if (i % 2)
                line_editor_open(&editor);
        }
        if (editor.is_open)
            check(view_is_right(&editor, &terminal));
    }
    return 0;
}
