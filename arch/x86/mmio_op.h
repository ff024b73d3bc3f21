/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executes an instruction that accesses a device's registers in memory, with exactly the processor's results in
 * registers and RFLAGS. Pure: the accesses themselves are the caller's. That LOCK and XCHG are atomic is the caller's
 * too: a read of the device is followed by a write, and nothing may come between.
 */
#ifndef ARCH_X86_MMIO_OP_H
#define ARCH_X86_MMIO_OP_H

#include "arch/x86/decode.h"

/*
 * Each returns 0 or an error, which ends the instruction where it is. Values have `size` bytes (1, 2, 4, 8); above them
 * they are 0 when written, and do not count when read.
 */
struct mmio_access {
    void *context;

    /* The device's operand. */
    int (*read)(void *context, unsigned size, u64 *value);
    int (*write)(void *context, unsigned size, u64 value);

    /*
     * The other operand in memory of MOVS and CMPS. The processor may not have come to its segment and its page: rights
     * and limit of the segment are to be checked too. `other_probe` says whether a write would succeed, before a device
     * is read whose registers change by it.
     */
    int (*other_read)(void *context, const struct mmio_place *place, unsigned size, u64 *value);
    int (*other_write)(void *context, const struct mmio_place *place, unsigned size, u64 value);
    int (*other_probe)(void *context, const struct mmio_place *place, unsigned size);
};

enum mmio_result {
    MMIO_DONE,   /* the next instruction follows */
    MMIO_REPEAT, /* one iteration of a repeated string instruction is done, and RIP stays where it is */
};

/*
 * `device` is the operand that decode_find() named. The result is an enum mmio_result, or an error of one of the
 * accesses; then the registers are as they were. It is -EINVAL if `device` is no operand of the instruction.
 */
int mmio_execute(const struct mmio_instruction *in, const struct mmio_memory *device, struct mmio_registers *registers,
                 const struct mmio_access *access);

#endif
