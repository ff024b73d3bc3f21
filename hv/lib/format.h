/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text formatting without a C library, for boot, hv and arch. hv/lib includes nothing of slat, and everybody but mm may
 * use it.
 */
#ifndef HV_LIB_FORMAT_H
#define HV_LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * As snprintf and vsnprintf: %d %i %u %x %X %c %s %p %%, flags - 0 + space #, width, precision (also *), lengths hh h l ll z j.
 * Returns the length that the whole text has; what is written is always terminated when size > 0. An unknown conversion
 * is written out as it stands.
 */
__attribute__((format(printf, 3, 4))) int format_text(char *to, size_t size, const char *format, ...);
__attribute__((format(printf, 3, 0))) int format_text_v(char *to, size_t size, const char *format, va_list args);

#endif
