/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor says about its own commands: help, and which one was meant. */
#include "hv/lib/format.h"
#include "hv/lib/nearest.h"
#include "hv/lib/string.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"

enum { USAGE_SIZE = 64, WORDS_SIZE = 48 };

static bool is_for(const struct monitor_command *command, const struct monitor_context *context)
{
    return !(command->flags & COMMAND_OPERATOR) || context->self == NULL;
}

void monitor_usage(const struct monitor_command *command, const struct monitor_context *context, char *text,
                   size_t size)
{
    bool named = command->flags & COMMAND_GUEST && context->self == NULL;

    format_text(text, size, "%s%s%s%s", command->name, named ? " NAME" : "", *command->arguments ? " " : "",
                command->arguments);
}

static void list(struct monitor_call *call)
{
    enum monitor_group group = MONITOR_GROUPS;

    for (unsigned i = 0; i < monitor_command_count && !monitor_is_cancelled(call); i++) {
        const struct monitor_command *command = &monitor_commands[i];
        char usage[USAGE_SIZE];

        if (!is_for(command, call->context))
            continue;
        if (command->group != group)
            monitor_say(call, "%s:", monitor_group_names[command->group]);
        group = command->group;
        monitor_usage(command, call->context, usage, sizeof(usage));
        monitor_say(call, "  %-48s %s", usage, command->what);
    }
}

/* A whole word of the name, or the whole name. */
static bool is_named(const struct monitor_command *command, const char *words)
{
    size_t length = strlen(words);

    return strncmp(command->name, words, length) == 0 &&
           (command->name[length] == '\0' || command->name[length] == ' ');
}

int monitor_help(struct monitor_call *call)
{
    char words[WORDS_SIZE];
    bool found = false;

    if (call->count == 0) {
        list(call);
        return 0;
    }
    format_text(words, sizeof(words), call->count == 2 ? "%s %s" : "%s", call->arguments[0], call->arguments[1]);
    for (unsigned i = 0; i < monitor_command_count; i++) {
        const struct monitor_command *command = &monitor_commands[i];
        char usage[USAGE_SIZE];

        if (!is_for(command, call->context) || !is_named(command, words))
            continue;
        monitor_usage(command, call->context, usage, sizeof(usage));
        monitor_say(call, "usage: %s", usage);
        monitor_say(call, "  %s", command->what);
        if (*command->more)
            monitor_say(call, "  %s", command->more);
        found = true;
    }
    return found ? 0 : monitor_fail_unknown(call, call->arguments[0], call->count == 2 ? call->arguments[1] : NULL);
}

/* The first of the words is the first of the two that some command's name has. */
static bool goes_on(const char *words)
{
    size_t length = 0;

    while (words[length] != '\0' && words[length] != ' ')
        length++;
    for (unsigned i = 0; i < monitor_command_count; i++) {
        const char *name = monitor_commands[i].name;

        if (strncmp(name, words, length) == 0 && name[length] == ' ')
            return true;
    }
    return false;
}

int monitor_fail_unknown(struct monitor_call *call, const char *first, const char *second)
{
    const char *names[MONITOR_MOST_COMMANDS];
    char words[WORDS_SIZE];

    format_text(words, sizeof(words), second && goes_on(first) ? "%s %s" : "%s", first, second);
    for (unsigned i = 0; i < monitor_command_count; i++)
        names[i] = is_for(&monitor_commands[i], call->context) ? monitor_commands[i].name : NULL;
    const char *nearest = nearest_name(words, strlen(words), names, monitor_command_count);
    if (nearest)
        return monitor_fail(call, -EINVAL, "unknown command \"%s\"; did you mean \"%s\"?", words, nearest);
    if (goes_on(first))
        return monitor_fail(call, -EINVAL, "unknown command \"%s\"; it goes on with another word: help %s says which",
                            words, first);
    return monitor_fail(call, -EINVAL, "unknown command \"%s\"; help says which there are", words);
}
