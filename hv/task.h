/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks: cooperative threads of the hypervisor, each with its own stack. A processor runs its tasks in turn; one runs until
 * it yields or ends. There is one processor for now.
 */
#ifndef HV_TASK_H
#define HV_TASK_H

enum { TASK_MAX = 40, TASK_STACK_PAGES = 4 };

/* A task that runs run(argument) and ends when that returns. 0, -ENOMEM, -ENOSPC. `name` is for reports. */
int task_create(const char *name, void (*run)(void *argument), void *argument);

/* Lets the other tasks run. Outside any task: does nothing. */
void task_yield(void);

/* Runs all tasks in turn until none is left. Not called from a task. */
void task_run_all(void);

#endif
