/* SPDX-License-Identifier: BSD-2-Clause */
/* See backtrace.h. */
#include "arch/x86/backtrace.h"

#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"

enum { MAX_LINES = 32, TEXT_SIZE = 128 };

static bool in_text(const struct backtrace_bounds *bounds, u64 address)
{
    return address >= bounds->text_start && address < bounds->text_end;
}

bool backtrace_step(const struct backtrace_bounds *bounds, u64 *rbp, u64 *caller)
{
    const u64 *frame = (const u64 *)*rbp; /* the caller's RBP, the return address */

    if (*rbp < bounds->stack_bottom || *rbp > bounds->stack_top - 16 || *rbp % 8 != 0 || !in_text(bounds, frame[1]))
        return false;
    *caller = frame[1];
    *rbp = frame[0] > *rbp ? frame[0] : 0; /* callers' frames are higher: so it ends */
    return true;
}

/* `is_return`: the call is before `address`, perhaps as the last instruction of its function, if it never returns. */
static void describe(u64 address, bool is_return, char *text, size_t size)
{
    struct symbol symbol;

    if (symbols_find(symbols_start, (size_t)(symbols_end - symbols_start), address - is_return, &symbol))
        format_text(text, size, "%s+0x%llx", symbol.name, (unsigned long long)symbol.offset + is_return);
    else
        format_text(text, size, "a function without a name");
}

void backtrace_describe(u64 address, char *text, size_t size)
{
    char name[TEXT_SIZE];

    if (address < (u64)text_start || address >= (u64)text_end) {
        format_text(text, size, " outside slat's code");
        return;
    }
    describe(address, false, name, sizeof name);
    format_text(text, size, " in %s", name);
}

static void print_caller(u64 address, unsigned times)
{
    char text[TEXT_SIZE];

    describe(address, true, text, sizeof text);
    if (times > 1)
        log_line("  %016llx  %s  (%u times)", (unsigned long long)address, text, times);
    else
        log_line("  %016llx  %s", (unsigned long long)address, text);
}

static void print_callers(const struct backtrace_bounds *bounds, u64 rbp)
{
    u64 caller, last = 0;
    unsigned times = 0, lines = 0;

    while (lines < MAX_LINES && backtrace_step(bounds, &rbp, &caller)) {
        if (times && caller != last) {
            print_caller(last, times);
            lines++;
            times = 0;
        }
        last = caller;
        times++;
    }
    if (lines == MAX_LINES)
        log_line("  ...");
    else if (times)
        print_caller(last, times);
}

void backtrace_print(u64 rip, u64 rbp, u64 rsp)
{
    const struct stack *stack = stack_find(rbp);
    struct backtrace_bounds bounds = { .text_start = (u64)text_start, .text_end = (u64)text_end };
    char text[TEXT_SIZE];

    if (!stack) {
        log_line("called by: not known, rbp is in no stack");
        return;
    }
    bounds.stack_bottom = stack->bottom;
    bounds.stack_top = stack->top;
    log_line("called by (on the %s stack, innermost first):", stack->name);
    if (in_text(&bounds, rip)) {
        describe(rip, false, text, sizeof text);
        log_line("  %016llx  %s", (unsigned long long)rip, text);
    } else if (rsp >= stack->bottom && rsp <= stack->top - 8 && rsp % 8 == 0 && in_text(&bounds, *(const u64 *)rsp)) {
        /* A call of a wrong address left its return address on the stack, and no frame yet. */
        print_caller(*(const u64 *)rsp, 1);
    }
    print_callers(&bounds, rbp);
}
