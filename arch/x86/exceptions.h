/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the hypervisor itself. One at an instruction that has a fixup (arch/x86/fixup.h) continues there; every
 * other one is a bug of ours or a broken machine, and ends in a report (arch/x86/panic.h).
 */
#ifndef ARCH_X86_EXCEPTIONS_H
#define ARCH_X86_EXCEPTIONS_H

#include "arch/x86/idt.h"

/* Returns only if the exception had a fixup. */
void exception_handle(struct exception_frame *frame);

#endif
