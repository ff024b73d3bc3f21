/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of points of one execution, with the functions that they lie in, as addr2line(1) knows them. */
#ifndef TESTS_EXPLORER_TRACE_H
#define TESTS_EXPLORER_TRACE_H

/* `code`: where the point is; `caller`: who called that. */
void trace_add(int actor, const char *what, const void *word, const void *code, const void *caller);
void trace_print(void);

#endif
