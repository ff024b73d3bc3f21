/* SPDX-License-Identifier: BSD-2-Clause */
/* COM1, without the firmware. */
#ifndef BOOT_SERIAL_H
#define BOOT_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

/* Sets 115200 8N1. False: there is no UART. */
bool serial_start(void);

/* A '\r' goes before each '\n'. Gives up for good when the UART takes nothing for a tenth of a second. */
void serial_write(const char *text, size_t length);

#endif
