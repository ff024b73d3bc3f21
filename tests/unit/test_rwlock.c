/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/rwlock.c. Actors have stacks of their own; one of them runs until it is done, waits, or (`at_points`) comes to its next
 * atomic operation. So what happens is what the test says, or its random numbers. The last test lets threads run freely.
 */
/* What mm/rwlock.h inlines has its points here, too. */
#define MM_OBSERVER
#include "tests/unit/mm_support.h"

#include <pthread.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "mm/atomic.h"
#include "mm/rwlock.h"

enum { ACTORS = 6, READERS = 3, WRITERS = 2, STACK = 1 << 16 };
enum command { REST, LOCK_SHARED, UNLOCK_SHARED, LOCK, UNLOCK };

struct actor {
    ucontext_t context;
    char stack[STACK];
    enum command command; /* REST: done */
    /* Random schedules: */
    enum command holds; /* LOCK_SHARED or LOCK */
    u64 arrival;        /* when it made its first atomic addition; 0: not yet */
    u64 mark;           /* of a writer: since when readers wait for it */
    unsigned writers;   /* whose section was between its arrival and its entry */
};

static struct rwlock lock;
static struct actor actors[ACTORS];
static ucontext_t test;
static struct actor *self; /* NULL: the test */
static bool at_points;
static u64 now;

static void hand_over(void)
{
    swapcontext(&self->context, &test);
}

/* Between this and the operation nobody else runs: the actor arrives here and now. */
static void note_arrival(const void *word)
{
    if (self->arrival == 0) {
        self->arrival = ++now;
        self->writers = 0;
        for (unsigned i = 0; i < ACTORS; i++)
            self->writers += actors[i].holds == LOCK;
    } else if (self->command == LOCK && word == &lock.reader_in) {
        self->mark = ++now;
    }
}

static void on_point(const void *word)
{
    if (self == NULL || !at_points)
        return;
    hand_over();
    if (self->command == LOCK || self->command == LOCK_SHARED)
        note_arrival(word);
}

static void actor_main(void)
{
    for (;;) {
        if (self->command == LOCK_SHARED)
            rwlock_lock_shared(&lock);
        else if (self->command == UNLOCK_SHARED)
            rwlock_unlock_shared(&lock);
        else if (self->command == LOCK)
            rwlock_lock(&lock);
        else
            rwlock_unlock(&lock);
        self->command = REST;
        hand_over();
    }
}

/* Lets an actor go on. Whether it is done. */
static bool run(unsigned actor)
{
    self = &actors[actor];
    port_host_processor = actor + 1;
    swapcontext(&test, &self->context);
    port_host_processor = 0;
    self = NULL;
    return actors[actor].command == REST;
}

static bool begin(unsigned actor, enum command command)
{
    actors[actor].command = command;
    return run(actor);
}

static int start_actors(void **state)
{
    port_host_start(SMALL_RAM);
    port_host.on_relax = hand_over;
    port_host.on_point = on_point;
    memset(actors, 0, sizeof(actors));
    for (unsigned i = 0; i < ACTORS; i++) {
        getcontext(&actors[i].context);
        actors[i].context.uc_stack.ss_sp = actors[i].stack;
        actors[i].context.uc_stack.ss_size = STACK;
        makecontext(&actors[i].context, actor_main, 0);
    }
    return 0;
}

static int stop_actors(void **state)
{
    at_points = false;
    port_host_stop();
    return 0;
}

/* A free lock that has been used so often that its counts wrap after `readers` and `writers` more. */
static void lock_init(u32 readers, u32 writers)
{
    lock = (struct rwlock){ .reader_in = -(readers << 8), .writer_in = -writers };
    lock.reader_out = lock.reader_in;
    lock.writer_out = lock.writer_in;
}

static void assert_lock_is_free(void)
{
    assert_int_equal(lock.reader_in & 0xff, 0);
    assert_int_equal(lock.reader_in, lock.reader_out);
    assert_int_equal(lock.writer_in, lock.writer_out);
    assert_int_equal(lock.owner, 0);
}

static void readers_share(void)
{
    assert_true(begin(0, LOCK_SHARED));
    assert_true(begin(1, LOCK_SHARED));
    assert_false(begin(2, LOCK));
    assert_true(begin(0, UNLOCK_SHARED));
    assert_false(run(2));
    assert_true(begin(1, UNLOCK_SHARED));
    assert_true(run(2));
    assert_true(begin(2, UNLOCK));
    assert_lock_is_free();
}

