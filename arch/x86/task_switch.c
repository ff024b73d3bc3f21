/* SPDX-License-Identifier: BSD-2-Clause */
/* The first frame of a new task's stack. */
#include "arch/x86/task_switch.h"

extern const char task_first[]; /* task_switch.nasm */

void task_context_init(struct task_context *context, void *stack_top, void (*run)(void *argument), void *argument)
{
    enum { R15, R14, R13, R12, RBX_SAVED, RBP_SAVED, RETURN, FRAME };
    u64 *frame = (u64 *)((u64)stack_top & ~0xfull) - FRAME - 1; /* RSP is 16-byte aligned at task_first's call */

    for (unsigned i = 0; i < FRAME; i++)
        frame[i] = 0;
    frame[R12] = (u64)run;
    frame[R13] = (u64)argument;
    frame[RETURN] = (u64)task_first;
    context->rsp = (u64)frame;
}
