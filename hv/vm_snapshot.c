/* SPDX-License-Identifier: BSD-2-Clause */
/* See vm_snapshot.h. */
#include "hv/vm_snapshot.h"

#include "arch/x86/vcpu_state.h"
#include "hv/lib/string.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/port.h"

struct vm_snapshot {
    struct vm_snapshot *next; /* an older one */
    char tag[SNAPSHOT_TAG_SIZE];
    struct snapshot *memory;
    struct vcpu_state *processor;
    struct platform platform;
    bool by_guest;
    u64 resets;
};

static unsigned record_order(void)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < sizeof(struct vm_snapshot))
        order++;
    return order;
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

static void destroy(struct vm_snapshot *snapshot)
{
    if (snapshot->memory != NULL)
        snapshot_drop(snapshot->memory);
    vcpu_state_destroy(snapshot->processor);
    frame_free(port_frame_of(snapshot), record_order(), FRAME_CONTROL);
}

int vm_snapshot_take(struct vm *vm, const char *tag, bool by_guest)
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
    snapshot->by_guest = by_guest;
    snapshot->platform = vm->platform;
    error = vcpu_state_create(&snapshot->processor);
    if (error) {
        frame_free(frame, record_order(), FRAME_CONTROL);
        return error;
    }
    vcpu_save(&vm->vcpu, snapshot->processor);
    error = snapshot_take(vm->memory, &snapshot->memory);
    if (error) {
        snapshot->memory = NULL;
        destroy(snapshot);
        return error;
    }
    snapshot->next = vm->snapshots;
    vm->snapshots = snapshot;
    return 0;
}

/* The bus of the platform holds no state of devices, only what is told about the guest at its end. */
static void restore_platform(struct vm *vm, const struct vm_snapshot *snapshot)
{
    struct port_bus bus = vm->platform.bus;

    vm->platform = snapshot->platform;
    vm->platform.bus = bus;
}

int vm_snapshot_reset(struct vm *vm, const char *tag, struct snapshot_result *result)
{
    struct vm_snapshot *snapshot = *find(vm, tag);
    int error = snapshot == NULL ? -ENOENT : snapshot_reset(snapshot->memory, result);

    if (error == -ENOENT || error == -ESTALE)
        return error;
    if (error) {
        vcpu_end(&vm->vcpu, error == -ENOMEM ? GUEST_END_NO_MEMORY : GUEST_END_UNSUPPORTED, 0,
                 error == -ENOMEM ? "the machine has no frame left to reset it to \"%s\""
                                  : "a frame of the snapshot \"%s\" went bad",
                 tag);
        return error;
    }
    vcpu_restore(&vm->vcpu, snapshot->processor);
    restore_platform(vm, snapshot);
    snapshot->resets++;
    if (snapshot->by_guest)
        vm->vcpu.gpr[RCX] = snapshot->resets;
    return 0;
}

int vm_snapshot_drop(struct vm *vm, const char *tag)
{
    struct vm_snapshot **link = find(vm, tag), *snapshot = *link;

    if (snapshot == NULL)
        return -ENOENT;
    *link = snapshot->next;
    destroy(snapshot);
    return 0;
}

void vm_snapshot_drop_all(struct vm *vm)
{
    snapshot_drop_all(vm->memory);
    while (vm->snapshots != NULL) {
        struct vm_snapshot *snapshot = vm->snapshots;

        vm->snapshots = snapshot->next;
        snapshot->memory = NULL;
        destroy(snapshot);
    }
}
