/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines for the person who runs the machine. Every line that slat itself prints starts with "slat: "; guests' lines start
 * with the guest's name (hv/vm_exits.c). The sink is the serial console, and whatever else the side has that links this.
 */
#ifndef HV_LIB_LOG_H
#define HV_LIB_LOG_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Takes `length` bytes of text; lines end with '\n' (the sink adds '\r' if its device wants it). Set before the first
 * log_line().
 */
void log_set_sink(void (*sink)(const char *text, size_t length));

/* One line: "slat: " and the text. The newline is added. At most 500 bytes; longer text is cut. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);
__attribute__((format(printf, 1, 0))) void log_line_v(const char *format, va_list args);

/* Text as it stands, for guests' lines and tables. */
void log_raw(const char *text, size_t length);

#endif
