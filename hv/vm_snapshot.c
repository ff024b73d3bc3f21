/* SPDX-License-Identifier: BSD-2-Clause */
/* See vm_snapshot.h. */
#include "hv/vm_snapshot.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vcpu_state.h"
#include "hv/lib/string.h"
#include "hv/vm_internal.h"
#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/port.h"

struct vm_snapshot {
    struct vm_snapshot *next; /* an older one */
    char tag[SNAPSHOT_TAG_SIZE];
    struct snapshot *memory;
    struct vcpu_state *processors[CONF_MAX_PROCESSORS];
    struct lapic_state *apics; /* of as many */
    bool extint[CONF_MAX_PROCESSORS];
    struct platform platform;
    struct vcpu *speaker; /* of a guest that took it; NULL: an operator did */
    u64 resets;
};

static unsigned record_order(void)
{
    return frame_order(sizeof(struct vm_snapshot));
}

/* The link that leads to the snapshot; to NULL, if there is none. */
static struct vm_snapshot **find(struct vm *vm, const char *tag)
{
    struct vm_snapshot **link = &vm->snapshots;

    while (*link != NULL && strcmp((*link)->tag, tag) != 0)
        link = &(*link)->next;
    return link;
}

static unsigned count(const struct vm *vm)
{
    unsigned snapshots = 0;

    for (const struct vm_snapshot *snapshot = vm->snapshots; snapshot != NULL; snapshot = snapshot->next)
        snapshots++;
    return snapshots;
}

static unsigned apics_order(const struct vm *vm)
{
    return frame_order(vm->processor_count * sizeof(struct lapic_state));
}

static void destroy(const struct vm *vm, struct vm_snapshot *snapshot)
{
    if (snapshot->memory != NULL)
        snapshot_drop(snapshot->memory);
    for (unsigned i = 0; i < vm->processor_count; i++) {
        if (snapshot->processors[i] != NULL)
            vcpu_state_destroy(snapshot->processors[i]);
    }
    if (snapshot->apics != NULL)
        frame_free(port_frame_of(snapshot->apics), apics_order(vm), FRAME_CONTROL);
    frame_free(port_frame_of(snapshot), record_order(), FRAME_CONTROL);
}

/* Room for the state of all processors. 0, -ENOMEM; the caller destroys what was made. */
static int create_states(const struct vm *vm, struct vm_snapshot *snapshot)
{
    pfn_t frame;
    int error = frame_alloc(apics_order(vm), FRAME_CONTROL, &frame);

    if (error)
        return error;
    snapshot->apics = port_frame_address(frame);
    for (unsigned i = 0; i < vm->processor_count && !error; i++)
        error = vcpu_state_create(&snapshot->processors[i]);
    return error;
}

/* What comes to the serial port comes also to a guest that is held: either all of its interrupt is saved, or nothing. */
static void save(struct vm *vm, struct vm_snapshot *snapshot)
{
    for (unsigned i = 0; i < vm->processor_count; i++)
        vcpu_save(&vm->processors[i]->vcpu, snapshot->processors[i]);
    spin_lock(&vm->devices_lock);
    for (unsigned i = 0; i < vm->processor_count; i++) {
        lapic_save(&vm->processors[i]->lapic, &snapshot->apics[i]);
        snapshot->extint[i] = vm->processors[i]->extint;
    }
    snapshot->platform = vm->platform;
    spin_unlock(&vm->devices_lock);
}

int vm_snapshot_take(struct vm *vm, const char *tag, struct vcpu *speaker)
{
    size_t length = strlen(tag);
    struct vm_snapshot *snapshot;
    pfn_t frame;
    int error;

    if (length == 0 || length >= SNAPSHOT_TAG_SIZE)
        return -EINVAL;
    if (*find(vm, tag) != NULL)
        return -EEXIST;
    if (count(vm) == SNAPSHOTS_MOST)
        return -ENOSPC;
    error = frame_alloc(record_order(), FRAME_CONTROL, &frame);
    if (error)
        return error;
    snapshot = port_frame_address(frame);
    memset(snapshot, 0, sizeof(*snapshot));
    memcpy(snapshot->tag, tag, length);
    snapshot->speaker = speaker;
    error = create_states(vm, snapshot);
    if (error) {
        destroy(vm, snapshot);
        return error;
    }
    save(vm, snapshot);
    error = snapshot_take(vm->memory, &snapshot->memory);
    if (error) {
        snapshot->memory = NULL;
        destroy(vm, snapshot);
        return error;
    }
    snapshot->next = vm->snapshots;
    vm->snapshots = snapshot;
    return 0;
}

static void restore(struct vm *vm, struct vm_snapshot *snapshot)
{
    for (unsigned i = 0; i < vm->processor_count; i++)
        vcpu_restore(&vm->processors[i]->vcpu, snapshot->processors[i]);
    spin_lock(&vm->devices_lock); /* input may come */
    /* The bus of the platform holds no state of devices, only what is told about the guest at its end: that stays. */
    snapshot->platform.bus = vm->platform.bus;
    vm->platform = snapshot->platform;
    atomic_write(&vm->pic_interrupt, vm->platform.intr_high);
    vm->devices_next = 0; /* its clocks are looked at before the first processor goes on */
    for (unsigned i = 0; i < vm->processor_count; i++) {
        lapic_restore(&vm->processors[i]->lapic, &snapshot->apics[i], rdtsc());
        vm->processors[i]->extint = snapshot->extint[i];
    }
    spin_unlock(&vm->devices_lock);
}

int vm_snapshot_reset(struct vm *vm, const char *tag, struct snapshot_result *result)
{
    struct vm_snapshot *snapshot = *find(vm, tag);
    int error = snapshot == NULL ? -ENOENT : snapshot_reset(snapshot->memory, result);

    if (error == -ENOENT || error == -ESTALE)
        return error;
    if (error) {
        vm_end(vm, error == -ENOMEM ? GUEST_END_NO_MEMORY : GUEST_END_UNSUPPORTED, 0,
               error == -ENOMEM ? "the machine has no frame left to reset it to a snapshot"
                                : "a frame of the snapshot went bad");
        return error;
    }
    restore(vm, snapshot);
    snapshot->resets++;
    if (snapshot->speaker != NULL)
        snapshot->speaker->gpr[RCX] = snapshot->resets;
    return 0;
}

int vm_snapshot_drop(struct vm *vm, const char *tag)
{
    struct vm_snapshot **link = find(vm, tag), *snapshot = *link;

    if (snapshot == NULL)
        return -ENOENT;
    *link = snapshot->next;
    destroy(vm, snapshot);
    return 0;
}

void vm_snapshot_drop_all(struct vm *vm)
{
    snapshot_drop_all(vm->memory);
    while (vm->snapshots != NULL) {
        struct vm_snapshot *snapshot = vm->snapshots;

        vm->snapshots = snapshot->next;
        snapshot->memory = NULL;
        destroy(vm, snapshot);
    }
}
