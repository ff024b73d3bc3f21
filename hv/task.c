/* SPDX-License-Identifier: BSD-2-Clause */
/* Round robin over the tasks of this processor: see task.h. */
#include "hv/task.h"

#include "arch/x86/paging.h"
#include "arch/x86/task_switch.h"

struct task {
    struct task_context context;
    void (*run)(void *argument);
    void *argument;
    bool alive;
};

static struct task tasks[TASK_MAX];
static unsigned task_count;
static struct task *current; /* NULL: the caller of task_run_all() */
static struct task_context scheduler;

static void task_main(void *argument)
{
    struct task *task = argument;

    task->run(task->argument);
    task->alive = false;
    task_context_switch(&task->context, &scheduler);
}

int task_create(const char *name, void (*run)(void *argument), void *argument)
{
    if (task_count == TASK_MAX)
        return -ENOSPC;
    void *stack = vmap_stack(TASK_STACK_PAGES, name);
    if (!stack)
        return -ENOMEM;
    struct task *task = &tasks[task_count++];
    *task = (struct task){ .run = run, .argument = argument, .alive = true };
    task_context_init(&task->context, stack, task_main, task);
    return 0;
}

void task_yield(void)
{
    if (current)
        task_context_switch(&current->context, &scheduler);
}

void task_run_all(void)
{
    bool any;

    do {
        any = false;
        for (unsigned i = 0; i < task_count; i++) {
            if (tasks[i].alive) {
                any = true;
                current = &tasks[i];
                task_context_switch(&scheduler, &current->context);
                current = NULL;
            }
        }
    } while (any);
}
