/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only ways to touch an entry of a table that is reachable: by hardware, which reads it at any time and sets A and D
 * bits, and by other processors. One 64-bit operation each (P3).
 *
 * A build with PTE_OBSERVER reports every change to pte_observe(), so that a test can replay the whole history of a tree
 * and judge every state that hardware could have seen.
 */
#ifndef MM_PTE_H
#define MM_PTE_H

#include "mm/types.h"

#ifdef PTE_OBSERVER
void pte_observe(u64 *entry, u64 old, u64 value);
#else
#define pte_observe(entry, old, value) ((void)0)
#endif

static inline u64 pte_read(const u64 *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* The old value is the last that hardware can have changed: its A and D bits are final. */
static inline u64 pte_xchg(u64 *entry, u64 value)
{
    u64 old = __atomic_exchange_n(entry, value, __ATOMIC_ACQ_REL);

    pte_observe(entry, old, value);
    return old;
}

/* Replaces *expected by `value`. Where the entry holds something else: false, and that in *expected. */
static inline bool pte_cmpxchg(u64 *entry, u64 *expected, u64 value)
{
    if (!__atomic_compare_exchange_n(entry, expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    pte_observe(entry, *expected, value);
    return true;
}

#endif
