/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots of one page through /dev/kvm, for comparison. */
#ifndef TESTS_BENCH_KVM_H
#define TESTS_BENCH_KVM_H

#include "mm/types.h"

/* Slots that a VM of this machine's KVM can have; 0: there is no /dev/kvm here that may be used. */
unsigned kvm_slots(void);

/* A VM, with a vCPU that does not run or without any. Not 0 slots: it does not fail. */
struct kvm_vm {
    int vm, vcpu;
    u8 *memory;
};
void kvm_vm_create(struct kvm_vm *vm, unsigned slots, bool vcpu);
void kvm_vm_destroy(struct kvm_vm *vm, unsigned slots);

/* KVM_SET_USER_MEMORY_REGION: creates, moves, or changes the flags of the slot, as KVM compares it with what it has. */
void kvm_set_slot(struct kvm_vm *vm, u32 id, u64 gfn, bool log_dirty);
void kvm_delete_slot(struct kvm_vm *vm, u32 id);

#endif
