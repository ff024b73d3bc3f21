/* SPDX-License-Identifier: BSD-2-Clause */
/* See background.h. */
#include "hv/background.h"

#include "arch/x86/cpu.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"
#include "mm/recover.h"

#define ROUND_NS    (100 * 1000 * 1000ull)
#define IN_VAIN_NS  (2000 * 1000 * 1000ull)
#define EXECUTED_NS (1000 * 1000 * 1000ull)

/* In a second: how often it looks whether something is to be done, or the last guest has ended. */
enum { LOOKS = 50 };

/* Regions of 2M that are copied in a round at most, where frames are scattered. */
enum { COPIES = 1 };

/* Of the tables that execution made, so many in a second at most: those that are executed still come again. */
enum { EXECUTED_PART = 60 };

static void recover(struct vm *vm)
{
    struct recover_result result;

    if (vm->keeps_small_pages || !vm_memory_wants_recovery(vm->memory) || vm_now_ns() < vm->recover_at)
        return;
    (void)vm_memory_recover(vm->memory, (gfn_t){ 0 }, ~0ull, RECOVER_COMPACT, COPIES, &result);
    /* As long as no large block is free, for example, it is in vain: it is not tried all the time. */
    if (result.collapsed == 0 && result.compacted == 0)
        vm->recover_at = vm_now_ns() + IN_VAIN_NS;
}

static void recover_executed(struct vm *vm)
{
    u64 splits = vm_memory_get_stats(vm->memory).splits_for_execution;

    if (splits != 0)
        (void)vm_memory_recover_executed(vm->memory, splits / EXECUTED_PART ? splits / EXECUTED_PART : 1);
}

static void for_each_guest(void (*work)(struct vm *vm))
{
    struct vm *vm;

    for (unsigned i = 0; (vm = vm_list_at(i)) != NULL; i++) {
        if (vm_use(vm)) {
            work(vm);
            vm_unuse(vm);
        }
    }
}

static void run(void *argument)
{
    u64 round = vm_now_ns(), executed = round;

    while (vm_list_any_runs()) {
        u64 now = vm_now_ns();

        if (now - round >= ROUND_NS) {
            for_each_guest(recover);
            round = now;
        }
        if (now - executed >= EXECUTED_NS) {
            for_each_guest(recover_executed);
            executed = now;
        }
        task_sleep_until(rdtsc() + vm_environment.tsc_hz / LOOKS);
    }
}

int background_start(void)
{
    struct task *task;

    return task_create("background", run, NULL, 0, &task);
}
