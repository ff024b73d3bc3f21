/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys do to the line, and how it is shown. See line_editor.h; which bytes are which key is in line_keys.c. */
#include "hv/line_editor.h"

#include "hv/lib/string.h"

/* How far the part that is shown moves when the cursor leaves it, in characters. */
enum { JUMP = 20, MOST_PROMPT = 20 };

static_assert(LINE_ROW_COLUMNS - MOST_PROMPT > 2 * JUMP, "the cursor is inside after a jump");

static void ring(struct line_editor *editor)
{
    editor->config.write(editor->config.context, "\a", 1);
}

/* ---- characters of the line, which is UTF-8 always */

static bool is_inside(const struct line_editor *editor, unsigned at)
{
    return ((u8)editor->line[at] & 0xc0) == 0x80;
}

static unsigned before(const struct line_editor *editor, unsigned at)
{
    if (at > 0)
        at--;
    while (at > 0 && is_inside(editor, at))
        at--;
    return at;
}

static unsigned behind(const struct line_editor *editor, unsigned at)
{
    if (at < editor->length)
        at++;
    while (at < editor->length && is_inside(editor, at))
        at++;
    return at;
}

static bool is_blank(char c)
{
    return c == ' ';
}

/* Where the word begins that ends at `at`, or in front of the blanks there. */
static unsigned word_before(const struct line_editor *editor, unsigned at)
{
    while (at > 0 && is_blank(editor->line[at - 1]))
        at--;
    while (at > 0 && !is_blank(editor->line[at - 1]))
        at--;
    return at;
}

static unsigned word_behind(const struct line_editor *editor, unsigned at)
{
    while (at < editor->length && is_blank(editor->line[at]))
        at++;
    while (at < editor->length && !is_blank(editor->line[at]))
        at++;
    return at;
}

/* Latin, Greek, Cyrillic: but for such as are made for East Asia, every terminal shows their letters in one column. */
static bool is_one_column(u32 code)
{
    return (code >= 0x20 && code < 0x7f) || (code >= 0xa1 && code < 0x250 && code != 0xad) ||
           (code >= 0x391 && code < 0x483 && code != 0x3a2);
}

/* The line as one character for each column; how many. *cursor: the column that the cursor is in. */
static unsigned characters(const struct line_editor *editor, u32 codes[LINE_EDITOR_SIZE], unsigned *cursor)
{
    static const u8 lead_bits[4] = { 0x7f, 0x1f, 0x0f, 0x07 };
    unsigned count = 0;

    for (unsigned at = 0, next; at < editor->length; at = next) {
        next = behind(editor, at);
        u32 code = (u8)editor->line[at] & lead_bits[next - at - 1];

        for (unsigned i = at + 1; i < next; i++)
            code = code << 6 | ((u8)editor->line[i] & 0x3f);
        if (at == editor->cursor)
            *cursor = count;
        codes[count++] = is_one_column(code) ? code : '?';
    }
    if (editor->cursor == editor->length)
        *cursor = count;
    return count;
}

/* ---- showing */

/* The first character that is shown, so that the cursor is on none of the marks. */
static unsigned scroll(unsigned first, unsigned count, unsigned cursor, unsigned room)
{
    if (count <= room)
        return 0;
    if (first > 0 && cursor <= first)
        return cursor > JUMP ? cursor - JUMP : 0;
    if (count > first + room && cursor + 1 >= first + room)
        return cursor + JUMP - room;
    return first;
}

static void draw(struct line_editor *editor)
{
    unsigned prompt = (unsigned)strlen(editor->config.prompt), room = LINE_ROW_COLUMNS - prompt, cursor = 0;
    u32 codes[LINE_EDITOR_SIZE], cells[LINE_ROW_COLUMNS];
    unsigned count = characters(editor, codes, &cursor);
    unsigned first = scroll(editor->first, count, cursor, room);
    unsigned shown = count - first < room ? count - first : room;

    for (unsigned i = 0; i < prompt; i++)
        cells[i] = (u8)editor->config.prompt[i];
    memcpy(cells + prompt, codes + first, shown * sizeof(*cells));
    if (first > 0)
        cells[prompt] = '<';
    if (first + shown < count)
        cells[prompt + shown - 1] = '>';
    editor->first = (u16)first;
    line_row_update(&editor->row, cells, prompt + shown, prompt + cursor - first);
}

void line_editor_hide(struct line_editor *editor)
{
    if (!editor->is_open)
        return;
    line_row_clear(&editor->row);
    editor->is_hidden = true;
}

