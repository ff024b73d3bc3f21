/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching stacks between cooperative tasks: hv/task.c. */
#ifndef ARCH_X86_TASK_SWITCH_H
#define ARCH_X86_TASK_SWITCH_H

#include "mm/types.h"

struct task_context {
    u64 rsp;
};

/* A context in which `run(argument)` begins when it is first switched to. `run` never returns. */
void task_context_init(struct task_context *context, void *stack_top, void (*run)(void *argument), void *argument);

/* Saves where the caller is in `from`, and continues where `to` is. Returns when somebody switches back. */
void task_context_switch(struct task_context *from, const struct task_context *to);

#endif
