/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's segments, for instructions that the hypervisor executes for it. */
#ifndef ARCH_X86_GUEST_SEGMENT_H
#define ARCH_X86_GUEST_SEGMENT_H

#include "arch/x86/vmcs_fields.h"
#include "mm/types.h"

/* Rights and limit for an access of `size` bytes at `offset` (SDM vol. 3, 6.3 to 6.5). The vCPU is current. */
bool guest_segment_permits(enum segment segment, bool write, u64 offset, unsigned size);

#endif
