/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of several processors, for faults.t: a task on each of the others waits for what the guest on the first one asks
 * for (faulty_cpuid.c). Until then they write lines, so that the output's lock is nearly always somebody's.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/panic.h"
#include "arch/x86/processor.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "tests/system/faulty.h"

static u32 wanted; /* atomic: enum processor_fault */
static u32 ready;  /* atomic: who is about to panic */

void __real_task_run_all(void);
void __wrap_task_run_all(void);

/* All at the same moment, as well as they can. */
__attribute__((noinline)) static void panic_together(void)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) != processor_count())
        cpu_pause();
    panic("processor %u of several", this_processor()->number);
}

__attribute__((noinline)) static void panic_alone(void)
{
    panic("processor %u alone", this_processor()->number);
}

void faulty_processors_break(enum processor_fault how)
{
    __atomic_store_n(&wanted, how, __ATOMIC_SEQ_CST);
    if (how == FAULT_TOGETHER)
        panic_together();
}

static void wait_and_break(void *argument)
{
    for (;;) {
        u32 how = __atomic_load_n(&wanted, __ATOMIC_SEQ_CST);

        if (how == FAULT_TOGETHER)
            panic_together();
        if (how == FAULT_OTHER && this_processor()->number == 1)
            panic_alone();
        log_line("noise of processor %u, a line that is as long as it takes to be in the middle of it.",
                 this_processor()->number);
        task_yield();
    }
}

void __wrap_task_run_all(void)
{
    struct task *task;

    for (unsigned i = 1; i < processor_count(); i++)
        (void)task_create("noise", wait_and_break, NULL, i, &task);
    __real_task_run_all();
}
