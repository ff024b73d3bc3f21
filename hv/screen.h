/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log's lines on the screen that the firmware has set up, for machines without a serial port. What was logged before
 * screen_init() is not shown.
 *
 * The text is kept, and what has changed in it is painted before screen_write() returns: so panics can report here, even
 * from the middle of another call. The framebuffer is never read. When the screen is full, the upper third goes at once:
 * so a line costs the painting of itself and, on average, of three more, of which what looks as before is left out.
 *
 * Allocates nothing after screen_init(). No lock: the caller keeps processors apart.
 */
#ifndef HV_SCREEN_H
#define HV_SCREEN_H

#include "boot/handoff.h"
#include "mm/types.h"

/*
 * Maps the framebuffer and clears the screen; the frame allocator works. False: there is no framebuffer, what is said about
 * it cannot be true, or there is no memory; then screen_write() does nothing.
 */
bool screen_init(const struct framebuffer *framebuffer);

/* UTF-8. Lines end with '\n'; one that is longer than the screen is wide goes on in the next row. */
void screen_write(const char *text, size_t length);

#endif
