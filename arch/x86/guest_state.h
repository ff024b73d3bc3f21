/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest-state area: what a vCPU starts with, and the registers whose VMCS fields hang together. */
#ifndef ARCH_X86_GUEST_STATE_H
#define ARCH_X86_GUEST_STATE_H

#include "arch/x86/guest_start.h"
#include "mm/types.h"

/* All of these work on the current VMCS. */

/* The state after INIT: SDM vol. 3, table 10-1. */
void guest_state_reset(void);

/* The state that a loader decided. The general registers are the caller's. */
void guest_state_start(const struct guest_start *start);

/* Sets what the guest means, and beside it what the processor needs. Checked by the caller. */
void guest_set_cr0(u64 value);
void guest_set_cr4(u64 value);
void guest_set_efer(u64 value);

/* 64-bit code: not real, protected or compatibility mode, where CS.L can be set without a meaning. */
bool guest_in_64bit_mode(void);

/* CR0 as the guest reads it. */
u64 guest_visible_cr0(void);

#endif
