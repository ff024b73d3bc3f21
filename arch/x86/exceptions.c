/* SPDX-License-Identifier: BSD-2-Clause */
/* See exceptions.h. */
#include "arch/x86/exceptions.h"

#include "arch/x86/backtrace.h"
#include "arch/x86/cpu.h"
#include "arch/x86/exception_text.h"
#include "arch/x86/fixup.h"
#include "arch/x86/panic.h"
#include "arch/x86/stack.h"
#include "hv/lib/format.h"

/* Where a page fault's or a double fault's address lies; an overflowing stack that has no room for the frame causes both. */
static void describe_address(u64 address, char *text, size_t size)
{
    const struct stack *guard = stack_find_guard(address);
    unsigned long long value = address;

    if (guard)
        format_text(text, size, ", 0x%llx, the guard page of the %s stack: it overflowed", value, guard->name);
    else if (address < PAGE_SIZE)
        format_text(text, size, ", 0x%llx: a null pointer", value);
    else
        format_text(text, size, ", 0x%llx", value);
}

void exception_handle(struct exception_frame *frame)
{
    char what[96], address[128] = "", where[128], cause[400];

    /* What an instruction with a fixup can raise itself. A machine check or a double fault there is no answer to it. */
    if ((frame->vector == VECTOR_GP || frame->vector == VECTOR_UD || frame->vector == VECTOR_PF) && fixup_apply(frame))
        return;
    exception_describe(frame->vector, frame->error, what, sizeof what);
    if (frame->vector == VECTOR_PF || (frame->vector == VECTOR_DF && stack_find_guard(cr2_read())))
        describe_address(cr2_read(), address, sizeof address);
    backtrace_describe(frame->rip, where, sizeof where);
    format_text(cause, sizeof cause, "%s%s%s%s", exception_name(frame->vector), where, what, address);
    panic_at(frame, cause);
}
