/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A phase-fair reader-writer lock: phases of readers and single writers alternate while both wait, and writers are served
 * in the order in which they came. So a reader waits for at most one writer, and a writer for the writers in front of it
 * and one phase of readers between each two (R8). The algorithm is the ticket lock PF-T of Brandenburg and Anderson,
 * "Spin-Based Reader-Writer Synchronization for Multiprocessor Real-Time Systems" (2010).
 */
#ifndef MM_RWLOCK_H
#define MM_RWLOCK_H

#include "mm/atomic.h"

/* In reader_in. Two writers in a row have different phases, so a reader that waits for the first sees it end. */
enum {
    RWLOCK_PHASE = 1u << 0,
    RWLOCK_PRESENT = 1u << 1,
    RWLOCK_WRITER_BITS = RWLOCK_PHASE | RWLOCK_PRESENT,
    RWLOCK_READER = 1u << 8
};

/* All zero: free. */
struct rwlock {
    u32 reader_in, reader_out; /* readers << 8; the low bits of reader_in: a writer is present, and its phase */
    u32 writer_in, writer_out; /* tickets */
    u32 owner;                 /* the writer's port_processor() + 1 */
};

/* Nothing may yield while one is held, and none is taken twice by one processor. */
void rwlock_lock_shared(struct rwlock *lock);
void rwlock_lock(struct rwlock *lock);
void rwlock_unlock(struct rwlock *lock);

/* Does not wait. False: a writer has it, or waits for it; or again and again another reader is faster. */
static inline bool rwlock_try_lock_shared(struct rwlock *lock)
{
    enum { ATTEMPTS = 4 };
    u32 readers = __atomic_load_n(&lock->reader_in, __ATOMIC_RELAXED);

    /* Not by adding, and taking it back: a writer that comes meanwhile would count who never was there. */
    for (unsigned attempt = 0; attempt < ATTEMPTS && (readers & RWLOCK_WRITER_BITS) == 0; attempt++) {
        if (atomic_cmpxchg(&lock->reader_in, &readers, readers + RWLOCK_READER))
            return true;
    }
    return false;
}

static inline void rwlock_unlock_shared(struct rwlock *lock)
{
    atomic_add(&lock->reader_out, RWLOCK_READER);
}

/* Whether this processor owns it exclusively (H4: asserted). */
bool rwlock_is_mine(const struct rwlock *lock);

/* For the owner: whether somebody waits for the lock. A hint. */
bool rwlock_is_contended(const struct rwlock *lock);

#endif
