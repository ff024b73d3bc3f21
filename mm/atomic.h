/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic operations on words and pointers that several processors use. Reads acquire and writes release: who finds a
 * pointer also finds what it points to as it was when the pointer was published. Operations that read and write are
 * sequentially consistent (on x86 they cannot be less), so "I write mine, then I read yours" works with them on both sides.
 *
 * A build with MM_OBSERVER calls mm_point() before each operation that orders something between processors: a test decides
 * there which processor goes on (tests/explorer/explorer.c). Counters order nothing and are no such points.
 */
#ifndef MM_ATOMIC_H
#define MM_ATOMIC_H

#include "mm/types.h"

#ifdef MM_OBSERVER
void mm_point(const void *word);
#else
#define mm_point(word) ((void)0)
#endif

#define atomic_read(word)         (mm_point(word), __atomic_load_n((word), __ATOMIC_ACQUIRE))
#define atomic_write(word, value) (mm_point(word), __atomic_store_n((word), (value), __ATOMIC_RELEASE))

/* The value before the change. */
#define atomic_xchg(word, value) (mm_point(word), __atomic_exchange_n((word), (value), __ATOMIC_SEQ_CST))
#define atomic_add(word, change) (mm_point(word), __atomic_fetch_add((word), (change), __ATOMIC_SEQ_CST))
#define atomic_or(word, bits)    (mm_point(word), __atomic_fetch_or((word), (bits), __ATOMIC_SEQ_CST))
#define atomic_and(word, bits)   (mm_point(word), __atomic_fetch_and((word), (bits), __ATOMIC_SEQ_CST))

/* Replaces *expected by `value`. Where the word holds something else: false, and that in *expected. */
#define atomic_cmpxchg(word, expected, value) \
    (mm_point(word),                          \
     __atomic_compare_exchange_n((word), (expected), (value), false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))

/* Counters order nothing; the result is the value after the change. */
static inline u64 counter_add(u64 *counter, s64 change)
{
    return __atomic_add_fetch(counter, (u64)change, __ATOMIC_RELAXED);
}

static inline u64 counter_read(const u64 *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