void line_editor_close(struct line_editor *editor)
{
    line_editor_hide(editor);
    editor->is_open = editor->is_hidden = false;
    editor->length = editor->cursor = 0;
}

void line_editor_show(struct line_editor *editor)
{
    if (!editor->is_open)
        return;
    editor->is_hidden = false;
    draw(editor);
}

/* ---- changes */

static void erase(struct line_editor *editor, unsigned first, unsigned end)
{
    if (first == end) {
        ring(editor);
        return;
    }
    memmove(editor->line + first, editor->line + end, editor->length - end);
    editor->length = (u16)(editor->length - (end - first));
    editor->cursor = (u16)first;
}

/* False: there is no room. */
static bool insert(struct line_editor *editor, const char *text, size_t length)
{
    if (editor->length + length >= LINE_EDITOR_SIZE) {
        ring(editor);
        return false;
    }
    memmove(editor->line + editor->cursor + length, editor->line + editor->cursor, editor->length - editor->cursor);
    memcpy(editor->line + editor->cursor, text, length);
    editor->length = (u16)(editor->length + length);
    editor->cursor = (u16)(editor->cursor + length);
    return true;
}

static void replace(struct line_editor *editor, const char *line)
{
    editor->length = editor->cursor = (u16)strlen(line);
    memcpy(editor->line, line, editor->length);
}

static void recall(struct line_editor *editor, unsigned age)
{
    const char *line = age == 0 ? editor->draft : line_history_at(&editor->history, age);

    if (!line) {
        ring(editor);
        return;
    }
    if (editor->age == 0) {
        memcpy(editor->draft, editor->line, editor->length);
        editor->draft[editor->length] = '\0';
    }
    editor->age = (u16)age;
    replace(editor, line);
}

/* ---- completion */

struct completion {
    unsigned count;              /* words that begin as the one in the line does */
    size_t typed;                /* how much of them is in the line */
    size_t common;               /* how far they are the same */
    char word[LINE_EDITOR_SIZE]; /* the first one */
};

/*
 * Number `index` of the words that can stand where the cursor's word stands, from `start` on. *fits: it begins as that
 * does.
 */
static bool candidate(struct line_editor *editor, unsigned start, unsigned index, char word[LINE_EDITOR_SIZE],
                      bool *fits)
{
    size_t typed = editor->cursor - start;

    if (!editor->config.candidate ||
        !editor->config.candidate(editor->config.context, editor->line, start, index, word))
        return false;
    *fits = strnlen(word, LINE_EDITOR_SIZE) >= typed && memcmp(word, editor->line + start, typed) == 0;
    return true;
}

static void find_completion(struct line_editor *editor, unsigned start, struct completion *found)
{
    char word[LINE_EDITOR_SIZE];
    bool fits;

    found->count = 0;
    found->common = 0;
    found->typed = editor->cursor - start;
    for (unsigned i = 0; candidate(editor, start, i, word, &fits); i++) {
        size_t common = 0;

        if (!fits)
            continue;
        if (found->count++ == 0) {
            found->common = strlen(word);
            memcpy(found->word, word, found->common + 1);
        }
        while (common < found->common && word[common] == found->word[common])
            common++;
        found->common = common;
    }
}

static void list_completions(struct line_editor *editor, unsigned start)
{
    char word[LINE_EDITOR_SIZE];
    size_t column = 0;
    bool fits;

    line_row_end(&editor->row, "");
    for (unsigned i = 0; candidate(editor, start, i, word, &fits); i++) {
        const char *gap = column == 0 ? "" : column + strlen(word) + 2 > LINE_ROW_COLUMNS ? "\r\n" : "  ";

        if (!fits)
            continue;
        editor->config.write(editor->config.context, gap, strlen(gap));
        editor->config.write(editor->config.context, word, strlen(word));
        column = (*gap == ' ' ? column + 2 : 0) + strlen(word);
    }
    line_row_end(&editor->row, "");
}

static void complete(struct line_editor *editor, bool again)
{
    unsigned start = editor->cursor;
    struct completion found;

    while (start > 0 && !is_blank(editor->line[start - 1]))
        start--;
    find_completion(editor, start, &found);
    if (found.common > found.typed && !insert(editor, found.word + found.typed, found.common - found.typed))
        return;
    if (found.count == 1 && (editor->cursor == editor->length || !is_blank(editor->line[editor->cursor])))
        (void)insert(editor, " ", 1);
    else if (found.count > 1 && found.common == found.typed && again)
        list_completions(editor, start);
    else if (found.count == 0 || (found.count > 1 && found.common == found.typed))
        ring(editor);
}

