/* SPDX-License-Identifier: BSD-2-Clause */
/* The four functions that the compiler itself may call: the only ones that mm/ takes from a C library. */
#ifndef MM_MEM_H
#define MM_MEM_H

#include <stddef.h>

void *memset(void *to, int byte, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
