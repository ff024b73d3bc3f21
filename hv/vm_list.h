/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All virtual machines, and who works on one. A guest may end whenever others run; what it is made of stays as long as
 * somebody uses it.
 */
#ifndef HV_VM_LIST_H
#define HV_VM_LIST_H

#include "mm/types.h"

struct vm;

/* At most CONF_MAX_GUESTS; they stay in the list when they have ended. Before the first task runs. */
void vm_list_add(struct vm *vm);

/* The VM with this number, in the order of the configuration; NULL: there are fewer. */
struct vm *vm_list_at(unsigned number);

/* By the guest's name; NULL: there is none. */
struct vm *vm_list_find(const char *name);

/* Whether any guest runs. */
bool vm_list_any_runs(void);

/*
 * Between use and unuse the VM has its memory and its vCPU, also if the guest ends meanwhile. False: it has ended already.
 * Short: whoever waits for a guest's output or for a time does not use it meanwhile.
 */
bool vm_use(struct vm *vm);
void vm_unuse(struct vm *vm);

/* For a guest that has ended: returns when nobody uses it, and nobody will. Yields. */
void vm_wait_unused(struct vm *vm);

/*
 * Between hold and release all vCPUs of a VM that the caller uses are unloaded: their state is complete, and nobody else
 * changes it. Yields, for about as long as they need to come out of the guest. A task that runs a vCPU of the VM may call it in
 * the handler of a hypercall, one of them at a time: its own vCPU stays as it is.
 */
void vm_hold(struct vm *vm);
void vm_release(struct vm *vm);

#endif
