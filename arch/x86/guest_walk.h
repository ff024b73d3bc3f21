/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own paging, walked by the hypervisor for instructions that it emulates with memory operands. */
#ifndef ARCH_X86_GUEST_WALK_H
#define ARCH_X86_GUEST_WALK_H

#include "arch/x86/vcpu.h"

/*
 * Copies `size` bytes (at most 8) between `data` and the guest's linear address, as the instruction would with the guest's
 * present privilege. 0; or -EFAULT, and then the guest has got its #PF, or has been ended because the address is outside
 * its memory, or is to try again because another of its processors changes the tables. The vCPU is current.
 */
int guest_linear_read(struct vcpu *vcpu, u64 linear, void *data, unsigned size);
int guest_linear_write(struct vcpu *vcpu, u64 linear, const void *data, unsigned size);

/* As guest_linear_read(), of at most 15 bytes, as the processor fetches an instruction: at RIP, which it has executed. */
int guest_linear_fetch(struct vcpu *vcpu, u64 linear, void *data, unsigned size);

/* As guest_linear_write(), but leaves the bytes as they are: a write would succeed. */
int guest_linear_probe_write(struct vcpu *vcpu, u64 linear, unsigned size);

/*
 * Where the address leads, for a debugger: whatever its rights, and the guest does not notice. 0; -EFAULT: nowhere.
 */
int guest_linear_look(struct vcpu *vcpu, u64 linear, gpa_t *gpa);

#endif
