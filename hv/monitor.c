/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's language: from a line to a call of a command. See monitor.h. */
#include "hv/monitor.h"

#include "hv/lib/string.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "mm/atomic.h"

struct words {
    unsigned count;
    const char *at[MONITOR_MOST_WORDS];
    char text[MONITOR_LINE_SIZE];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Ends the word at `at`, which begins behind its quote if it has one. What follows it; NULL: its closing quote is missing. */
static char *end_word(char *at, bool quoted)
{
    char *to = at;

    while (*at != '\0' && (quoted ? *at != '"' : !is_blank(*at))) {
        /* In quotes \" is a quote; every other backslash stands for itself, as patterns want it. */
        if (quoted && at[0] == '\\' && at[1] == '"')
            at++;
        else if (quoted && at[0] == '\\' && at[1] == '\\')
            *to++ = *at++;
        *to++ = *at++;
    }
    if (quoted && *at == '\0')
        return NULL;
    char *next = *at == '\0' ? at : at + 1;
    *to = '\0';
    return next;
}

/* NULL, or what is wrong. */
static const char *split(const char *line, struct words *words)
{
    size_t length = strnlen(line, sizeof(words->text));
    char *at = words->text;

    words->count = 0;
    if (length == sizeof(words->text))
        return "the line is too long";
    memcpy(words->text, line, length + 1);
    for (;;) {
        while (is_blank(*at))
            at++;
        if (*at == '\0')
            return NULL;
        bool quoted = *at == '"';
        if (words->count == MONITOR_MOST_WORDS)
            return "too many words";
        words->at[words->count++] = at += quoted;
        at = end_word(at, quoted);
        if (at == NULL)
            return "a closing quote is missing";
    }
}

/* The word is the first one of `name`. */
static bool begins_with(const char *name, const char *word)
{
    while (*word != '\0' && *word == *name) {
        word++;
        name++;
        if (*name == ' ')
            break;
    }
    return *word == '\0' && (*name == ' ' || *name == '\0');
}

/* How many words of the line are the command's name; 0: it is another one. */
static unsigned match(const struct monitor_command *command, const struct words *words)
{
    const char *second = strchr(command->name, ' ');

    if (!begins_with(command->name, words->at[0]))
        return 0;
    if (second == NULL)
        return 1;
    return words->count > 1 && begins_with(second + 1, words->at[1]) ? 2 : 0;
}

static int find_guest(struct monitor_call *call)
{
    struct vm *self = call->context->self;

    if (self == NULL) {
        if (call->count == 0)
            return monitor_fail(call, -EINVAL, "a guest's name is missing");
        call->vm = vm_list_find(call->arguments[0]);
        if (call->vm == NULL)
            return monitor_fail(call, -ENOENT, "there is no guest \"%s\"", call->arguments[0]);
        call->count--;
        memmove(call->arguments, call->arguments + 1, call->count * sizeof(call->arguments[0]));
    } else {
        call->vm = self;
    }
    return 0;
}

/*
 * One command at a time for each guest. A guest does not wait for its turn: somebody may wait for it to stop before he goes
 * on. Nor does it get one before an operator who waits, however often its processors ask.
 */
static int begin(struct monitor_call *call)
{
    struct vm *vm = call->vm;
    int error = 0;

    if (call->context->self != NULL) {
        if (atomic_read(&vm->operators) != 0 || atomic_xchg(&vm->is_commanded, 1))
            return monitor_fail(call, -EBUSY, "another command about it is being executed");
        return 0;
    }
    (void)atomic_add(&vm->operators, 1);
    while (!error && atomic_xchg(&vm->is_commanded, 1))
        error = monitor_wait_step(call, ~0ull);
    (void)atomic_add(&vm->operators, (u32)-1);
    return error;
}

static int run(struct monitor_call *call)
{
    u32 flags = call->command->flags;
    char usage[MONITOR_LINE_SIZE];
    int error;

    if (flags & COMMAND_OPERATOR && call->context->self != NULL)
        return monitor_fail(call, -EPERM, "not for guests");
    error = flags & COMMAND_GUEST ? find_guest(call) : 0;
    if (error)
        return error;
    if (call->count < call->command->least || call->count > call->command->most) {
        monitor_usage(call->command, call->context, usage, sizeof(usage));
        return monitor_fail(call, -EINVAL, "usage: %s", usage);
    }
    if (!(flags & COMMAND_USES))
        return call->command->run(call);
    assert(call->vm != NULL);
    if (!vm_use(call->vm))
        return monitor_fail(call, -ESRCH, "the guest has ended");
    error = begin(call);
    if (!error) {
        error = call->command->run(call);
        atomic_write(&call->vm->is_commanded, 0);
    }
    vm_unuse(call->vm);
    return error;
}

int monitor_execute(const char *line, struct monitor_context *context)
{
    struct monitor_call call = { .context = context };
    struct words words;
    const char *wrong = split(line, &words);

    context->number = 0;
    context->state_replaced = false;
    if (wrong)
        return monitor_fail(&call, -EINVAL, "%s", wrong);
    if (words.count == 0 || words.at[0][0] == '#')
        return 0;
    for (unsigned i = 0; i < monitor_command_count; i++) {
        unsigned used = match(&monitor_commands[i], &words);

        if (used) {
            call.command = &monitor_commands[i];
            call.count = words.count - used;
            memcpy(call.arguments, words.at + used, call.count * sizeof(call.arguments[0]));
            return run(&call);
        }
    }
    return monitor_fail_unknown(&call, words.at[0], words.count > 1 ? words.at[1] : NULL);
}
