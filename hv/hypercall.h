/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of the monitor that a guest gives about itself: VMCALL with RAX = HYPERCALL_MAGIC and RBX = the guest-physical
 * address of the command's text, without the guest's name, ended by a NUL. Only where slat.conf says `hypercalls = yes`.
 *
 * Afterwards RAX is 0 or -E…, and RCX what the command counted: pages that are dirty, tables that became large pages. After
 * `snapshot` both are 0. After `reset` the guest goes on behind the VMCALL that took the snapshot, with the state that it
 * had there, but for RCX: the number of resets to this snapshot so far.
 *
 * RAX = HYPERCALL_PRESENT asks whether commands are taken: RAX is 0 afterwards, and nothing else has changed. Where they are
 * not it is #UD, like every VMCALL.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "arch/x86/vcpu.h"

enum { HYPERCALL_MAGIC = 0x736c6174, HYPERCALL_PRESENT = HYPERCALL_MAGIC + 1 };

enum hypercall_result vm_hypercall(struct vcpu *vcpu);

/* HYPERCALL_PRESENT alone. False: nothing was done. */
bool vm_hypercall_quickly(struct vcpu *vcpu);

#endif
