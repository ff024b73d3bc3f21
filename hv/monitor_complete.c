/* SPDX-License-Identifier: BSD-2-Clause */
/* The words that can come next in a line of the monitor: see monitor_candidate() in monitor.h. */
#include "hv/lib/string.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "hv/vm_list.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word from *at on; its length, 0: there is none. *at goes behind it. */
static size_t next_word(const char **at, const char *end, const char **word)
{
    while (*at < end && is_blank(**at))
        (*at)++;
    *word = *at;
    while (*at < end && **at != '\0' && !is_blank(**at))
        (*at)++;
    return (size_t)(*at - *word);
}

/* Behind these words of a name, another one: its first letter, up to a blank or the end. NULL: none. */
static const char *word_behind(const char *name, const char *words, size_t length)
{
    if (strncmp(name, words, length) != 0)
        return NULL;
    return length == 0 ? name : name[length] == ' ' ? name + length + 1 : NULL;
}

static bool give(const char *from, char word[MONITOR_LINE_SIZE])
{
    size_t length = 0;

    for (; from[length] != '\0' && from[length] != ' '; length++)
        word[length] = from[length];
    word[length] = '\0';
    return true;
}

static bool is_same_word(const char *a, const char *b)
{
    while (*a != '\0' && *a != ' ' && *a == *b) {
        a++;
        b++;
    }
    return (*a == '\0' || *a == ' ') && (*b == '\0' || *b == ' ');
}

/* Number *index of the different words behind `words` in names; *index is reduced by those that there are. */
static bool name_word(const char *words, size_t length, unsigned *index, char word[MONITOR_LINE_SIZE])
{
    const char *last = NULL;

    for (unsigned i = 0; i < monitor_command_count; i++) {
        const char *next = word_behind(monitor_commands[i].name, words, length);

        if (!next || (last && is_same_word(last, next))) /* commands with the same first word are neighbours */
            continue;
        last = next;
        if ((*index)-- == 0)
            return give(next, word);
    }
    return false;
}

static const struct monitor_command *find(const char *words, size_t length)
{
    for (unsigned i = 0; i < monitor_command_count; i++) {
        if (strlen(monitor_commands[i].name) == length && strncmp(monitor_commands[i].name, words, length) == 0)
            return &monitor_commands[i];
    }
    return NULL;
}

bool monitor_candidate(const char *line, size_t length, unsigned index, char word[MONITOR_LINE_SIZE])
{
    const char *at = line, *end = line + length, *first;
    size_t used = next_word(&at, end, &first);
    char words[MONITOR_LINE_SIZE];
    bool help = used == 4 && strncmp(first, "help", 4) == 0;

    /* All words with a blank between them, as names have it. */
    for (size_t count = help ? next_word(&at, end, &first) : used, total = 0;; count = next_word(&at, end, &first)) {
        used = total;
        if (count == 0)
            break;
        if (total + count + 2 > sizeof(words))
            return false;
        if (total > 0)
            words[total++] = ' ';
        memcpy(words + total, first, count);
        total += count;
    }
    words[used] = '\0';
    if (name_word(words, used, &index, word))
        return true;
    const struct monitor_command *command = help ? NULL : find(words, used);
    struct vm *vm = command && command->flags & COMMAND_GUEST ? vm_list_at(index) : NULL;
    return vm && give(vm->conf.name, word);
}
