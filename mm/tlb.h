/* SPDX-License-Identifier: BSD-2-Clause */
/* The flush of a VM's translations on all processors. */
#ifndef MM_TLB_H
#define MM_TLB_H

#include "mm/types.h"

struct vm_memory;

/*
 * When it returns, no processor uses a translation of `vm`, or a pointer into a table, that was removed before the call:
 * each one that was in a guest of `vm` has left it, and executes INVEPT before it enters again. One round of interrupts
 * for all. No lock is held, and no vCPU of the caller's processor is in the guest.
 */
void tlb_flush(struct vm_memory *vm);

#endif
