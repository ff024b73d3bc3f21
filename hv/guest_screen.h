/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen of a guest's console: its rows, its cursor, and the handing out of rows that the cursor leaves. Called by
 * guest_console.c alone. Rows and columns count from 0; a place beyond an edge is at the edge.
 */
#ifndef HV_GUEST_SCREEN_H
#define HV_GUEST_SCREEN_H

#include "hv/guest_console.h"

/* The rest of *console is zero. */
void guest_screen_init(struct guest_console *console);

/* A printable character at the cursor, which moves on. */
void guest_screen_put(struct guest_console *console, u32 code);
void guest_screen_tab(struct guest_console *console);
void guest_screen_backspace(struct guest_console *console);

/* To the start of the row, or to that of the next one, which ends the line. */
void guest_screen_return(struct guest_console *console);
void guest_screen_line_feed(struct guest_console *console);

void guest_screen_move(struct guest_console *console, unsigned row, unsigned column);
void guest_screen_save_cursor(struct guest_console *console);
void guest_screen_restore_cursor(struct guest_console *console);

/* ECMA-48's ED and EL: `what` is 0 for from the cursor on, 1 for up to the cursor, 2 for all. And ECH. */
void guest_screen_erase(struct guest_console *console, unsigned what);
void guest_screen_erase_in_row(struct guest_console *console, unsigned what);
void guest_screen_erase_characters(struct guest_console *console, unsigned count);
void guest_screen_clear(struct guest_console *console);

/* See guest_console_idle() and guest_console_flush(). */
void guest_screen_match_unfinished(struct guest_console *console);
void guest_screen_flush(struct guest_console *console);

#endif
