/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the contents of a packet of gdb: each function takes what it reads off the front, or takes nothing and fails. */
#ifndef HV_GDB_TEXT_H
#define HV_GDB_TEXT_H

#include "mm/types.h"

struct gdb_text {
    const char *at, *end;
};

/* 0 to 15; -1: it is no hexadecimal digit. */
int gdb_text_digit(char c);

/* Exactly these characters. */
bool gdb_text_take(struct gdb_text *text, const char *word);

/* A hexadecimal number below 2^64, of any number of digits but none. */
bool gdb_text_take_number(struct gdb_text *text, u64 *number);

/* Two digits for each byte. */
bool gdb_text_take_bytes(struct gdb_text *text, void *bytes, size_t count);

static inline size_t gdb_text_left(const struct gdb_text *text)
{
    return (size_t)(text->end - text->at);
}

#endif
