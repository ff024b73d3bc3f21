/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the boot application's lines go: hv/lib/log.h's sink. */
#ifndef BOOT_CONSOLE_H
#define BOOT_CONSOLE_H

/* To be called once, before the first log_line(). */
void console_start(void);

#endif
