/* SPDX-License-Identifier: BSD-2-Clause */
/* The two clocks that the hypervisor is told about. */
#ifndef BOOT_CLOCK_H
#define BOOT_CLOCK_H

#include <stdint.h>

/* Ticks of the TSC in a second, measured against the firmware's Stall(); takes about 10 ms. 0: it cannot be measured. */
uint64_t clock_tsc_hz(void);

/* Seconds since 1970, now; 0 if the firmware does not know. */
uint64_t clock_unix_time(void);

#endif
