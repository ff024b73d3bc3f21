/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in words. */
#ifndef ARCH_X86_EXCEPTION_TEXT_H
#define ARCH_X86_EXCEPTION_TEXT_H

#include "mm/types.h"

/* "page fault (#PF)", …; "reserved exception" for vectors below 32 that the SDM does not name. */
const char *exception_name(u64 vector);

/*
 * What happened, by the error code, to follow the name: ": a write to a page that is not mapped"; the empty string if the
 * code says nothing. `text` has `size` bytes.
 */
void exception_describe(u64 vector, u64 error, char *text, size_t size);

#endif
