/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/rwlock.c and mm/spinlock.h: what a lock guards is plain memory, so that the sanitizer sees what the lock does not order.
 * The counts begin near their end, and wrap.
 */
#include "tests/stress/stress.h"

#include "mm/atomic.h"
#include "mm/rwlock.h"
#include "mm/spinlock.h"

enum { THREADS = 4, WORDS = 32, BEFORE_WRAP = 1000 };

static struct rwlock lock = {
    .reader_in = -(BEFORE_WRAP << 8),
    .reader_out = -(BEFORE_WRAP << 8),
    .writer_in = -BEFORE_WRAP,
    .writer_out = -BEFORE_WRAP,
};
static u64 guarded[WORDS]; /* all equal */
static u64 writes;

static struct spinlock leaf = { -BEFORE_WRAP, -BEFORE_WRAP };
static u64 leaf_guarded, leaf_sections;

static void use_leaf(void)
{
    spin_lock(&leaf);
    leaf_guarded++;
    spin_unlock(&leaf);
    counter_add(&leaf_sections, 1);
}

static void actor(unsigned number, u64 *seed)
{
    u64 last = 0;

    while (!stress_is_over()) {
        if (random_below(seed, 4) == 0) {
            rwlock_lock(&lock);
            STRESS_CHECK(rwlock_is_mine(&lock));
            for (unsigned i = 0; i < WORDS; i++)
                guarded[i]++;
            STRESS_CHECK(guarded[0] == counter_add(&writes, 1));
            rwlock_unlock(&lock);
        } else {
            rwlock_lock_shared(&lock);
            STRESS_CHECK(!rwlock_is_mine(&lock) && guarded[0] >= last);
            last = guarded[0];
            for (unsigned i = 1; i < WORDS; i++)
                STRESS_CHECK(guarded[i] == last);
            if (random_below(seed, 8) == 0)
                use_leaf();
            rwlock_unlock_shared(&lock);
        }
        if (random_below(seed, 4) == 0)
            use_leaf();
    }
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    port_host_start(SMALL_RAM);
    stress_run(THREADS, actor);
    STRESS_CHECK(guarded[0] == writes && writes > BEFORE_WRAP);
    STRESS_CHECK(leaf_guarded == leaf_sections && !spin_is_locked(&leaf));
    STRESS_CHECK(lock.reader_in == lock.reader_out && lock.writer_in == lock.writer_out && lock.owner == 0);
    port_host_stop();
    return stress_end("locks taken by several threads");
}
