/* SPDX-License-Identifier: BSD-2-Clause */
/* See task.h: the stacks of tasks, and each processor's loop over its queue (hv/run_queue.h). */
#include "hv/task.h"

#include "arch/x86/cpu.h"
#include "arch/x86/irq.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"
#include "arch/x86/processor_start.h"
#include "arch/x86/task_switch.h"
#include "mm/list.h"

struct task {
    struct run_entry entry;
    struct task_context context;
    void (*run)(void *argument);
    void *argument;
    unsigned processor;
    bool ended;
};

/* What a processor schedules with. A line of the cache each, since its owner writes it all the time. */
struct scheduler {
    _Alignas(64) struct run_queue queue;
    struct task_context context;
    struct task *current; /* NULL: the scheduler runs */

    /* atomic: */
    bool idles; /* it halts, or will without looking again */
};

static struct task tasks[TASK_MAX];
static unsigned task_count;
static struct scheduler schedulers[PROCESSOR_MAX];

/* atomic: */
static unsigned living;
static bool started;

static struct scheduler *own_scheduler(void)
{
    return &schedulers[this_processor()->number];
}

static void task_main(void *argument)
{
    struct task *task = argument;

    task->run(task->argument);
    task->ended = true;
    task_context_switch(&task->context, &own_scheduler()->context);
}

int task_create(const char *name, void (*run)(void *argument), void *argument, unsigned processor,
                struct task **created)
{
    if (task_count == TASK_MAX)
        return -ENOSPC;
    void *stack = vmap_stack(TASK_STACK_PAGES, name);
    if (!stack)
        return -ENOMEM;
    assert(processor < processor_count() && !started);
    struct task *task = &tasks[task_count++];
    *task = (struct task){ .run = run, .argument = argument, .processor = processor };
    task_context_init(&task->context, stack, task_main, task);
    run_add(&schedulers[processor].queue, &task->entry);
    living++;
    *created = task;
    return 0;
}

struct task *task_self(void)
{
    return own_scheduler()->current;
}

static void to_scheduler(struct scheduler *scheduler)
{
    task_context_switch(&scheduler->current->context, &scheduler->context);
}

void task_yield(void)
{
    struct scheduler *scheduler = own_scheduler();

    if (scheduler->current)
        to_scheduler(scheduler);
}

void task_make_room(void)
{
    run_make_room(&own_scheduler()->queue);
    task_yield();
}

void task_sleep_until(u64 tsc)
{
    struct scheduler *scheduler = own_scheduler();

    run_sleep(&scheduler->queue, tsc);
    to_scheduler(scheduler);
}

/*
 * A processor looks at its queue, `started` and `living` before it halts, and at its guest's requests before it enters. What it
 * runs looks at the queue once more when it has begun (task_should_yield()): so who sees nobody run is seen by who runs then,
 * and a kick that comes before the guest ends the stay in it at once.
 */
static void kick_if_absent(unsigned number)
{
    struct scheduler *scheduler = &schedulers[number];

    if (processor_at(number) != this_processor() && (__atomic_load_n(&scheduler->idles, __ATOMIC_SEQ_CST) ||
                                                     __atomic_load_n(&scheduler->queue.running, __ATOMIC_SEQ_CST)))
        processor_kick(number);
}

void task_wake(struct task *task)
{
    if (run_wake(&schedulers[task->processor].queue, &task->entry))
        kick_if_absent(task->processor);
}

bool task_should_yield(void)
{
    struct run_queue *queue = &own_scheduler()->queue;

    return __atomic_load_n(&queue->woken, __ATOMIC_SEQ_CST) && run_should_stop(queue, rdtsc());
}

u64 task_next_wake(void)
{
    return run_next_wake(&own_scheduler()->queue);
}

static void run_task(struct scheduler *scheduler, struct task *task)
{
    scheduler->current = task;
    task_context_switch(&scheduler->context, &task->context);
    scheduler->current = NULL;
    run_stop(&scheduler->queue, rdtsc());
    if (!task->ended)
        return;
    run_remove(&scheduler->queue, &task->entry);
    if (__atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST) == 0)
        kick_if_absent(0);
}

/* One turn of a task, or idling until there may be one. */
static void schedule(struct scheduler *scheduler)
{
    bool runs = __atomic_load_n(&started, __ATOMIC_ACQUIRE);
    struct run_entry *entry = runs ? run_pick(&scheduler->queue, rdtsc()) : NULL;

    if (!entry) {
        /* Who stores something for this processor looks at `idles` afterwards: one of the two sees the other. */
        __atomic_store_n(&scheduler->idles, true, __ATOMIC_SEQ_CST);
        runs = __atomic_load_n(&started, __ATOMIC_SEQ_CST);
        entry = runs ? run_pick(&scheduler->queue, rdtsc()) : NULL;
        bool over = this_processor()->number == 0 && __atomic_load_n(&living, __ATOMIC_SEQ_CST) == 0;
        if (!entry && !over)
            processor_halt_until(runs ? scheduler->queue.next_wake : TASK_NO_DEADLINE);
        __atomic_store_n(&scheduler->idles, false, __ATOMIC_SEQ_CST);
    }
    if (entry)
        run_task(scheduler, container_of(entry, struct task, entry));
}

void task_run_all(void)
{
    __atomic_store_n(&started, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 1; i < processor_count(); i++)
        kick_if_absent(i);
    while (__atomic_load_n(&living, __ATOMIC_SEQ_CST))
        schedule(own_scheduler());
}

void task_serve(void)
{
    for (;;)
        schedule(own_scheduler());
}
