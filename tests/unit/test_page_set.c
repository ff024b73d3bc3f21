/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/page_set.c, by one processor: what is in a set against a plain array, and what becomes of it without memory. */
#include "mm/page_set.h"
#include "tests/unit/mm_support.h"

enum { WORD = PAGE_SET_WORD, CHUNK = PAGE_SET_CHUNK, MOST = 3 * CHUNK };

/* A set and what should be in it. */
struct pair {
    struct page_set *set;
    u64 first, end;
    bool has[MOST]; /* by page - first */
};

static struct pair one, two;

static void create(struct pair *pair, u64 first, u64 end, bool full)
{
    assert_true(end - first <= MOST);
    pair->first = first;
    pair->end = end;
    memset(pair->has, full, sizeof(pair->has));
    assert_int_equal(page_set_create(first, end, full, &pair->set), 0);
}

static bool has(const struct pair *pair, u64 page)
{
    return page >= pair->first && page < pair->end && pair->has[page - pair->first];
}

static void put(struct pair *pair, u64 page, bool value)
{
    if (page >= pair->first && page < pair->end)
        pair->has[page - pair->first] = value;
}

static u64 word_of(const struct pair *pair, u64 word)
{
    u64 bits = 0;

    for (u64 i = 0; i < WORD; i++)
        bits |= (u64)has(pair, word * WORD + i) << i;
    return bits;
}

/* All that can be asked of a set; words are looked at in its range, and some to both sides. */
static void check(const struct pair *pair)
{
    u64 last = (pair->end - 1) / WORD, count = 0, next = PAGE_SET_END;

    for (u64 page = pair->first; page < pair->end; page++)
        count += has(pair, page);
    assert_int_equal(page_set_count(pair->set), count);
    for (u64 word = last + 3; word-- > 0 && word + 3 > pair->first / WORD;) {
        u64 wanted = word_of(pair, word);

        assert_int_equal(page_set_get(pair->set, word), wanted);
        if (wanted != 0)
            next = word;
        assert_int_equal(page_set_next(pair->set, word), next);
        for (u64 page = word * WORD; page < (word + 1) * WORD; page += 1 + (page + word) % 31)
            assert_int_equal(page_set_has(pair->set, page), has(pair, page));
    }
    assert_int_equal(page_set_next(pair->set, 0), next);
    assert_int_equal(page_set_next(pair->set, last + 1), PAGE_SET_END);
}

/* Near to the set, and often in it. */
static u64 some_page(const struct pair *pair, u64 *seed)
{
    u64 page = pair->first + random_below(seed, pair->end - pair->first + 200);

    return page < 100 ? page : page - 100;
}

static void add(struct pair *pair, u64 *seed)
{
    u64 page = pair->first + random_below(seed, pair->end - pair->first);

    assert_int_equal(page_set_add(pair->set, page), !has(pair, page));
    put(pair, page, true);
}

static u64 some_bits(u64 *seed)
{
    switch (random_below(seed, 4)) {
    case 0:
        return ~0ull;
    case 1:
        return 1ull << random_below(seed, WORD);
    default:
        return random_next(seed);
    }
}

static void add_word(struct pair *pair, u64 *seed)
{
    u64 word = some_page(pair, seed) / WORD, bits = some_bits(seed);

    page_set_add_word(pair->set, word, bits);
    for (u64 i = 0; i < WORD; i++) {
        if (bits >> i & 1)
            put(pair, word * WORD + i, true);
    }
}

static void add_range(struct pair *pair, u64 *seed)
{
    u64 first = some_page(pair, seed), end = first + random_below(seed, random_below(seed, 8) == 0 ? CHUNK : 150);

    page_set_add_range(pair->set, first, end);
    for (u64 page = first; page < end; page++)
        put(pair, page, true);
}

static void add_set(struct pair *pair, const struct pair *from)
{
    page_set_add_set(pair->set, from->set);
    for (u64 page = from->first; page < from->end; page++) {
        if (has(from, page))
            put(pair, page, true);
    }
}

static void take(struct pair *pair, u64 word, u64 mask)
{
    assert_int_equal(page_set_take(pair->set, word, mask), word_of(pair, word) & mask);
    for (u64 i = 0; i < WORD; i++) {
        if (mask >> i & 1)
            put(pair, word * WORD + i, false);
    }
}

/* All there is from some word on, or a part of it, as a harvest does. */
static void take_many(struct pair *pair, u64 *seed)
{
    u64 end = some_page(pair, seed) / WORD + random_below(seed, 300);
    u64 word = page_set_next(pair->set, some_page(pair, seed) / WORD);

    for (; word <= end; word = page_set_next(pair->set, word + 1))
        take(pair, word, random_below(seed, 8) == 0 ? some_bits(seed) : ~0ull);
}

static void step(struct pair *pair, const struct pair *other, u64 *seed)
{
    switch (random_below(seed, 40)) {
    case 0 ... 11:
        add(pair, seed);
        break;
    case 12 ... 19:
        add_word(pair, seed);
        break;
    case 20 ... 22:
        add_range(pair, seed);
        break;
    case 23:
        add_set(pair, other);
        break;
    case 24 ... 25:
        take_many(pair, seed);
        break;
    default:
        take(pair, some_page(pair, seed) / WORD, some_bits(seed));
        break;
    }
}

