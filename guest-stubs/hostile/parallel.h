/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stubs of several processors here share: their start, and the time. With the parts of smp.elf below
 * guest-stubs/smp/.
 */
#ifndef GUEST_STUBS_HOSTILE_PARALLEL_H
#define GUEST_STUBS_HOSTILE_PARALLEL_H

#include "guest-stubs/smp/smp.h"

/* Starts all processors that fw_cfg counts; afterwards they halt until run_on_all() or run_on_one() has work for them. */
void parallel_start(void);

/* The TSC's ticks in a millisecond: mhz=N on the command line, else what the emulator has. */
u64 ticks_per_ms(void);

/* Halts until the TSC is there, as its own local timer says. With interrupts off before and after. */
void halt_until(u64 tsc);

/* The PIC, with all lines masked but `unmasked`. Their interrupts are counted, and not ended at the PIC. */
void pic_start(u16 unmasked);

/* `vector` is handled as `like` is, or by a function with the attribute "interrupt": on all processors. */
void interrupt_gate_copy(unsigned vector, unsigned like);
void interrupt_gate_set(unsigned vector, uintptr_t handler);

#endif
