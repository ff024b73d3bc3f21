/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/rwlock.h. */
#include "mm/rwlock.h"

#include "mm/atomic.h"
#include "mm/port.h"

void rwlock_lock_shared(struct rwlock *lock)
{
    assert(!rwlock_is_mine(lock));

    u32 writer = atomic_add(&lock->reader_in, RWLOCK_READER) & RWLOCK_WRITER_BITS;

    if (writer == 0)
        return;
    while ((atomic_read(&lock->reader_in) & RWLOCK_WRITER_BITS) == writer)
        port_relax();
}

void rwlock_lock(struct rwlock *lock)
{
    assert(!rwlock_is_mine(lock));

    u32 ticket = atomic_add(&lock->writer_in, 1);

    while (atomic_read(&lock->writer_out) != ticket)
        port_relax();

    /* Readers that come from here on wait; those that came before are waited for. */
    u32 readers = atomic_add(&lock->reader_in, RWLOCK_PRESENT | (ticket & RWLOCK_PHASE));
    while (atomic_read(&lock->reader_out) != readers)
        port_relax();
    __atomic_store_n(&lock->owner, port_processor() + 1, __ATOMIC_RELAXED);
}

void rwlock_unlock(struct rwlock *lock)
{
    assert(rwlock_is_mine(lock));
    __atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);

    u32 writer = __atomic_load_n(&lock->reader_in, __ATOMIC_RELAXED) & RWLOCK_WRITER_BITS;
    atomic_add(&lock->reader_in, -writer);
    atomic_add(&lock->writer_out, 1);
}

bool rwlock_is_mine(const struct rwlock *lock)
{
    return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == port_processor() + 1;
}

bool rwlock_is_contended(const struct rwlock *lock)
{
    u32 readers = __atomic_load_n(&lock->reader_in, __ATOMIC_RELAXED) & ~(u32)RWLOCK_WRITER_BITS;
    u32 writers =
        __atomic_load_n(&lock->writer_in, __ATOMIC_RELAXED) - __atomic_load_n(&lock->writer_out, __ATOMIC_RELAXED);

    return readers != __atomic_load_n(&lock->reader_out, __ATOMIC_RELAXED) || writers > 1;
}
