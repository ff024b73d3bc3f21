/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of mm/dirty_log.h and mm/recover.h, each announced to the reference, done, and settled. */
#include "mm/dirty_ring.h"
#include "mm/recover.h"
#include "tests/hardware/random.h"
#include "tests/unit/mm_support.h"

static bool start(struct ref_vm *vm, unsigned id, enum dirty_user number)
{
    struct ref_user *user = &vm->logs[id].users[number];
    u32 flags = (u32)machine_below(8);

    if (vm->changing || vm->rival || vm->starting != NULL)
        return false;
    vm->starting = user;
    int error = vm_memory_start_log(vm->vm, id, number, flags);
    vm->started = ref_now();
    vm->starting = NULL;
    if ((error == -ENOENT) != (vm->slots[id].backing == NULL) || (error == -EEXIST) != user->active)
        machine_fail("slot %u: start of the log: %d", id, error);
    if (!random_expect("start log", error, -EEXIST, -ENOENT))
        return false;
    memset(user, 0, sizeof(*user));
    user->active = true;
    user->since = ref_now();
    user->manual = flags & DIRTY_MANUAL;
    if (flags & DIRTY_ALL_AT_FIRST)
        ref_log_owe_all(vm, id, number);
    return true;
}

static bool stop_log(struct ref_vm *vm, unsigned id, enum dirty_user number)
{
    struct ref_user *user = &vm->logs[id].users[number];
    bool was_active = user->active;

    if (vm->changing || vm->rival || vm->starting != NULL)
        return false;
    vm->starting = user;
    user->active = false;
    int error = vm_memory_stop_log(vm->vm, id, number);
    vm->started = ref_now();
    vm->starting = NULL;
    if ((error == -ENOENT) == was_active)
        machine_fail("slot %u: stop of the log: %d", id, error);
    user->active = was_active && error != 0;
    return random_expect("stop log", error, -ENOENT, 0);
}

static bool harvest(struct ref_vm *vm, unsigned id, enum dirty_user number, u64 first, u64 npages)
{
    struct ref_user *user = &vm->logs[id].users[number];
    bool was_active = user->active;
    u64 begin = ref_now();
    struct page_set *report;

    if (vm->changing || vm->starting == user || page_set_create(0, REF_SPACE, false, &report) != 0)
        return false;
    vm->slots_held++;
    int error = vm_memory_harvest(vm->vm, id, number, (gfn_t){ first }, npages, report);
    if (vm->starting == NULL && vm->started < begin && (error == 0) != was_active)
        machine_fail("slot %u: harvest for user %u: %d", id, number, error);
    if (error == 0 && !user->manual)
        ref_log_settle(vm, id, number, report);
    /* What is rearmed may have been written once more since the report: that is to be read after this. */
    if (error == 0 && user->manual && machine_below(2) == 0) {
        machine_yield();
        if (vm_memory_rearm(vm->vm, id, number, report) == 0)
            ref_log_settle(vm, id, number, report);
    }
    vm->slots_held--;
    page_set_destroy(report);
    world.harvests++;
    return random_expect("harvest", error, -ENOENT, 0);
}

/* For all slots, also those where nobody is this user. */
static bool reap(struct ref_vm *vm, enum dirty_user user)
{
    struct page_set *report;

    if (vm->changing || vm->starting != NULL || vm->reaping || page_set_create(0, REF_SPACE, false, &report) != 0)
        return false;
    vm->reaping = true;
    vm->slots_held++;
    u64 taken = vm_memory_reap(vm->vm, user, 1 + machine_below(1000), report);
    for (unsigned id = 0; id < REF_SLOTS; id++) {
        if (vm->slots[id].backing != NULL)
            ref_log_settle(vm, id, user, report);
    }
    vm->slots_held--;
    vm->reaping = false;
    page_set_destroy(report);
    return taken != 0;
}

static bool recover(struct ref_vm *vm, u64 first, u64 npages)
{
    struct recover_result result;
    enum recover_how how = (enum recover_how)machine_below(3);
    bool everything = machine_below(2) == 0;

    /* What is wholly mapped comes back. */
    if (everything)
        random_expect("populate", vm_memory_populate(vm->vm, (gfn_t){ 0 }, REF_SPACE), -EIO, 0);
    int error = vm_memory_recover(vm->vm, (gfn_t){ everything ? 0 : first }, everything ? REF_SPACE : npages, how,
                                  machine_below(3), &result);

    world.collapses += result.collapsed;
    if (mm_caps()->nx_large)
        vm_memory_recover_executed(vm->vm, machine_below(4));
    return random_expect("recover", error, 0, 0);
}

static bool operation(struct ref_vm *vm, u64 first, u64 npages)
{
    unsigned id = (unsigned)machine_below(REF_SLOTS);
    enum dirty_user user = (enum dirty_user)machine_below(DIRTY_USERS);

    switch (machine_below(18)) {
    case 0:
    case 1:
    case 2:
        return start(vm, id, user);
    case 3:
    case 4:
        return stop_log(vm, id, user);
    case 5:
    case 6:
        return reap(vm, user);
    case 7:
    case 8:
    case 9:
        return recover(vm, first, npages);
    case 10:
        return harvest(vm, id, user, first, npages);
    default:
        return harvest(vm, id, user, 0, REF_SPACE);
    }
}

bool random_log_operation(struct ref_vm *vm, u64 first, u64 npages)
{
    /* Armed so that D says what is written, and large, pages can be written that were write-protected. */
    ref_mapping_begin(vm, 0, REF_SPACE);
    bool result = operation(vm, first, npages);
    ref_mapping_end(vm, 0, REF_SPACE);
    return result;
}
