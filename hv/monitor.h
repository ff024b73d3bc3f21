/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: one command language about guests that run. Who speaks it is the caller's: the script of slat.conf
 * (hv/script.c), a person at the serial port (hv/console.c), a guest about itself (hv/hypercall.c). docs/monitor.md has
 * the commands.
 */
#ifndef HV_MONITOR_H
#define HV_MONITOR_H

#include "mm/types.h"

struct vm;

enum { MONITOR_LINE_SIZE = 120, MONITOR_TEXT_SIZE = 160 }; /* with the NUL */

struct monitor_context {
    void (*print)(void *argument, const char *text); /* a line of the answer, without newline */
    void *argument;
    /* Asked by what waits, and between the lines of a long answer: whether the command shall end. NULL: never. */
    bool (*cancelled)(void *argument);
    /* The caller's terminal becomes the guest's, until that ends or the person goes back. Yields. NULL: it has none. */
    void (*connect)(void *argument, struct vm *vm);
    /* NULL: an operator, who names guests. Else the guest that speaks, about itself: commands have no name. */
    struct vm *self;
    /* out: what the command counted (pages that are dirty, resets of a snapshot …), or 0 */
    u64 number;
    /* out: the vCPU of `self` has another state than before: that of a snapshot */
    bool state_replaced;
};

/*
 * Executes one line: words between blanks, and texts in double quotes. An empty line, and one that begins with #, does
 * nothing. 0, or -E…: then the reason has been printed ("dirty stop left: it is not logged"). Yields.
 */
int monitor_execute(const char *line, struct monitor_context *context);

/*
 * The words that an operator can type behind the first `length` bytes of `line`, which are whole words: names of
 * commands and of guests. Number `index` of them; false: there are not so many.
 */
bool monitor_candidate(const char *line, size_t length, unsigned index, char word[MONITOR_LINE_SIZE]);

#endif