static void steps(u64 first, u64 end, bool full)
{
    u64 seed = first + 2 * end + full;

    create(&one, first, end, full);
    /* The other begins and ends elsewhere. */
    create(&two, first > 5 ? first - 5 : first + (end - first) / 2, end + (end - first < CHUNK ? 70 : 0), false);
    check(&one);
    check(&two);
    for (unsigned i = 0; i < 1000; i++) {
        step(&one, &two, &seed);
        step(&two, &one, &seed);
        if (i % 125 == 124) {
            check(&one);
            check(&two);
        }
    }
    page_set_destroy(one.set);
    page_set_destroy(two.set);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
}

static void test_it_holds_what_was_put_in(void **state)
{
    static const struct {
        u64 first, end;
    } ranges[] = {
        { 0, 1 },         { 5, 6 },
        { 63, 65 },       { 64, 128 },
        { 1, 130 },       { 0, CHUNK },
        { 100, CHUNK },   { CHUNK - 1, CHUNK + 1 },
        { 7, CHUNK + 9 }, { 3 * CHUNK - 70, 5 * CHUNK + 1 },
    };

    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        steps(ranges[i].first, ranges[i].end, false);
        steps(ranges[i].first, ranges[i].end, true);
    }
}

static void test_nothing_where_the_set_is_not(void **state)
{
    for (unsigned full = 0; full < 2; full++) {
        create(&one, CHUNK + 70, CHUNK + 90, full);
        for (u64 word = 0; word < 4 * PAGE_SET_WORDS; word += PAGE_SET_WORDS - 1) {
            page_set_add_word(one.set, word, ~0ull);
            assert_int_equal(page_set_take(one.set, word, ~0ull), 0);
        }
        assert_int_equal(page_set_take(one.set, ~0ull, ~0ull), 0);
        page_set_add_range(one.set, 0, CHUNK + 70);
        page_set_add_range(one.set, CHUNK + 90, ~0ull);
        page_set_add_range(one.set, CHUNK + 80, CHUNK + 80);
        page_set_add_range(one.set, CHUNK + 85, CHUNK + 75);
        check(&one);
        page_set_destroy(one.set);
    }
    page_set_destroy(NULL);
}

/* More chunks than one frame has pointers to. */
static void test_a_large_range_costs_pointers_only(void **state)
{
    enum { CHUNKS = 700 };
    u64 first = 3 * CHUNK + 7, end = first + (u64)CHUNKS * CHUNK, at = end - 5, word = at / WORD;
    struct page_set *set;

    for (unsigned full = 0; full < 2; full++) {
        assert_int_equal(page_set_create(first, end, full, &set), 0);
        assert_int_equal(set->order, 1);
        assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 3);
        assert_int_equal(page_set_next(set, 0), full ? first / WORD : PAGE_SET_END);
        assert_int_equal(page_set_has(set, end - 1), full);
        assert_int_equal(page_set_add(set, at), !full);
        assert_int_equal(page_set_next(set, word - 1), full ? word - 1 : word);
        assert_int_equal(page_set_take(set, word, 1ull << at % WORD), 1ull << at % WORD);
        assert_false(page_set_has(set, at));
        assert_int_equal(page_set_count(set), full ? end - first - 1 : 0);
        /* One chunk has come to be: its size does not depend on the set's. */
        assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 4);
        page_set_destroy(set);
        assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
    }
}

/* A part of something else: it can be used again when nobody uses it any more, and leaves nothing behind. */
static void test_a_set_without_memory_of_its_own(void **state)
{
    struct page_set set = { 0 };

    for (u64 chunks = 1; chunks <= PAGE_SET_FEW + 1; chunks++) {
        for (unsigned full = 0; full < 2; full++) {
            assert_int_equal(page_set_init(&set, 0, chunks * CHUNK, full), 0);
            assert_int_equal(frame_get_stats().used[FRAME_CONTROL], chunks > PAGE_SET_FEW);
            assert_int_equal(page_set_count(&set), full ? chunks * CHUNK : 0);
            assert_int_equal(page_set_add(&set, chunks * CHUNK - 1), !full);
            assert_int_equal(page_set_take(&set, 0, 1), full);
            page_set_release(&set);
            assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
            assert_null(set.chunks);
        }
    }
}

static void test_long_operations_yield(void **state)
{
    create(&one, 0, 2 * CHUNK, true);
    create(&two, 0, 2 * CHUNK, false);
    page_set_count(one.set);
    assert_int_equal(port_host.yields, 2);
    page_set_add_set(two.set, one.set);
    assert_int_equal(port_host.yields, 4);
    page_set_destroy(one.set);
    page_set_destroy(two.set);
}

/* ---- without memory */

static void put_chunk(struct pair *pair, u64 page)
{
    for (u64 at = page / CHUNK * CHUNK; at < (page / CHUNK + 1) * CHUNK; at++)
        put(pair, at, true);
}

