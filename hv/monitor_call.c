/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers and arguments of the monitor's commands, and the list of them: see monitor_call.h. */
#include "hv/monitor_call.h"

#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/vm.h"
#include "mm/port.h"

#define GUEST COMMAND_GUEST
#define USES  (COMMAND_GUEST | COMMAND_USES)

const struct monitor_command monitor_commands[] = {
    { "help", 0, 0, 0, "", "this list", monitor_help },
    { "vms", COMMAND_OPERATOR, 0, 0, "", "all guests, and how they are", monitor_vms },
    { "stats", USES, 0, 0, "", "faults, pages by size, splits, collapses, dirty pages", monitor_stats },
    { "slots", USES, 0, 0, "", "where its memory is", monitor_slots },
    { "ept", USES, 0, 0, "", "its tables and their entries by level", monitor_ept },
    { "map", USES, 0, 0, "", "its memory as a picture", monitor_map },
    { "dirty start", USES, 0, 3, "[lazy] [all] [manual]", "logs what it writes", monitor_dirty_start },
    { "dirty harvest", USES, 0, 1, "[pages]", "how many pages were written since, and which", monitor_dirty_harvest },
    { "dirty rearm", USES, 0, 0, "", "with manual: takes the pages of the last harvest out of the log",
      monitor_dirty_rearm },
    { "dirty stop", USES, 0, 1, "[in-place|compact|lazily|keep]", "ends the log; how large pages come back",
      monitor_dirty_stop },
    { "dirty ring", USES, 1, 1, "ENTRIES", "a ring of what its processor writes; 0: none", monitor_dirty_ring },
    { "dirty reap", USES, 1, 1, "MAX", "takes so many entries out of the ring at most", monitor_dirty_reap },
    { "dirty rate", USES | COMMAND_OPERATOR, 1, 3, "PERIOD [d-bits|log] [4K]", "how much it writes in this time",
      monitor_dirty_rate },
    { "dirty forecast", USES | COMMAND_OPERATOR, 3, 3, "PERIOD BANDWIDTH DOWNTIME", "whether a migration would end",
      monitor_dirty_forecast },
    { "collapse", USES, 0, 1, "[in-place|compact|lazily]", "makes small pages large again", monitor_collapse },
    { "balloon", USES, 2, 2, "FIRST COUNT", "takes pages away, until it touches them", monitor_balloon },
    { "zap", USES, 2, 2, "FIRST COUNT", "unmaps pages", monitor_zap },
    { "split", USES, 2, 2, "FIRST COUNT", "splits large pages to 4K", monitor_split },
    { "snapshot", USES, 1, 1, "TAG", "remembers it as it is, under a name", monitor_snapshot },
    { "reset", USES, 1, 1, "TAG", "makes it what it was then", monitor_reset },
    { "drop", USES, 1, 1, "TAG", "forgets a snapshot", monitor_drop },
    { "pause", USES | COMMAND_OPERATOR, 0, 0, "", "stops its processor", monitor_pause },
    { "resume", USES | COMMAND_OPERATOR, 0, 0, "", "lets it run again", monitor_resume },
    { "wait", COMMAND_OPERATOR, 1, 1, "TIME", "does nothing for so long", monitor_wait },
    { "expect", GUEST | COMMAND_OPERATOR, 1, 2, "PATTERN [TIMEOUT]", "waits for a line of its console",
      monitor_expect },
};
const unsigned monitor_command_count = sizeof(monitor_commands) / sizeof(monitor_commands[0]);

static void print(struct monitor_call *call, const char *text)
{
    call->context->print(call->context->argument, text);
}

void monitor_say(struct monitor_call *call, const char *format, ...)
{
    char text[MONITOR_TEXT_SIZE];
    va_list args;

    va_start(args, format);
    format_text_v(text, sizeof(text), format, args);
    va_end(args);
    print(call, text);
    port_yield(); /* an answer can be long, and the machine's log slow */
}

int monitor_fail(struct monitor_call *call, int error, const char *format, ...)
{
    char text[MONITOR_TEXT_SIZE] = "";
    size_t length = 0;
    va_list args;

    if (call->command)
        length = (size_t)format_text(text, sizeof(text), "%s%s%s: ", call->command->name, call->vm ? " " : "",
                                     call->vm ? call->vm->conf.name : "");
    va_start(args, format);
    format_text_v(text + length, sizeof(text) - length, format, args);
    va_end(args);
    print(call, text);
    return error;
}

