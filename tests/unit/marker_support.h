/* SPDX-License-Identifier: BSD-2-Clause */
/* Marking a page as a device's, and asking whether it is, by an address somewhere in it. */
#ifndef TESTS_UNIT_MARKER_SUPPORT_H
#define TESTS_UNIT_MARKER_SUPPORT_H

#include "tests/unit/view_support.h"

static inline void mark(struct vcpu_memory *vcpu, u64 gfn)
{
    vm_memory_mark_device(vcpu, (gpa_t){ gfn * PAGE_SIZE + 0x123 });
}

static inline bool is_device(struct vcpu_memory *vcpu, u64 gfn)
{
    return vm_memory_is_device(vcpu, (gpa_t){ gfn * PAGE_SIZE + 0x456 });
}

#endif