/* Readers who come while a writer waits come after it; those who wait while the next writer waits come before that one. */
static void phases_alternate(void)
{
    assert_true(begin(0, LOCK_SHARED));
    assert_false(begin(1, LOCK));
    assert_false(begin(2, LOCK_SHARED));
    assert_false(begin(3, LOCK));
    assert_true(begin(0, UNLOCK_SHARED));
    assert_false(run(2));
    assert_true(run(1));
    assert_false(begin(4, LOCK_SHARED));
    assert_false(run(3));
    assert_true(begin(1, UNLOCK));

    /* The next writer is faster than the readers, and nevertheless waits for both. */
    assert_false(run(3));
    assert_false(begin(5, LOCK_SHARED));
    assert_true(run(2));
    assert_false(run(3));
    assert_true(begin(2, UNLOCK_SHARED));
    assert_false(run(3));
    assert_true(run(4));
    assert_false(run(5));
    assert_false(run(3));
    assert_true(begin(4, UNLOCK_SHARED));
    assert_true(run(3));
    assert_false(run(5));
    assert_true(begin(3, UNLOCK));
    assert_true(run(5));
    assert_true(begin(5, UNLOCK_SHARED));
    assert_lock_is_free();
}

static void writers_come_in_order(void)
{
    assert_true(begin(0, LOCK));
    for (unsigned i = 1; i < ACTORS; i++)
        assert_false(begin(i, LOCK));
    for (unsigned i = 0; i + 1 < ACTORS; i++) {
        assert_true(begin(i, UNLOCK));
        for (unsigned j = ACTORS - 1; j > i + 1; j--)
            assert_false(run(j));
        assert_true(run(i + 1));
    }
    assert_true(begin(ACTORS - 1, UNLOCK));
    assert_lock_is_free();
}

static void for_every_start(void (*scenario)(void))
{
    for (u32 readers = 0; readers < 5; readers++) {
        for (u32 writers = 0; writers < 5; writers++) {
            lock_init(readers, writers);
            scenario();
        }
    }
}

static void test_R8_readers_share(void **state)
{
    for_every_start(readers_share);
}

static void test_R8_phases_alternate(void **state)
{
    for_every_start(phases_alternate);
}

static void test_R8_writers_come_in_order(void **state)
{
    for_every_start(writers_come_in_order);
}

static void contention_is_seen(void)
{
    assert_true(begin(0, LOCK));
    assert_false(rwlock_is_contended(&lock));
    assert_false(begin(1, LOCK_SHARED));
    assert_true(rwlock_is_contended(&lock));
    assert_true(begin(0, UNLOCK));
    assert_true(run(1));
    assert_true(begin(1, UNLOCK_SHARED));
    assert_true(begin(0, LOCK));
    assert_false(rwlock_is_contended(&lock));
    assert_false(begin(1, LOCK));
    assert_true(rwlock_is_contended(&lock));
    assert_true(begin(0, UNLOCK));
    assert_true(run(1));
    assert_false(rwlock_is_contended(&lock));
    assert_true(begin(1, UNLOCK));
}

static void test_R8_contention_is_seen(void **state)
{
    for_every_start(contention_is_seen);
}

/* The test itself is processor 0. */
static void test_H4_the_owner_is_known(void **state)
{
    lock_init(0, 0);
    assert_false(rwlock_is_mine(&lock));
    assert_true(ASSERTS(rwlock_unlock(&lock)));
    assert_true(begin(0, LOCK));
    assert_false(rwlock_is_mine(&lock));
    assert_true(ASSERTS(rwlock_unlock(&lock)));
    assert_true(begin(0, UNLOCK));
    assert_true(begin(0, LOCK_SHARED));
    assert_true(ASSERTS(rwlock_unlock(&lock)));

    /* Who waits does not own it yet. */
    assert_false(begin(1, LOCK));
    port_host_processor = 1 + 1;
    assert_false(rwlock_is_mine(&lock));
    port_host_processor = 0;
    assert_true(begin(0, UNLOCK_SHARED));
    assert_true(run(1));
    assert_true(begin(1, UNLOCK));

    rwlock_lock_shared(&lock);
    assert_false(rwlock_is_mine(&lock));
    rwlock_unlock_shared(&lock);
    rwlock_lock(&lock);
    assert_true(rwlock_is_mine(&lock));
    assert_true(ASSERTS(rwlock_lock(&lock)));
    assert_true(ASSERTS(rwlock_lock_shared(&lock)));
    rwlock_unlock(&lock);
    assert_false(rwlock_is_mine(&lock));
    assert_lock_is_free();
}

