/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's memory-type range registers. Firmware and kernels write them and read them back; they decide nothing, because
 * the types of a guest's memory come from its EPT entries and its page tables, and all of it is write-back memory.
 * SDM vol. 3, 12.11 "Memory Type Range Registers". Pure.
 */
#ifndef ARCH_X86_GUEST_MTRR_H
#define ARCH_X86_GUEST_MTRR_H

#include "mm/types.h"

enum { MTRR_VARIABLE = 8, MTRR_FIXED = 11 };

struct guest_mtrr {
    u64 def_type;
    u64 fixed[MTRR_FIXED];
    u64 base[MTRR_VARIABLE], mask[MTRR_VARIABLE];
};

/* As firmware leaves them: on, and all memory write-back. INIT does not change them. */
void guest_mtrr_reset(struct guest_mtrr *mtrr);

/* 0; -ENOENT: no MTRR. */
int guest_mtrr_read(const struct guest_mtrr *mtrr, u32 msr, u64 *value);

/* 0; -ENOENT: no MTRR; -EINVAL: #GP. */
int guest_mtrr_write(struct guest_mtrr *mtrr, u32 msr, u64 value, unsigned physical_bits);

#endif
