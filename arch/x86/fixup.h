/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that may fault: an exception at one of them continues at a place that it names. */
#ifndef ARCH_X86_FIXUP_H
#define ARCH_X86_FIXUP_H

#include "mm/types.h"

struct exception_frame;

/*
 * In an asm goto: the instruction at label 1 continues at the C label `fault`, a %l operand, if it faults. The table holds
 * distances from each field to what it means.
 */
#define FIXUP(fault)                                \
    "\n\t.pushsection .exception_fixups, \"a\"\n\t" \
    ".long 1b - .\n\t"                              \
    ".long " fault " - .\n\t"                       \
    ".popsection"

/* Lets `frame` continue at its instruction's fixup; false if it has none. */
bool fixup_apply(struct exception_frame *frame);

/* As rdmsr(), but 0, or -EIO if the processor refused with an exception. */
int rdmsr_safe(u32 msr, u64 *value);

#endif
