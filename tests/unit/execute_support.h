/* SPDX-License-Identifier: BSD-2-Clause */
/* One instruction on the host's processor, with all of its registers and flags. */
#ifndef TESTS_UNIT_EXECUTE_SUPPORT_H
#define TESTS_UNIT_EXECUTE_SUPPORT_H

#include "arch/x86/decode.h"

enum { EXECUTE_DATA = 0x4000 };

/* Memory for operands, EXECUTE_DATA bytes below 2 GiB. */
u8 *execute_data(void);

/* Where the instruction will be: its RIP. */
u64 execute_rip(void);

/*
 * Changes `registers` as the instruction does. It must not fault nor jump; RFLAGS: the arithmetic ones and DF. RSP may
 * have any value.
 */
void execute(const u8 *bytes, unsigned length, struct mmio_registers *registers);

#endif