/* Who does not wait gets in beside readers and where nobody is; and not in front of a writer, nor beside one. */
static void who_does_not_wait(void)
{
    assert_true(rwlock_try_lock_shared(&lock));
    assert_true(begin(0, LOCK_SHARED));
    assert_true(rwlock_try_lock_shared(&lock));
    rwlock_unlock_shared(&lock);
    assert_false(begin(1, LOCK));
    assert_false(rwlock_try_lock_shared(&lock));
    rwlock_unlock_shared(&lock);
    assert_false(run(1));
    assert_true(begin(0, UNLOCK_SHARED));
    assert_true(run(1));
    assert_false(rwlock_try_lock_shared(&lock));
    assert_false(begin(0, LOCK));
    assert_true(begin(1, UNLOCK));
    assert_true(run(0));
    assert_false(rwlock_try_lock_shared(&lock));
    assert_true(begin(0, UNLOCK));
    assert_true(rwlock_try_lock_shared(&lock));
    rwlock_unlock_shared(&lock);
    assert_lock_is_free();
}

static void test_R8_who_does_not_wait(void **state)
{
    for_every_start(who_does_not_wait);
}

static unsigned others;

static void another_reader_is_faster(const void *word)
{
    if (word == &lock.reader_in && others > 0) {
        others--;
        lock.reader_in += RWLOCK_READER;
        lock.reader_out += RWLOCK_READER;
    }
}

/* A few other readers are no reason to give up; many are one to stop trying. */
static void test_R4_the_attempts_to_get_in_are_bounded(void **state)
{
    void (*before)(const void *) = port_host.on_point;

    lock_init(0, 0);
    port_host.on_point = another_reader_is_faster;
    others = 3;
    assert_true(rwlock_try_lock_shared(&lock));
    rwlock_unlock_shared(&lock);
    others = 1000;
    assert_false(rwlock_try_lock_shared(&lock));
    assert_int_equal(others, 1000 - 4);
    port_host.on_point = before;
    assert_lock_is_free();
}

/* An actor has the lock: nobody else has who must not, and nobody was passed over. */
static void check_entry(struct actor *entered, enum command holds)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *other = &actors[i];

        if (other == entered)
            continue;
        assert_true(other->holds == REST || (holds == LOCK_SHARED && other->holds == LOCK_SHARED));
        if (holds == LOCK && other->command == LOCK_SHARED && other->arrival != 0)
            other->writers++;
        if (holds == LOCK && other->command == LOCK && other->arrival != 0)
            assert_true(entered->arrival < other->arrival);
        if (holds == LOCK_SHARED && other->command == LOCK && other->mark != 0)
            assert_true(entered->arrival < other->mark);
    }
    if (holds == LOCK_SHARED)
        assert_true(entered->writers <= 1);
    entered->holds = holds;
}

static void random_step(struct actor *actor, bool may_begin, u64 *seed)
{
    if (actor->command == REST) {
        if (actor->holds == REST && !may_begin)
            return;
        actor->arrival = actor->mark = 0;
        if (actor->holds == REST)
            actor->command = random_below(seed, 5) < 2 ? LOCK : LOCK_SHARED;
        else
            actor->command = actor->holds == LOCK ? UNLOCK : UNLOCK_SHARED;
        actor->holds = REST;
    }

    enum command command = actor->command;
    if (run((unsigned)(actor - actors)) && (command == LOCK || command == LOCK_SHARED))
        check_entry(actor, command);
}

/* A reader waits for at most one writer, and a writer that has its turn for no reader who came later, in every order of steps. */
static void test_R8_bounds_in_random_schedules(void **state)
{
    at_points = true;
    for (u64 seed = 1; seed <= 100; seed++) {
        u64 random = seed;

        lock_init((u32)random_below(&random, 30), (u32)random_below(&random, 30));
        for (unsigned step = 0; step < 1500; step++)
            random_step(&actors[random_below(&random, ACTORS)], true, &random);
        for (unsigned step = 0; step < 100 * ACTORS; step++)
            random_step(&actors[step % ACTORS], false, &random);
        assert_lock_is_free();
    }
}

