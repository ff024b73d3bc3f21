/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end after a bug of ours or a failure of the machine: a report for the person who runs it, then power off. A fault
 * inside the report cuts it short. assert() and the compiler's stack check come here too. One processor reports: it stops all
 * the others by NMI first, wherever they are, so that whatever they hold stays held and nothing they print comes between.
 */
#ifndef ARCH_X86_PANIC_H
#define ARCH_X86_PANIC_H

#include "arch/x86/idt.h"

__attribute__((format(printf, 1, 2))) _Noreturn void panic(const char *format, ...);

/* For exceptions: also shows the registers in `frame`, and the code there. */
_Noreturn void panic_at(const struct exception_frame *frame, const char *cause);

/* `report` adds its lines to every report, after the backtrace. It may fault. At most PANIC_MAX_REPORTS. */
enum { PANIC_MAX_REPORTS = 4 };
void panic_add_report(void (*report)(void));

/* True once a processor reports: locks around output are not taken any more, for whoever holds them may be stopped. */
bool panic_is_reporting(void);

/* For the handler of NMIs: does not return if another processor reports. */
void panic_stop_here(void);

/* What follows the report's last line instead of powering the machine off, which a person at its screen may not want. */
void panic_set_end(void (*end)(void));

#endif
