/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's serial port as a person has it: slat's and the guests' lines, and below them the line that is being
 * typed, a command of the monitor. Or all of the port for a while is the serial port of one guest (the command
 * `console`).
 *
 * The prompt appears when Enter is pressed, so that a log in which nobody types has none.
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include "boot/guest_conf.h"
#include "mm/spinlock.h"

struct vm;

/*
 * Of everything that is printed, and of the line that is being typed: who prints from any processor keeps that line in
 * order. Whoever hands the log's text to the devices holds it. A leaf lock; within it the port is waited for. A panic
 * does not take it.
 */
extern struct spinlock console_lock;

/* Whole lines to the serial port, above the one that is being typed. Under console_lock. */
void console_write(const char *text, size_t length);

/*
 * A byte that the guest sent to its serial port: shown as it is if the console is connected to this guest. From any
 * processor, without console_lock.
 */
void console_guest_byte(const struct vm *vm, u8 byte);

/* For a panic, which takes no lock: ends the row that somebody has on the terminal. Nobody else prints any more. */
void console_end_row(void);

/* Whether console_guest_byte() shows what this guest sends: its lines need not be shown, too. */
bool console_shows(const struct vm *vm);

/*
 * Makes the console's task on processor 0, if there is a serial port and `choice` is not CHOICE_NO. It ends when no
 * guest runs any more. 0, -ENOMEM, -ENOSPC.
 */
int console_start(enum conf_choice choice, u64 tsc_hz);

/* What the serial port's interrupt calls, on any processor. */
void console_interrupt(void);

#endif
