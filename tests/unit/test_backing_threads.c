/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All operations on the same two backings by several threads at once. What pages hold is not looked at, because without a VM
 * nobody is kept from using them; but every frame and every count must be right in the end.
 */
#include <pthread.h>

#include "tests/unit/backing_support.h"

enum { THREADS = 3, STEPS = 4000, PAGES = 1100, RETIRED = 30, RAM = 16384 };

static struct backing *backings[2];

static void clone_and_use(struct backing *backing, u64 page)
{
    struct backing_page found;
    struct backing *clone;

    if (backing_clone(backing, &clone) != 0)
        return;
    (void)backing_resolve(clone, page, LEVEL_2M, true, &found);
    (void)backing_compact(clone, page);
    (void)backing_punch(clone, 0, page + 1);
    backing_put(clone);
}

static void step(u64 *seed, unsigned *retired)
{
    struct backing *backing = backings[random_below(seed, 2)];
    u64 page = random_below(seed, PAGES);
    enum level largest = LEVEL_4K + (enum level)random_below(seed, 2);
    u64 sequence = backing_sequence(backing);
    struct backing_page found;

    switch (random_below(seed, 12)) {
    case 0 ... 2:
        if (backing_resolve(backing, page, largest, false, &found) == 0)
            (void)backing_is_current(backing, sequence, page, &found, LEVEL_4K);
        break;
    case 3 ... 5:
        (void)backing_resolve(backing, page, largest, true, &found);
        break;
    case 6:
        (void)backing_punch(backing, page, 1 + random_below(seed, PAGES - page));
        break;
    case 7:
        (void)backing_migrate(backing, page);
        break;
    case 8:
        (void)backing_compact(backing, page);
        break;
    case 9:
        if (random_below(seed, 4) == 0)
            clone_and_use(backing, page);
        break;
    case 10:
        (void)backing_share(backing, page, backings[random_below(seed, 2)], random_below(seed, PAGES));
        break;
    default:
        if (*retired < RETIRED && backing_lookup(backing, page, &found) == 0)
            *retired += memory_retire(found.pfn, random_below(seed, 2)) == 0;
        break;
    }
}

static void *run(void *thread)
{
    u64 seed = 77 + (u64)(uintptr_t)thread;
    unsigned retired = 0;

    port_host_processor = (unsigned)(uintptr_t)thread;
    for (unsigned i = 0; i < STEPS; i++)
        step(&seed, &retired);
    return NULL;
}

static void test_R3_threads_lose_no_frame(void **state)
{
    pthread_t threads[THREADS];

    port_host_start(RAM);
    port_host.threads = true;
    for (unsigned i = 0; i < 2; i++)
        backings[i] = new_backing(PAGES, BACKING_ON_DEMAND);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_audit();
    for (unsigned i = 0; i < 2; i++) {
        assert_false(backing_is_changing(backings[i], 0, PAGES));
        backing_put(backings[i]);
    }
    check_frames(0);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
    stop_retired(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R3_threads_lose_no_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