/* Threads that run freely. What the lock guards: */
static struct {
    u64 writes, copy;
} guarded;
static u64 writer_sections, reader_sections[READERS]; /* counted inside */
static u64 most_writers, most_readers;                /* that somebody had to wait for */
static u64 errors;
static bool stops;

/* Of a thread that waits: what had been counted when it certainly had arrived. */
static _Thread_local struct {
    const void *word; /* whose operation comes after the arrival */
    bool taken;
    u64 writers, readers[READERS];
} snapshot;
static _Thread_local unsigned points;

static void raise_to(u64 *most, u64 value)
{
    u64 old = counter_read(most);

    while (value > old && !__atomic_compare_exchange_n(most, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

/* A reader's second point is after its addition; so is the first at which a writer looks at the readers who leave. */
static void take_snapshot(const void *word)
{
    if (snapshot.taken || word != snapshot.word || (word == &lock.reader_in && ++points < 2))
        return;
    snapshot.taken = true;
    snapshot.writers = __atomic_load_n(&writer_sections, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < READERS; i++)
        snapshot.readers[i] = __atomic_load_n(&reader_sections[i], __ATOMIC_SEQ_CST);
}

static void expect_arrival(const void *word)
{
    snapshot.word = word;
    snapshot.taken = false;
    points = 0;
}

static void *reader_main(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    port_host_processor = number;
    while (!__atomic_load_n(&stops, __ATOMIC_RELAXED)) {
        expect_arrival(&lock.reader_in);
        rwlock_lock_shared(&lock);
        if (snapshot.taken)
            raise_to(&most_writers, counter_read(&writer_sections) - snapshot.writers);
        counter_add(&reader_sections[number], 1);
        if (guarded.writes != guarded.copy)
            counter_add(&errors, 1);
        snapshot.taken = true;
        rwlock_unlock_shared(&lock);
    }
    return NULL;
}

static void *writer_main(void *argument)
{
    port_host_processor = (unsigned)(uintptr_t)argument;
    while (!__atomic_load_n(&stops, __ATOMIC_RELAXED)) {
        expect_arrival(&lock.reader_out);
        rwlock_lock(&lock);
        for (unsigned reader = 0; reader < READERS && snapshot.taken; reader++)
            raise_to(&most_readers, counter_read(&reader_sections[reader]) - snapshot.readers[reader]);
        if (guarded.writes++ != guarded.copy++)
            counter_add(&errors, 1);
        sched_yield();
        if (guarded.writes != guarded.copy || !rwlock_is_mine(&lock))
            counter_add(&errors, 1);
        counter_add(&writer_sections, 1);
        snapshot.taken = true;
        rwlock_unlock(&lock);
    }
    return NULL;
}

/* Readers and writers that never pause: both get in, and nobody waits for more than one phase of the others. */
static void test_R8_bounds_with_free_threads(void **state)
{
    pthread_t threads[READERS + WRITERS];

    lock_init(20, 20);
    port_host.threads = true;
    port_host.on_point = take_snapshot;
    for (uintptr_t i = 0; i < READERS + WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? reader_main : writer_main, (void *)i), 0);
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    __atomic_store_n(&stops, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < READERS + WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(errors, 0);
    assert_true(writer_sections > 0 && guarded.writes == writer_sections);
    assert_true(most_writers <= 1);
    assert_true(most_readers <= 1);
    assert_lock_is_free();
}

#define ACTORS_TEST(test) cmocka_unit_test_setup_teardown(test, start_actors, stop_actors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACTORS_TEST(test_R8_readers_share),
        ACTORS_TEST(test_R8_phases_alternate),
        ACTORS_TEST(test_R8_writers_come_in_order),
        ACTORS_TEST(test_R8_contention_is_seen),
        ACTORS_TEST(test_R8_who_does_not_wait),
        ACTORS_TEST(test_R8_bounds_in_random_schedules),
        ACTORS_TEST(test_R4_the_attempts_to_get_in_are_bounded),
        ACTORS_TEST(test_R8_bounds_in_random_schedules),
        ACTORS_TEST(test_H4_the_owner_is_known),
        ACTORS_TEST(test_R8_bounds_in_random_schedules),
        SMALL_TEST(test_R8_bounds_with_free_threads),
    };

    alarm(60); /* a reader or writer that is never let in is a failure, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
