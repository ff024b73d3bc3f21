/* SPDX-License-Identifier: BSD-2-Clause */
/* Which name somebody meant who wrote another one. */
#ifndef HV_LIB_NEAREST_H
#define HV_LIB_NEAREST_H

#include <stddef.h>

/*
 * The first of the names from which `found` differs least, in letters that must be inserted, removed or replaced (case
 * does not count); NULL: all differ in more than a third of its letters, or in more than three. Names may be NULL:
 * those are none.
 */
const char *nearest_name(const char *found, size_t length, const char *const *names, unsigned count);

#endif
