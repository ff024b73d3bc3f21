/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaf locks: short sections around a list, a bitmap, a bucket. Who comes first is served first. Inside no other lock of
 * its kind is taken but in the order that docs/architecture.md lists, nothing waits, and nothing is an mm_point(): for
 * everybody else the section is one step.
 */
#ifndef MM_SPINLOCK_H
#define MM_SPINLOCK_H

#include "mm/port.h"

/* All zero: free. */
struct spinlock {
    u32 next, serving;
};

static inline void spin_lock(struct spinlock *lock)
{
    u32 ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        port_relax();
}

/* False: somebody has it. For who cannot wait. */
static inline bool spin_trylock(struct spinlock *lock)
{
    /* Pairs with spin_unlock(): if nobody has drawn the ticket that is served now, the last one who had it is done. */
    u32 ticket = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);

    return __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

static inline bool spin_is_locked(const struct spinlock *lock)
{
    return __atomic_load_n(&lock->serving, __ATOMIC_RELAXED) != __atomic_load_n(&lock->next, __ATOMIC_RELAXED);
}

#endif
