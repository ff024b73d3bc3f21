/* SPDX-License-Identifier: BSD-2-Clause */
/* Round robin over the tasks of this processor: see task.h. */
#include "hv/task.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/task_switch.h"

struct task {
    struct task_context context;
    void (*run)(void *argument);
    void *argument;
    bool alive;
    u64 wake_at; /* TSC; 0: it is ready */
    u32 woken;   /* atomic */
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

int task_create(const char *name, void (*run)(void *argument), void *argument, unsigned processor,
                struct task **created)
{
    if (task_count == TASK_MAX)
        return -ENOSPC;
    void *stack = vmap_stack(TASK_STACK_PAGES, name);
    if (!stack)
        return -ENOMEM;
    struct task *task = &tasks[task_count++];
    *task = (struct task){ .run = run, .argument = argument, .alive = true };
    task_context_init(&task->context, stack, task_main, task);
    *created = task;
    return 0;
}

struct task *task_self(void)
{
    return current;
}

void task_yield(void)
{
    if (current)
        task_context_switch(&current->context, &scheduler);
}

void task_sleep_until(u64 tsc)
{
    current->wake_at = tsc;
    task_context_switch(&current->context, &scheduler);
    current->wake_at = 0;
}

void task_wake(struct task *task)
{
    __atomic_store_n(&task->woken, 1, __ATOMIC_RELEASE);
}

static bool is_ready(struct task *task)
{
    return __atomic_exchange_n(&task->woken, 0, __ATOMIC_ACQUIRE) || rdtsc() >= task->wake_at;
}

void task_run_all(void)
{
    bool any;

    do {
        any = false;
        for (unsigned i = 0; i < task_count; i++) {
            if (tasks[i].alive) {
                any = true;
                if (!is_ready(&tasks[i]))
                    continue;
                current = &tasks[i];
                task_context_switch(&scheduler, &current->context);
                current = NULL;
            }
        }
    } while (any);
}
