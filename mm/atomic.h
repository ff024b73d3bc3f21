/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic operations on words that several processors use. Loads acquire and changes release: who finds a pointer also
 * finds what it points to as it was when the pointer was published.
 */
#ifndef MM_ATOMIC_H
#define MM_ATOMIC_H

#include "mm/types.h"

static inline u64 atomic_read(const u64 *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Replaces *expected by `value`. Where the word holds something else: false, and that in *expected. */
static inline bool atomic_cmpxchg(u64 *word, u64 *expected, u64 value)
{
    return __atomic_compare_exchange_n(word, expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

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
