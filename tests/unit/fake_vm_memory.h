/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's memory as the loaders see it, in place of mm/: flat arrays with the layout of hv/load/guest_memory_map.h. It is
 * stricter than the real one: a write outside, or of a byte that was written before, ends the program.
 */
#ifndef TESTS_UNIT_FAKE_VM_MEMORY_H
#define TESTS_UNIT_FAKE_VM_MEMORY_H

#include "mm/vm_memory.h"

/* All zeros. */
struct vm_memory *fake_vm_memory_create(u64 size);
void fake_vm_memory_destroy(struct vm_memory *vm);

/* `size` bytes more, which end at 4 GiB. */
void fake_vm_memory_add_rom(struct vm_memory *vm, u64 size);

/* [gpa, gpa + size) if that is memory, else NULL. */
const u8 *fake_vm_memory_at(const struct vm_memory *vm, u64 gpa, u64 size);

/* How many bytes were written, by writes that lie inside of [base, end). */
u64 fake_vm_memory_written(const struct vm_memory *vm, u64 base, u64 end);

/* The `count`-th write from now on (0: the next one) fails with -ENOMEM; those around it do not. */
void fake_vm_memory_fail_at(struct vm_memory *vm, unsigned count);

#endif
