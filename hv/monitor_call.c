/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers and arguments of the monitor's commands: see monitor_call.h. */
#include "hv/monitor_call.h"

#include "arch/x86/cpu.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "mm/port.h"

/* How long a command that waits does not look again, at most. */
#define STEP_NS (1000 * 1000ull)

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

bool monitor_is_cancelled(const struct monitor_call *call)
{
    return call->context->cancelled && call->context->cancelled(call->context->argument);
}

int monitor_wait_step(struct monitor_call *call, u64 ns)
{
    if (monitor_is_cancelled(call))
        return monitor_fail(call, -EINTR, "cancelled");
    task_sleep_until(rdtsc() + vm_ns_to_ticks(u64_min(ns, STEP_NS)));
    return 0;
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
