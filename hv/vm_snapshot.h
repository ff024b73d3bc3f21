/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest as it was at one moment, by a name: memory (mm/snapshot.h), processors, devices. What it has printed stays printed,
 * and the time goes on.
 *
 * Called by who holds the VM (vm_hold). Yields.
 */
#ifndef HV_VM_SNAPSHOT_H
#define HV_VM_SNAPSHOT_H

#include "mm/snapshot.h"

struct vcpu;
struct vm;

enum { SNAPSHOT_TAG_SIZE = 24, SNAPSHOTS_MOST = 16 };

/*
 * `speaker`: the vCPU from whose hypercall it is, which goes on with RCX = the number of resets after each of them; or NULL.
 * 0, -EINVAL (the tag is empty or too long), -EEXIST, -ENOSPC, -ENOMEM, -EBUSY (somebody changes the slots).
 */
int vm_snapshot_take(struct vm *vm, const char *tag, struct vcpu *speaker);

/*
 * Everything is as it was at `tag`. Other snapshots stay. 0; -ENOENT and -ESTALE: nothing has changed. Where it fails in
 * the middle the guest is ended.
 */
int vm_snapshot_reset(struct vm *vm, const char *tag, struct snapshot_result *result);

/* 0, -ENOENT. */
int vm_snapshot_drop(struct vm *vm, const char *tag);
void vm_snapshot_drop_all(struct vm *vm);

#endif