/* ---- keys */

static enum line_event end(struct line_editor *editor, enum line_event event, const char *mark)
{
    line_row_end(&editor->row, mark);
    if (event != LINE_ENTERED)
        editor->length = editor->cursor = 0;
    editor->line[editor->length] = '\0';
    if (event == LINE_ENTERED)
        line_history_add(&editor->history, editor->line);
    editor->is_open = false;
    return event;
}

static void clear_screen(struct line_editor *editor)
{
    static const char clear[] = "\x1b[H\x1b[2J";

    /* Also where the terminal cannot do that the row is blank. */
    line_row_clear(&editor->row);
    editor->config.write(editor->config.context, clear, sizeof(clear) - 1);
}

/* Keys that move the cursor, and those that take something away. False: it is another one. */
static bool move_or_erase(struct line_editor *editor, const struct line_key *key)
{
    unsigned at = editor->cursor;

    switch (key->kind) {
    case KEY_LEFT:
        editor->cursor = (u16)before(editor, at);
        return true;
    case KEY_RIGHT:
        editor->cursor = (u16)behind(editor, at);
        return true;
    case KEY_WORD_LEFT:
        editor->cursor = (u16)word_before(editor, at);
        return true;
    case KEY_WORD_RIGHT:
        editor->cursor = (u16)word_behind(editor, at);
        return true;
    case KEY_HOME:
        editor->cursor = 0;
        return true;
    case KEY_END:
        editor->cursor = editor->length;
        return true;
    case KEY_BACKSPACE:
        erase(editor, before(editor, at), at);
        return true;
    case KEY_DELETE:
        erase(editor, at, behind(editor, at));
        return true;
    case KEY_ERASE_WORD_LEFT:
        erase(editor, word_before(editor, at), at);
        return true;
    case KEY_ERASE_WORD_RIGHT:
        erase(editor, at, word_behind(editor, at));
        return true;
    case KEY_ERASE_LEFT:
        erase(editor, 0, at);
        return true;
    case KEY_ERASE_RIGHT:
        erase(editor, at, editor->length);
        return true;
    default:
        return false;
    }
}

static enum line_event press(struct line_editor *editor, const struct line_key *key)
{
    bool after_tab = editor->after_tab;

    editor->after_tab = key->kind == KEY_TAB;
    if (move_or_erase(editor, key))
        return LINE_NOTHING;
    switch (key->kind) {
    case KEY_TEXT:
        (void)insert(editor, key->text, key->length);
        break;
    case KEY_UP:
        recall(editor, editor->age + 1u);
        break;
    case KEY_DOWN:
        if (editor->age > 0)
            recall(editor, editor->age - 1u);
        else
            ring(editor);
        break;
    case KEY_TAB:
        complete(editor, after_tab);
        break;
    case KEY_CLEAR:
        clear_screen(editor);
        break;
    case KEY_ENTER:
        return end(editor, LINE_ENTERED, "");
    case KEY_CANCEL:
        return end(editor, LINE_CANCELLED, "^C");
    case KEY_END_OF_INPUT:
        if (editor->length == 0)
            return end(editor, LINE_LEFT, "");
        erase(editor, editor->cursor, behind(editor, editor->cursor));
        break;
    default:
        ring(editor);
        break;
    }
    return LINE_NOTHING;
}

enum line_event line_editor_key(struct line_editor *editor, u8 byte)
{
    struct line_key key;
    enum line_event event;

    assert(!editor->is_hidden);
    if (!line_keys_byte(&editor->keys, byte, &key))
        return LINE_NOTHING;
    if (!editor->is_open) {
        editor->length = editor->cursor = 0;
        editor->line[0] = '\0';
        return key.kind == KEY_ENTER ? LINE_ENTERED : LINE_NOTHING;
    }
    event = press(editor, &key);
    if (editor->is_open)
        draw(editor);
    return event;
}

void line_editor_open(struct line_editor *editor)
{
    editor->is_open = true;
    editor->is_hidden = editor->after_tab = false;
    editor->length = editor->cursor = editor->first = editor->age = 0;
    line_row_begin(&editor->row);
    draw(editor);
}

void line_editor_init(struct line_editor *editor, const struct line_editor_config *config)
{
    memset(editor, 0, sizeof(*editor));
    editor->config = *config;
    editor->row.write = config->write;
    editor->row.context = config->context;
    assert(strlen(config->prompt) <= MOST_PROMPT);
}
