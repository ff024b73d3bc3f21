/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts the machine's other processors, and stops them. SDM vol. 3, 9.4.4 "MP Initialization Example".
 */
#ifndef ARCH_X86_PROCESSOR_START_H
#define ARCH_X86_PROCESSOR_START_H

#include "mm/types.h"

enum { PROCESSOR_START_PAGES = 5 };

/*
 * Starts the processors that the MADT names, up to `most` in all; one that does not come, or is not like the boot processor, is
 * left out with a line that says why. Each calls run(), which never returns, on its own stack with interrupts off.
 * `pages`: PROCESSOR_START_PAGES below 1 MiB, which nobody else uses any more: a processor may come at any later time.
 * On the boot processor, in VMX operation.
 */
void processors_start(hpa_t pages, unsigned most, void (*run)(void));

/*
 * On the boot processor, when no task is left: every other one leaves VMX operation and halts for good, with interrupts off.
 * They come from processor_halt_until(), and nowhere else.
 */
void processors_stop(void);

/*
 * This processor halts, until an interrupt comes or the TSC reaches `tsc` (~0: never); it may return earlier. Interrupts are
 * off before and after: one that comes before the halt ends it, so that nobody's kick is lost.
 */
void processor_halt_until(u64 tsc);

#endif
