/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands about guests as such: how they are, pause and resume, and waiting. */
#include "hv/lib/format.h"
#include "hv/monitor_call.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "mm/vm_memory.h"

int monitor_vms(struct monitor_call *call)
{
    struct vm *vm;

    for (unsigned i = 0; (vm = vm_list_at(i)) != NULL; i++) {
        char words[VM_END_WORDS];

        vm_end_words(vm->end, vm->end_status, words);
        monitor_say(call, "%s: %s%s, %llu KiB", vm->conf.name, words, vm->runs && vm->is_paused ? ", paused" : "",
                    (unsigned long long)vm->conf.memory >> 10);
    }
    return 0;
}

int monitor_stats(struct monitor_call *call)
{
    struct vm_memory_stats stats = vm_memory_get_stats(call->vm->memory);
    const char *name = call->vm->conf.name;

    monitor_say(call, "%s: %llu exits, %llu faults: %llu installed, %llu lockless, %llu retried, %llu spurious", name,
                (unsigned long long)vm_exits(call->vm), (unsigned long long)stats.faults,
                (unsigned long long)stats.faults_installed, (unsigned long long)stats.faults_lockless,
                (unsigned long long)stats.faults_retried, (unsigned long long)stats.faults_spurious);
    monitor_say(call, "%s: pages of 4K %llu, 2M %llu, 1G %llu, in %llu tables; %llu flushes", name,
                (unsigned long long)stats.mapped[LEVEL_4K], (unsigned long long)stats.mapped[LEVEL_2M],
                (unsigned long long)stats.mapped[LEVEL_1G], (unsigned long long)stats.tables,
                (unsigned long long)stats.flushes);
    monitor_say(call, "%s: %llu splits (%llu for execution), %llu collapses, %llu dirty pages", name,
                (unsigned long long)stats.splits, (unsigned long long)stats.splits_for_execution,
                (unsigned long long)stats.collapses, (unsigned long long)stats.dirty);
    call->context->number = stats.faults;
    return 0;
}

int monitor_vcpus(struct monitor_call *call)
{
    static const char *const activities[] = {
        [VCPU_ACTIVE] = "active",
        [VCPU_HALTED] = "halted",
        [VCPU_WAITS_FOR_SIPI] = "waits for SIPI",
    };
    const struct vm *vm = call->vm;

    for (unsigned i = 0; i < vm->processor_count; i++) {
        const struct vcpu *vcpu = &vm->processors[i]->vcpu;

        monitor_say(call, "%s: vCPU %u on processor %u: %s%s, RIP %#llx, %llu exits", vm->conf.name, i, vcpu->processor,
                    activities[vcpu->activity], vm->processors[i]->is_out ? "" : ", held",
                    (unsigned long long)vcpu->exit_rip, (unsigned long long)vcpu_exits(vcpu));
    }
    call->context->number = vm->processor_count;
    return 0;
}

int monitor_slots(struct monitor_call *call)
{
    struct vm_slot slots[VM_SLOTS];
    unsigned count = vm_slots(call->vm->conf.memory, slots);

    for (unsigned i = 0; i < count; i++)
        monitor_say(call, "%s: slot %u: pages %#llx to %#llx%s", call->vm->conf.name, (unsigned)slots[i].id,
                    (unsigned long long)slots[i].base.v, (unsigned long long)(slots[i].base.v + slots[i].npages - 1),
                    call->vm->reported[i] != NULL ? ", logged" : "");
    call->context->number = count;
    return 0;
}

int monitor_pause(struct monitor_call *call)
{
    if (call->vm->is_paused)
        return monitor_fail(call, -EALREADY, "it is paused");
    call->vm->is_paused = true;
    vm_hold(call->vm);
    return 0;
}

int monitor_resume(struct monitor_call *call)
{
    if (!call->vm->is_paused)
        return monitor_fail(call, -EALREADY, "it is not paused");
    call->vm->is_paused = false;
    vm_release(call->vm);
    return 0;
}

int monitor_wait(struct monitor_call *call)
{
    u64 start = vm_now_ns(), passed = 0, ns;
    int error = monitor_time(call, 0, &ns);

    while (!error && passed < ns) {
        if (!vm_list_any_runs())
            return monitor_fail(call, -ESRCH, "no guest runs any more");
        error = monitor_wait_step(call, ns - passed);
        passed = vm_now_ns() - start;
    }
    return error;
}

int monitor_expect(struct monitor_call *call)
{
    struct vm *vm = call->vm;
    u64 start = vm_now_ns(), ns = ~0ull;
    int error = call->count == 2 ? monitor_time(call, 1, &ns) : 0;

    while (!error) {
        /* Whether it has ended is asked first: then nothing comes after the lines that are looked at. */
        bool runs = __atomic_load_n(&vm->runs, __ATOMIC_ACQUIRE), found;

        spin_lock(&vm->devices_lock);
        found = console_lines_find(&vm->lines, call->arguments[0]);
        spin_unlock(&vm->devices_lock);
        if (found)
            return 0;
        if (!runs)
            error = monitor_fail(call, -ESRCH, "the guest ended without such a line");
        else if (vm_now_ns() - start >= ns)
            error = monitor_fail(call, -ETIMEDOUT, "no such line in time");
        else
            error = monitor_wait_step(call, ~0ull);
    }
    return error;
}
