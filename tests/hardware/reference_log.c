/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each user of a dirty log is owed: see tests/hardware/reference.h. A page that was written, and not reported since, is to
 * be reported some time (C10); when everything rests it is in the log, or in what is kept for that user.
 */
#include "mm/vm.h"
#include "tests/hardware/reference.h"

static unsigned id_of(const struct ref_vm *vm, const struct ref_slot *slot)
{
    return slot == &vm->before ? vm->changed : (unsigned)(slot - vm->slots);
}

void ref_log_write(struct ref_vm *vm, const struct ref_slot *slot, u64 gfn)
{
    struct ref_log *log = &vm->logs[id_of(vm, slot)];

    for (unsigned user = 0; user < DIRTY_USERS; user++) {
        if (!log->users[user].active)
            continue;
        log->users[user].owed[gfn - slot->base] = ref_now();
        reference->logged_writes += user == 0;
    }
}

void ref_log_written(struct ref_vm *vm, const struct ref_slot *slot, u64 gfn, u64 start)
{
    struct ref_log *log = &vm->logs[id_of(vm, slot)];

    for (unsigned i = 0; i < DIRTY_USERS; i++) {
        struct ref_user *user = &log->users[i];

        /* It may have been before the log; and who was told of the page meanwhile may have been told of this. */
        if (!user->active || user->since > start || user->reported[gfn - slot->base] > start)
            continue;
        user->owed[gfn - slot->base] = ref_now();
        reference->logged_writes += i == 0;
    }
}

void ref_log_changed(const struct ref_backing *backing, u64 page, u64 start)
{
    for (unsigned i = 0; i < REF_VMS * REF_SLOTS; i++) {
        struct ref_vm *vm = &reference->vms[i / REF_SLOTS];
        const struct ref_slot *slot = &vm->slots[i % REF_SLOTS];
        bool is_new = vm->changing && vm->changed == i % REF_SLOTS && vm->before.backing == NULL;

        if (slot->backing == backing && page >= slot->offset && page - slot->offset < slot->npages && !is_new &&
            !vm->closing)
            ref_log_written(vm, slot, slot->base + (page - slot->offset), start);
    }
}

void ref_log_settle(struct ref_vm *vm, unsigned id, enum dirty_user number, const struct page_set *pages)
{
    const struct ref_slot *slot = &vm->slots[id];
    struct ref_user *user = &vm->logs[id].users[number];

    for (u64 page = 0; page < slot->npages; page++) {
        if (!page_set_has(pages, slot->base + page))
            continue;
        user->owed[page] = 0;
        user->reported[page] = ref_now();
        reference->reports++;
    }
}

void ref_log_owe_all(struct ref_vm *vm, unsigned id, enum dirty_user user)
{
    for (u64 page = 0; page < vm->slots[id].npages; page++)
        vm->logs[id].users[user].owed[page] = ref_now();
}

static void check_user(const struct ref_vm *vm, unsigned id, enum dirty_user number)
{
    const struct ref_user *user = &vm->logs[id].users[number];
    const struct memslot *slot = memslots_find_id(memslots_active(&vm->vm->slots), id);

    if (!user->active)
        return;
    if (slot == NULL || memslot_log(slot) == NULL || !dirty_log_is_user(memslot_log(slot), number))
        machine_fail("slot %u: user %u of its log is not known", id, number);
    for (u64 page = 0; page < slot->npages; page++) {
        u64 gfn = slot->base.v + page;

        if (user->owed[page] != 0 && !page_set_has(&memslot_log(slot)->written, gfn) &&
            !page_set_has(&memslot_log(slot)->held[number], gfn))
            machine_fail(
                "VM %d, slot %u, gfn %#llx: a write is lost to user %u (written at %llu, reported at %llu, now "
                "%llu)",
                (int)(vm - reference->vms), id, (unsigned long long)gfn, number, (unsigned long long)user->owed[page],
                (unsigned long long)user->reported[page], (unsigned long long)reference->clock);
    }
}

void ref_check_logs(void)
{
    for (unsigned i = 0; i < REF_VMS * REF_SLOTS; i++) {
        const struct ref_vm *vm = &reference->vms[i / REF_SLOTS];

        for (unsigned user = 0; vm->vm != NULL && !vm->closing && user < DIRTY_USERS; user++)
            check_user(vm, i % REF_SLOTS, (enum dirty_user)user);
    }
}
