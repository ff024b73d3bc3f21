/* SPDX-License-Identifier: BSD-2-Clause */
/* COM1, 115200 8N1, polled, for output. On a machine without it nothing is written. */
#ifndef ARCH_X86_SERIAL_H
#define ARCH_X86_SERIAL_H

#include "mm/types.h"

/* Looks for the port and sets it up. False: there is none. */
bool serial_init(void);

/* Every '\n' goes out as "\r\n". Waits for the port, but not for ever: one that never gets ready counts as absent. */
void serial_write(const char *text, size_t length);

/* Waits until the last byte is on the line: what the port still holds is lost when the machine is switched off. */
void serial_drain(void);

#endif