int monitor_finish(struct monitor_call *call, int error)
{
    static const struct {
        int error;
        const char *text;
    } texts[] = {
        { -ENOMEM, "no memory" },
        { -EBUSY, "somebody else changes it" },
        { -EINVAL, "not possible" },
        { -EIO, "a frame went bad" },
    };

    if (error == 0)
        return 0;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].error == error)
            return monitor_fail(call, error, "%s", texts[i].text);
    }
    return monitor_fail(call, error, "error %d", -error);
}

static unsigned digit(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
           : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                  : 16;
}

struct unit {
    const char *name;
    u64 factor;
};

/* A number and one of the units, up to one without a name's end; "" is no unit. False: it is none, or too large. */
static bool parse(const char *text, const struct unit *units, u64 *number)
{
    unsigned base = text[0] == '0' && text[1] == 'x' ? 16 : 10;
    u64 value = 0;

    text += base == 16 ? 2 : 0;
    if (digit(*text) >= base)
        return false;
    for (; digit(*text) < base; text++) {
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit(*text), &value))
            return false;
    }
    for (; units->name; units++) {
        if (strcmp(units->name, text) == 0)
            return !__builtin_mul_overflow(value, units->factor, number);
    }
    return false;
}

static int argument(struct monitor_call *call, unsigned i, const struct unit *units, const char *what, u64 *number)
{
    if (parse(call->arguments[i], units, number))
        return 0;
    return monitor_fail(call, -EINVAL, "\"%s\" is not %s", call->arguments[i], what);
}

int monitor_number(struct monitor_call *call, unsigned i, u64 *number)
{
    static const struct unit units[] = { { "", 1 }, { NULL, 0 } };

    return argument(call, i, units, "a number", number);
}

int monitor_size(struct monitor_call *call, unsigned i, u64 *bytes)
{
    static const struct unit units[] = {
        { "", 1 }, { "K", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 }, { NULL, 0 }
    };

    return argument(call, i, units, "a size, as 100M", bytes);
}

int monitor_time(struct monitor_call *call, unsigned i, u64 *ns)
{
    static const struct unit units[] = { { "us", 1000 },
                                         { "ms", 1000 * 1000 },
                                         { "s", 1000 * 1000 * 1000 },
                                         { "min", 60 * 1000 * 1000 * 1000ull },
                                         { NULL, 0 } };

    return argument(call, i, units, "a time, as 100ms", ns);
}

int monitor_word(struct monitor_call *call, unsigned i, const char *const *words, unsigned *index)
{
    for (unsigned word = 0; words[word]; word++) {
        if (strcmp(words[word], call->arguments[i]) == 0) {
            *index = word;
            return 0;
        }
    }
    return monitor_fail(call, -EINVAL, "unknown word \"%s\"; usage: %s", call->arguments[i], call->command->arguments);
}

int monitor_pages(struct monitor_call *call, unsigned i, gfn_t *first, u64 *count)
{
    struct vm_slot slots[VM_SLOTS];
    unsigned slot_count = vm_slots(call->vm->conf.memory, slots);
    u64 end = slots[slot_count - 1].base.v + slots[slot_count - 1].npages;
    int error = monitor_number(call, i, &first->v);

    if (!error)
        error = monitor_number(call, i + 1, count);
    if (error)
        return error;
    if (*count == 0 || first->v >= end || *count > end - first->v)
        return monitor_fail(call, -EINVAL, "%s pages from %s on; its memory ends at page %#llx", call->arguments[i + 1],
                            call->arguments[i], (unsigned long long)end);
    return 0;
}

int monitor_help(struct monitor_call *call)
{
    for (unsigned i = 0; i < monitor_command_count; i++) {
        const struct monitor_command *command = &monitor_commands[i];
        bool named = command->flags & COMMAND_GUEST && call->context->self == NULL;
        char usage[64];

        if (command->flags & COMMAND_OPERATOR && call->context->self != NULL)
            continue;
        format_text(usage, sizeof(usage), "%s%s%s%s", command->name, named ? " NAME" : "",
                    *command->arguments ? " " : "", command->arguments);
        monitor_say(call, "%-48s %s", usage, command->what);
    }
    return 0;
}
