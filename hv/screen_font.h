/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen's font. tools/make-font makes the table from the console font that hypervisor.mk names. */
#ifndef HV_SCREEN_FONT_H
#define HV_SCREEN_FONT_H

#include "mm/types.h"

enum { GLYPH_WIDTH = 8, GLYPH_HEIGHT = 16 };

struct screen_glyph {
    u16 code;              /* Unicode */
    u8 rows[GLYPH_HEIGHT]; /* from the top; the leftmost pixel is the highest bit */
};

/* Sorted by code. The first is the blank; the last is U+FFFD, which stands for all that the font does not have. */
extern const struct screen_glyph screen_font[];
extern const unsigned screen_font_count; /* less than 32768 */

/*
 * The index in screen_font of the UTF-8 character at *text, which moves behind it. For what is no UTF-8 that of U+FFFD.
 * *text is before `end`.
 */
unsigned screen_font_next(const char **text, const char *end);

#endif
