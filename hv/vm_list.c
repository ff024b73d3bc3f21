/* SPDX-License-Identifier: BSD-2-Clause */
/* See vm_list.h. */
#include "hv/vm_list.h"

#include "arch/x86/processor.h"
#include "hv/lib/string.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "mm/atomic.h"
#include "mm/port.h"

static struct vm *vms[CONF_MAX_GUESTS];
static unsigned vm_count;

void vm_list_add(struct vm *vm)
{
    assert(vm_count < CONF_MAX_GUESTS);
    vms[vm_count++] = vm;
}

struct vm *vm_list_at(unsigned number)
{
    return number < vm_count ? vms[number] : NULL;
}

struct vm *vm_list_find(const char *name)
{
    for (unsigned i = 0; i < vm_count; i++) {
        if (strcmp(vms[i]->conf.name, name) == 0)
            return vms[i];
    }
    return NULL;
}

bool vm_list_any_runs(void)
{
    for (unsigned i = 0; i < vm_count; i++) {
        if (vm_runs(vms[i]))
            return true;
    }
    return false;
}

bool vm_use(struct vm *vm)
{
    bool runs;

    spin_lock(&vm->lock);
    runs = vm_runs(vm);
    vm->users += runs;
    spin_unlock(&vm->lock);
    return runs;
}

void vm_unuse(struct vm *vm)
{
    spin_lock(&vm->lock);
    assert(vm->users > 0);
    vm->users--;
    spin_unlock(&vm->lock);
}

void vm_wait_unused(struct vm *vm)
{
    bool used;

    assert(!vm_runs(vm));
    /* vm_runs() is false: nobody comes any more. */
    for (;;) {
        spin_lock(&vm->lock);
        used = vm->users > 0;
        spin_unlock(&vm->lock);
        if (!used)
            return;
        task_yield();
    }
}

/* The task that calls is in an exit handler of its own vCPU, whose state is complete there. */
static bool is_caller(const struct vm_processor *processor)
{
    return this_processor()->running == &processor->vcpu;
}

void vm_hold(struct vm *vm)
{
    (void)atomic_add(&vm->holds, 1);
    for (unsigned i = 0; i < vm->processor_count; i++) {
        if (!is_caller(vm->processors[i]))
            vm_processor_notify(vm->processors[i], REQUEST_LEAVE);
    }
    for (unsigned i = 0; i < vm->processor_count; i++) {
        while (!is_caller(vm->processors[i]) && atomic_read(&vm->processors[i]->is_out))
            port_yield();
    }
}

void vm_release(struct vm *vm)
{
    u32 before = atomic_add(&vm->holds, (u32)-1);

    assert(before > 0);
    for (unsigned i = 0; before == 1 && i < vm->processor_count; i++)
        vm_processor_notify(vm->processors[i], REQUEST_LEAVE);
}
