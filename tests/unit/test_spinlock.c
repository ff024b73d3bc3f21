/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spinlock.h: one at a time, whoever waits and whoever does not. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mm/spinlock.h"

enum { THREADS = 3, ROUNDS = 20000 };

void port_relax(void)
{
    sched_yield();
}

static void who_does_not_wait_leaves_no_trace(void **state)
{
    struct spinlock lock = { .next = UINT32_MAX, .serving = UINT32_MAX }; /* the tickets begin anew */

    assert_true(spin_trylock(&lock));
    assert_true(spin_is_locked(&lock));
    assert_false(spin_trylock(&lock));
    spin_unlock(&lock);
    assert_false(spin_is_locked(&lock));
    spin_lock(&lock);
    assert_false(spin_trylock(&lock));
    spin_unlock(&lock);
    assert_true(spin_trylock(&lock));
    spin_unlock(&lock);
    assert_int_equal(lock.next, 2);
    assert_int_equal(lock.serving, 2);
}

static struct spinlock lock;
static u64 guarded, also_guarded;

static void *work(void *argument)
{
    u64 *done = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 2)
            spin_lock(&lock);
        else if (!spin_trylock(&lock))
            continue;
        guarded++;
        also_guarded = guarded;
        (*done)++;
        spin_unlock(&lock);
    }
    return NULL;
}

/* What one has done the next one finds, without a word between them. */
static void one_at_a_time(void **state)
{
    pthread_t threads[THREADS];
    u64 done[THREADS] = { 0 }, sum = 0;

    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &done[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        sum += done[i];
    }
    assert_int_equal(guarded, sum);
    assert_int_equal(also_guarded, sum);
    assert_true(sum >= THREADS * ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_wait_leaves_no_trace),
        cmocka_unit_test(one_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
