/* SPDX-License-Identifier: BSD-2-Clause */
/* COM1, and for a debugger COM2; 115200 8N1. On a machine without them nothing is written, and nothing comes. */
#ifndef ARCH_X86_SERIAL_H
#define ARCH_X86_SERIAL_H

#include "mm/types.h"

/* Looks for the port and sets it up. False: there is none. */
bool serial_init(void);

bool serial_is_present(void);

/* Every '\n' goes out as "\r\n". Waits for the port, but not for ever: one that never gets ready counts as absent. */
void serial_write(const char *text, size_t length);

/* The same, as the bytes stand. */
void serial_write_raw(const char *bytes, size_t length);

/* Waits until the last byte is on the line: what the port still holds is lost when the machine is switched off. */
void serial_drain(void);

/*
 * The next byte that has come; -1: none. By one task. The port itself keeps 16, which come within 1.4 ms: whenever it
 * is looked at, for output too, they move to a ring of 1024. What comes when both are full is lost.
 */
int serial_read(void);

enum { SERIAL_IRQ = 4 };

/* The port raises IRQ 4 when something has come. The handler is serial_receive_interrupt(), on any processor. */
void serial_enable_receive_interrupt(void);
void serial_receive_interrupt(void);

/* ---- COM2: the same for bytes as they stand. It is not set up, and counts as absent, before serial2_init(). */

enum { SERIAL2_IRQ = 3 };

bool serial2_init(void);
int serial2_read(void);
void serial2_enable_receive_interrupt(void);
void serial2_receive_interrupt(void);

/* Does not wait: how many of the bytes the port has taken, at most 16, which are on the line after 1.4 ms. */
size_t serial2_write(const char *bytes, size_t length);

#endif
