/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/rwlock.h. */
#include "mm/rwlock.h"

#include "mm/atomic.h"
#include "mm/port.h"

/* In reader_in. Two writers in a row have different phases, so a reader that waits for the first sees it end. */
enum { READER = 1u << 8, PHASE = 1u << 0, PRESENT = 1u << 1, WRITER_BITS = PHASE | PRESENT };

/* Of who does not wait: it fails for a writer, or because so often another reader was faster. */
enum { ATTEMPTS = 4 };

void rwlock_lock_shared(struct rwlock *lock)
{
    assert(!rwlock_is_mine(lock));

    u32 writer = atomic_add(&lock->reader_in, READER) & WRITER_BITS;

    if (writer == 0)
        return;
    while ((atomic_read(&lock->reader_in) & WRITER_BITS) == writer)
        port_relax();
}

bool rwlock_try_lock_shared(struct rwlock *lock)
{
    u32 readers = __atomic_load_n(&lock->reader_in, __ATOMIC_RELAXED);

    /* Not by adding, and taking it back: a writer that comes meanwhile would count who never was there. */
    for (unsigned attempt = 0; attempt < ATTEMPTS && (readers & WRITER_BITS) == 0; attempt++) {
        if (atomic_cmpxchg(&lock->reader_in, &readers, readers + READER))
            return true;
    }
    return false;
}

void rwlock_unlock_shared(struct rwlock *lock)
{
    atomic_add(&lock->reader_out, READER);
}

void rwlock_lock(struct rwlock *lock)
{
    assert(!rwlock_is_mine(lock));

    u32 ticket = atomic_add(&lock->writer_in, 1);

    while (atomic_read(&lock->writer_out) != ticket)
        port_relax();

    /* Readers that come from here on wait; those that came before are waited for. */
    u32 readers = atomic_add(&lock->reader_in, PRESENT | (ticket & PHASE));
    while (atomic_read(&lock->reader_out) != readers)
        port_relax();
    __atomic_store_n(&lock->owner, port_processor() + 1, __ATOMIC_RELAXED);
}

void rwlock_unlock(struct rwlock *lock)
{
    assert(rwlock_is_mine(lock));
    __atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);

    u32 writer = __atomic_load_n(&lock->reader_in, __ATOMIC_RELAXED) & WRITER_BITS;
    atomic_add(&lock->reader_in, -writer);
    atomic_add(&lock->writer_out, 1);
}

bool rwlock_is_mine(const struct rwlock *lock)
{
    return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == port_processor() + 1;
}

bool rwlock_is_contended(const struct rwlock *lock)
{
    u32 readers = __atomic_load_n(&lock->reader_in, __ATOMIC_RELAXED) & ~(u32)WRITER_BITS;
    u32 writers =
        __atomic_load_n(&lock->writer_in, __ATOMIC_RELAXED) - __atomic_load_n(&lock->writer_out, __ATOMIC_RELAXED);

    return readers != __atomic_load_n(&lock->reader_out, __ATOMIC_RELAXED) || writers > 1;
}
