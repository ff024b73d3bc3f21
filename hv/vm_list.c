/* SPDX-License-Identifier: BSD-2-Clause */
/* See vm_list.h. Tasks are cooperative and of one processor: what is read and written without a yield between is one step. */
#include "hv/vm_list.h"

#include "hv/lib/string.h"
#include "hv/task.h"
#include "hv/vm.h"

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
        if (vms[i]->runs)
            return true;
    }
    return false;
}

bool vm_use(struct vm *vm)
{
    if (!vm->runs)
        return false;
    vm->users++;
    return true;
}

void vm_unuse(struct vm *vm)
{
    assert(vm->users > 0);
    vm->users--;
}

void vm_wait_unused(struct vm *vm)
{
    assert(!vm->runs);
    while (vm->users > 0)
        task_yield();
}

void vm_hold(struct vm *vm)
{
    vm->holds++;
    while (vm->in_slice)
        task_yield();
}

void vm_release(struct vm *vm)
{
    assert(vm->holds > 0);
    vm->holds--;
}
