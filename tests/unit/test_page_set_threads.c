/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/page_set.c, by several processors: whoever comes in between the steps of an operation, a page that was added is in
 * what somebody takes, or in the set where page_set_next() finds it; and it is taken as often as it became new.
 */
/* The part of it that is inline has its points here. */
#define MM_OBSERVER

#include <pthread.h>

#include "mm/page_set.h"
#include "tests/unit/mm_support.h"

enum { WORD = PAGE_SET_WORD, CHUNK = PAGE_SET_CHUNK, END = CHUNK + 100 };

static struct page_set *set;

/* ---- every moment of one operation: two others, one after the other or one in the other */

/* All of it happens to three pages of a word, and to one of another word in its chunk. */
enum { AT = 3, HERE = AT * WORD + 5, THERE = AT * WORD + 40, LAST = AT * WORD + 63, AWAY = (AT + 7) * WORD };
static const u64 pages[] = { HERE, THERE, LAST, AWAY };
enum { PAGES = sizeof(pages) / sizeof(pages[0]) };
#define BIT(page) (1ull << (page) % WORD)

/* How often it was added, became new, and was taken. */
static u64 adds[END], news[END], takes[END];
static bool news_are_known, has_memory;

static void add(u64 page)
{
    adds[page]++;
    news[page] += page_set_add(set, page);
}

static void take(u64 mask)
{
    u64 bits = page_set_take(set, AT, mask);

    assert_int_equal(bits & ~mask, 0);
    for (; bits != 0; bits &= bits - 1)
        takes[AT * WORD + (u64)__builtin_ctzll(bits)]++;
}

static void add_here(void)
{
    add(HERE);
}

static void add_there(void)
{
    add(THERE);
}

static void add_away(void)
{
    add(AWAY);
}

static void add_word(void)
{
    news_are_known = false;
    adds[HERE]++;
    adds[LAST]++;
    page_set_add_word(set, AT, BIT(HERE) | BIT(LAST));
}

static void take_all(void)
{
    take(~0ull);
}

static void take_here(void)
{
    take(BIT(HERE));
}

static void take_there(void)
{
    take(BIT(THERE));
}

static void (*const operations[])(void) = { add_here, add_there, add_away, add_word, take_all, take_here, take_there };
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

/* Who comes in between: the first at a point of the operation, the second at a point after the first has begun. */
static struct {
    void (*act)(void);
    u64 at, points;
    bool acted;
} others[2];

static void at_point(const void *word)
{
    unsigned next = others[0].acted;

    (void)word;
    if (others[next].acted || others[next].points++ != others[next].at)
        return;
    others[next].acted = true;
    others[next].act();
}

enum before { NOTHING, ONE_PAGE, OTHER_PAGE, BOTH_PAGES, EVERYTHING };

static void set_up(enum before before)
{
    memset(adds, 0, sizeof(adds));
    memset(news, 0, sizeof(news));
    memset(takes, 0, sizeof(takes));
    news_are_known = has_memory;
    assert_int_equal(page_set_create(0, END, before == EVERYTHING, &set), 0);
    if (before == ONE_PAGE || before == BOTH_PAGES)
        add(HERE);
    if (before == OTHER_PAGE || before == BOTH_PAGES)
        add(THERE);
    for (unsigned i = 0; before == EVERYTHING && i < PAGES; i++)
        adds[pages[i]] = news[pages[i]] = 1;
}

static void check(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        u64 page = pages[i];
        bool is_in = page_set_has(set, page);

        if (adds[page] != 0)
            assert_true(is_in || takes[page] != 0);
        if (is_in)
            assert_int_equal(page_set_next(set, page / WORD), page / WORD);
        if (news_are_known)
            assert_int_equal(news[page], takes[page] + is_in);
        if (adds[page] == 0 && has_memory)
            assert_true(!is_in && takes[page] == 0);
    }
}

/* Whether both others came. */
static bool run(enum before before, void (*operation)(void), u64 first_at, u64 second_at)
{
    set_up(before);
    for (unsigned i = 0; i < 2; i++) {
        others[i].points = 0;
        others[i].acted = false;
    }
    others[0].at = first_at;
    others[1].at = second_at;
    port_host.on_point = at_point;
    operation();
    port_host.on_point = NULL;
    check();
    page_set_destroy(set);
    return others[1].acted;
}

static void run_at_all_moments(enum before before, void (*operation)(void))
{
    for (u64 first_at = 0; first_at == 0 || others[0].acted; first_at++) {
        u64 second_at = 0;

        while (run(before, operation, first_at, second_at))
            second_at++;
    }
}

