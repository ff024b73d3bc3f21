/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who called whom, by frame pointers. Memory is read only inside one stack that is known (arch/x86/stack.h), upwards, so
 * that a stack full of rubbish ends the backtrace and nothing else.
 */
#ifndef ARCH_X86_BACKTRACE_H
#define ARCH_X86_BACKTRACE_H

#include "mm/types.h"

struct backtrace_bounds {
    u64 stack_bottom, stack_top;
    u64 text_start, text_end;
};

/*
 * One step outwards from the frame at *rbp: the address that it returns to, and the frame in which that goes on, which is
 * in no stack if there is none. False: there is no frame at *rbp.
 */
bool backtrace_step(const struct backtrace_bounds *bounds, u64 *rbp, u64 *caller);

/* Logs a line for rip and each caller; calls from the same place that follow each other are one line. */
void backtrace_print(u64 rip, u64 rbp, u64 rsp);

/* " in NAME+0x12"; " outside slat's code" for an address that is. */
void backtrace_describe(u64 address, char *text, size_t size);

#endif
