/* SPDX-License-Identifier: BSD-2-Clause */
/* The static invariants, checked on whole trees: after every step of a randomised test, and on demand. */
#ifndef MM_AUDIT_H
#define MM_AUDIT_H

#include "mm/types.h"

struct vm_memory;

/*
 * The number of violations in this VM's tree and slots (C4, C5, H1, H2, H3, M5, M7), each also told to port_log(). Nobody
 * changes the VM meanwhile.
 */
unsigned vm_memory_audit(struct vm_memory *vm);

/* As vm_memory_audit() of every VM, and whether every table and guest frame of the allocator has an owner. */
unsigned mm_audit(void);

#endif