static void run_all(enum before before)
{
    for (unsigned i = 0; i < OPERATIONS * OPERATIONS * OPERATIONS; i++) {
        others[0].act = operations[i % OPERATIONS];
        others[1].act = operations[i / OPERATIONS % OPERATIONS];
        run_at_all_moments(before, operations[i / OPERATIONS / OPERATIONS]);
    }
}

static void test_C10_a_page_added_meanwhile_is_taken_or_found(void **state)
{
    has_memory = true;
    for (enum before before = NOTHING; before <= EVERYTHING; before++)
        run_all(before);
}

static void test_C10_nor_is_it_lost_without_memory(void **state)
{
    has_memory = false;
    /* The set, and its pointers. */
    port_host_take_all_but(2);
    run_all(NOTHING);
    run_all(EVERYTHING);
    port_host_give_back();
}

/* Somebody else finds memory for the chunk, for which the operation has found none, or has not looked yet. */
static void find_memory(void)
{
    port_host_give_back();
    add_there();
}

static void test_R3_memory_may_come_at_any_moment(void **state)
{
    has_memory = false;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        for (u64 at = 0; at < 8; at++) {
            port_host_take_all_but(2);
            others[0].act = find_memory;
            others[1].act = take_all;
            run(NOTHING, operations[i], at, 0);
            if (!others[0].acted)
                port_host_give_back();
        }
    }
}

/* ---- threads */

enum { ADDERS = 3, TAKERS = 2, ROUNDS = 40, STRIDE = 3 };
static u64 adders_left;

static void count(u64 *counts, u64 word, u64 bits)
{
    for (; bits != 0; bits &= bits - 1)
        __atomic_fetch_add(&counts[word * WORD + (u64)__builtin_ctzll(bits)], 1, __ATOMIC_RELAXED);
}

/* Never a multiple of STRIDE. */
static void *add_for_long(void *thread)
{
    u64 seed = 5 + (u64)(uintptr_t)thread;

    port_host_processor = (unsigned)(uintptr_t)thread;
    for (unsigned i = 0; i < ROUNDS * END / 64; i++) {
        u64 page = random_below(&seed, END / STRIDE) * STRIDE + 1 + random_below(&seed, STRIDE - 1);

        /* Mostly where others are too. */
        if (page >= END || random_below(&seed, 4) != 0)
            page = page % (8 * WORD) / STRIDE * STRIDE + 1;
        if (page_set_add(set, page))
            count(news, page / WORD, BIT(page));
    }
    __atomic_fetch_sub(&adders_left, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void take_what_is_there(u64 *seed)
{
    for (u64 word = page_set_next(set, 0); word != PAGE_SET_END; word = page_set_next(set, word + 1))
        count(takes, word, page_set_take(set, word, random_below(seed, 2) == 0 ? ~0ull : random_next(seed)));
}

static void *take_for_long(void *thread)
{
    u64 seed = 5 + (u64)(uintptr_t)thread;

    port_host_processor = (unsigned)(uintptr_t)thread;
    while (__atomic_load_n(&adders_left, __ATOMIC_ACQUIRE) != 0)
        take_what_is_there(&seed);
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[ADDERS + TAKERS];

    adders_left = ADDERS;
    for (uintptr_t i = 0; i < ADDERS + TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < ADDERS ? add_for_long : take_for_long, (void *)i), 0);
    for (unsigned i = 0; i < ADDERS + TAKERS; i++)
        pthread_join(threads[i], NULL);
}

static void take_in_threads(bool full)
{
    port_host.threads = true;
    memset(takes, 0, sizeof(takes));
    for (u64 page = 0; page < END; page++)
        news[page] = full;
    assert_int_equal(page_set_create(0, END, full, &set), 0);
    run_threads();
    /* What is left is found; and then nothing is. */
    for (u64 word = page_set_next(set, 0); word != PAGE_SET_END; word = page_set_next(set, word))
        count(takes, word, page_set_take(set, word, ~0ull));
    for (u64 page = 0; page < END; page++) {
        assert_int_equal(takes[page], news[page]);
        if (page % STRIDE == 0)
            assert_int_equal(takes[page], full);
    }
    page_set_destroy(set);
}

static void test_C10_threads_lose_no_page(void **state)
{
    for (unsigned i = 0; i < 10; i++) {
        take_in_threads(false);
        take_in_threads(true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_C10_a_page_added_meanwhile_is_taken_or_found),
        SMALL_TEST(test_C10_nor_is_it_lost_without_memory),
        SMALL_TEST(test_R3_memory_may_come_at_any_moment),
        SMALL_TEST(test_C10_threads_lose_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
