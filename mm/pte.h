/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only ways to touch an entry of a table that is reachable: by hardware, which reads it at any time and sets A and D
 * bits, and by other processors. One 64-bit operation each (P3).
 *
 * A build with MM_OBSERVER reports every change to pte_observe(), so that a test can replay the whole history of a tree
 * and judge every state that hardware could have seen; and each operation is an mm_point().
 */
#ifndef MM_PTE_H
#define MM_PTE_H

#include "mm/atomic.h"

#ifdef MM_OBSERVER
void pte_observe(u64 *entry, u64 old, u64 value);
#else
#define pte_observe(entry, old, value) ((void)0)
#endif

static inline u64 pte_read(const u64 *entry)
{
    return atomic_read(entry);
}

/* The old value is the last that hardware can have changed: its A and D bits are final. */
static inline u64 pte_xchg(u64 *entry, u64 value)
{
    u64 old = atomic_xchg(entry, value);

    pte_observe(entry, old, value);
    return old;
}

/* Replaces *expected by `value`. Where the entry holds something else: false, and that in *expected. */
static inline bool pte_cmpxchg(u64 *entry, u64 *expected, u64 value)
{
    if (!atomic_cmpxchg(entry, expected, value))
        return false;
    pte_observe(entry, *expected, value);
    return true;
}

/* Takes bits out of an entry that stays what it is otherwise. */
static inline void pte_clear(u64 *entry, u64 bits)
{
#ifdef MM_OBSERVER
    u64 old = atomic_and(entry, ~bits);

    pte_observe(entry, old, old & ~bits);
#else
    __atomic_and_fetch(entry, ~bits, __ATOMIC_SEQ_CST);
#endif
}

/* Puts bits into an entry; the old value. */
static inline u64 pte_set(u64 *entry, u64 bits)
{
    u64 old = atomic_or(entry, bits);

    pte_observe(entry, old, old | bits);
    return old;
}

#endif
