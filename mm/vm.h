/* SPDX-License-Identifier: BSD-2-Clause */
/* What is behind the public mm/vm_memory.h, for the files of mm/ only. */
#ifndef MM_VM_H
#define MM_VM_H

#include "mm/list.h"
#include "mm/memslots.h"
#include "mm/spt.h"
#include "mm/vm_memory.h"

struct vm_memory {
    struct list_node link; /* of all VMs */
    struct memslots slots;
    struct spt spt;
    /* atomic: */
    u64 faults, faults_installed, faults_spurious;
};

/* As mm_init() was told. */
const struct mm_caps *mm_caps(void);

u64 vm_slots_generation(const struct vm_memory *vm);

/* All VMs, one after the other; NULL: the first, and at the end. */
struct vm_memory *vm_next(const struct vm_memory *vm);

#endif