static void test_C10_without_memory_it_holds_more_and_never_less(void **state)
{
    create(&one, CHUNK - 100, 3 * CHUNK + 7, false);
    assert_true(page_set_add(one.set, CHUNK - 1));
    put(&one, CHUNK - 1, true);
    port_host_take_all_but(0);

    /* A chunk that is there needs none. */
    assert_true(page_set_add(one.set, CHUNK - 2));
    put(&one, CHUNK - 2, true);
    check(&one);
    /* Nobody can say of a page that it is new in a chunk that holds everything. */
    assert_false(page_set_add(one.set, CHUNK + 3));
    put_chunk(&one, CHUNK);
    check(&one);
    page_set_add_word(one.set, 3 * CHUNK / WORD, 4);
    put_chunk(&one, 3 * CHUNK);
    check(&one);
    page_set_add_range(one.set, 3 * CHUNK - 1, 3 * CHUNK + 1);
    put_chunk(&one, 3 * CHUNK - 1);
    check(&one);

    port_host_give_back();
    assert_false(page_set_add(one.set, CHUNK + 3));
    page_set_destroy(one.set);
}

static void test_C10_what_cannot_be_spelled_out_is_told_and_stays(void **state)
{
    u64 last = 2 * CHUNK / WORD;

    create(&one, 9, 2 * CHUNK + 7, true);
    take(&one, PAGE_SET_WORDS, 0xf0);
    port_host_take_all_but(0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(page_set_take(one.set, 0, ~0ull), ~0ull << 9);
        assert_int_equal(page_set_take(one.set, 0, 0xf00), 0xe00);
        assert_int_equal(page_set_take(one.set, last, ~0ull), 0x7f);
        check(&one);
    }
    /* A chunk that is there gives what is asked for. */
    take(&one, PAGE_SET_WORDS, 0xff);
    check(&one);

    port_host_give_back();
    take(&one, 0, 0xf00);
    take(&one, last, 3);
    check(&one);
    take(&one, last, ~0ull);
    assert_int_equal(page_set_next(one.set, last), PAGE_SET_END);
    check(&one);
    page_set_destroy(one.set);
}

/* Without what the allocator keeps at its begin. */
enum { HEAD = 8, FRAME_WORDS = PAGE_SIZE / sizeof(u64) };

static u64 *the_free_frame(void)
{
    pfn_t pfn = { PORT_HOST_BASE };

    while ((int)frame_kind_of(pfn) != FRAME_NO_KIND)
        pfn.v++;
    return port_frame_address(pfn);
}

/* Not even for a moment: what is taken from a pool is cleared, and this is the path of every write to such a log. */
static void test_adding_to_everything_takes_no_memory(void **state)
{
    create(&one, 0, CHUNK, true);
    port_host_take_all_but(1);
    u64 *frame = the_free_frame();
    memset(frame + HEAD, 0x5a, PAGE_SIZE - HEAD * sizeof(u64));
    assert_false(page_set_add(one.set, 17));
    page_set_add_word(one.set, 3, 7);
    for (unsigned i = HEAD; i < FRAME_WORDS; i++)
        assert_int_equal(frame[i], 0x5a5a5a5a5a5a5a5a);
    port_host_give_back();
    page_set_destroy(one.set);
}

static void assert_cannot_create(u64 first, u64 end)
{
    struct page_set *set = one.set;
    struct frame_stats before = frame_get_stats();

    assert_int_equal(page_set_create(first, end, true, &set), -ENOMEM);
    assert_ptr_equal(set, one.set);
    assert_int_equal(frame_get_stats().free, before.free);
}

static void test_R3_creation_that_fails_leaves_nothing(void **state)
{
    create(&one, 0, 1, false);
    page_set_destroy(one.set);
    /* More pointers than RAM, and than any block, has. */
    assert_cannot_create(0, (u64)SMALL_RAM * 512 * CHUNK + 1);
    assert_cannot_create(0, (512ull << FRAME_MAX_ORDER) * CHUNK + 1);
    assert_cannot_create(0, ~0ull);
    port_host_take_all_but(0);
    assert_cannot_create(0, 1);
    port_host_give_back();
    /* For the set, and not for its pointers, unless they are so few that they are a part of it. */
    port_host_take_all_but(1);
    assert_cannot_create(0, PAGE_SET_FEW * CHUNK + 1);
    create(&one, CHUNK - 1, CHUNK + 1, false);
    page_set_destroy(one.set);
    port_host_give_back();
    port_host_take_all_but(2);
    assert_cannot_create(0, 513 * CHUNK);
    port_host_give_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_it_holds_what_was_put_in),
        SMALL_TEST(test_nothing_where_the_set_is_not),
        SMALL_TEST(test_a_large_range_costs_pointers_only),
        SMALL_TEST(test_a_set_without_memory_of_its_own),
        SMALL_TEST(test_long_operations_yield),
        SMALL_TEST(test_C10_without_memory_it_holds_more_and_never_less),
        SMALL_TEST(test_C10_what_cannot_be_spelled_out_is_told_and_stays),
        SMALL_TEST(test_adding_to_everything_takes_no_memory),
        SMALL_TEST(test_R3_creation_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
