/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What linker.ld and tools/make-symbols put into the image: its sections' bounds, and the table of function names.
 *
 * The table: u32 count; count times { u32 low half of the address, u32 offset of the name }, sorted by address; the names,
 * each ended by NUL. All addresses of the image share their high half.
 */
#ifndef ARCH_X86_SYMBOLS_H
#define ARCH_X86_SYMBOLS_H

#include "mm/types.h"

extern char image_start[], text_start[], text_end[], data_start[], image_end[];
extern char boot_stack[], boot_stack_top[]; /* entry.nasm */
extern const u32 symbols_start[], symbols_end[];

struct symbol {
    const char *name;
    u64 offset; /* of the address looked up, from the function's start */
};

/*
 * The function in which `address` lies, by a table of `words` u32; offset is then counted from its start. False if there
 * is none before it. The caller checks that the address is in the text at all.
 */
bool symbols_find(const u32 *table, size_t words, u64 address, struct symbol *symbol);

#endif
