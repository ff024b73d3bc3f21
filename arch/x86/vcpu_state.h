/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a vCPU at one moment, to go back to: all that its guest can see of its processor, but for the time, which goes
 * on. What belongs to this processor stays as it is: controls, EPT root, counts.
 */
#ifndef ARCH_X86_VCPU_STATE_H
#define ARCH_X86_VCPU_STATE_H

#include "arch/x86/vcpu.h"

struct vcpu_state;

/* 0, -ENOMEM. It takes two frames, FRAME_CONTROL. */
int vcpu_state_create(struct vcpu_state **state);
void vcpu_state_destroy(struct vcpu_state *state);

/*
 * Of a vCPU whose task is not in vcpu_run(); or in its own hypercall handler, which then calls vcpu_skip_instruction() first if
 * what is saved is to go on behind the hypercall, and returns HYPERCALL_STAY. It may never have been entered. Another vCPU may
 * be current, and is so afterwards.
 */
void vcpu_save(struct vcpu *vcpu, struct vcpu_state *state);

/* The same vCPU, or another one that was created on this processor, is as it was when `state` was saved. */
void vcpu_restore(struct vcpu *vcpu, const struct vcpu_state *state);

#endif
