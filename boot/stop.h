/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a start that failed. */
#ifndef BOOT_STOP_H
#define BOOT_STOP_H

#include "boot/guest_conf.h"

/* What stop() does after its last line; until it is called, power off. */
void stop_set_end(enum conf_at_end at_end);

/* For stop() after boot services have ended. */
void stop_set_tsc_hz(uint64_t tsc_hz);

/* Prints "result: stopped (REASON)" as the last line, leaves a person a few seconds to read it, and ends as configured. */
__attribute__((format(printf, 1, 2))) _Noreturn void stop(const char *format, ...);

#endif
