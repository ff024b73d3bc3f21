/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks: cooperative threads of the hypervisor, each with its own stack and bound to a processor. A processor runs those of its
 * tasks that are ready in turn; one runs until it yields, sleeps or ends. A processor without a ready task halts, until an
 * interrupt or the first sleeper's time comes.
 */
#ifndef HV_TASK_H
#define HV_TASK_H

#include "mm/types.h"

#include "hv/run_queue.h"

enum { TASK_MAX = 200, TASK_STACK_PAGES = 4 };

#define TASK_NO_DEADLINE RUN_NO_DEADLINE

struct task;

/*
 * A task of that processor, that runs run(argument) and ends when that returns. 0, -ENOMEM, -ENOSPC. `name` is for reports.
 * Before task_run_all(), on processor 0.
 */
int task_create(const char *name, void (*run)(void *argument), void *argument, unsigned processor, struct task **task);

/* The caller; NULL outside any task. */
struct task *task_self(void);

/* Lets the other tasks of this processor run. Outside any task: does nothing. */
void task_yield(void);

/* Lets a sleeper run whose time has come, and goes on with its turn then. */
void task_make_room(void);

/*
 * Lets the others run until the TSC has reached `tsc` (TASK_NO_DEADLINE: never), or somebody calls task_wake(). A wake that comes
 * before the sleep is not lost: the next sleep returns at once. It may return early: look at what you wait for.
 */
void task_sleep_until(u64 tsc);

/*
 * From any processor, also for a task that does not sleep. If the task's processor idles, or runs another task that this one
 * should interrupt, or the task itself, it is kicked: what the caller has stored before is found before a guest goes on there.
 */
void task_wake(struct task *task);

/*
 * For a task that runs a guest. True: a sleeper of this processor was woken and should run before the guest's slice is over.
 * To be tested before each stay in the guest; a wake that comes later kicks the processor. And the TSC by which the slice should
 * end, because a sleeper's time comes then, or that of one who was woken too early.
 */
bool task_should_yield(void);
u64 task_next_wake(void);

/* On processor 0, outside any task: runs tasks in turn until none is left on any processor. */
void task_run_all(void);

/* What the other processors do, from their start on. Does not return. */
void task_serve(void);

#endif
