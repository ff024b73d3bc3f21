/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/frame.c: against a flat array, and every wrong use. */
#include "tests/unit/mm_support.h"

enum { MODEL_FRAMES = 2048 };

/* What the allocator must know of each frame. */
static struct {
    bool ours, used;
} model[MODEL_FRAMES];

static pfn_t frame(u64 index)
{
    return (pfn_t){ PORT_HOST_BASE + index };
}

static bool model_has_free_block(unsigned order)
{
    u64 size = 1ull << order;

    for (u64 first = 0; first + size <= MODEL_FRAMES; first += size) {
        u64 i = 0;

        while (i < size && model[first + i].ours && !model[first + i].used)
            i++;
        if (i == size)
            return true;
    }
    return false;
}

static void model_set(u64 first, u64 count, bool used)
{
    for (u64 i = first; i < first + count; i++) {
        assert_true(model[i].ours);
        assert_int_equal(model[i].used, !used);
        model[i].used = used;
    }
}

static void assert_counts_match(void)
{
    struct frame_stats stats = frame_get_stats();
    u64 total = 0, used = 0, counted = 0;

    for (u64 i = 0; i < MODEL_FRAMES; i++) {
        total += model[i].ours;
        used += model[i].used;
    }
    for (unsigned kind = 0; kind < FRAME_KIND_COUNT; kind++)
        counted += stats.used[kind];
    assert_int_equal(stats.total, total);
    assert_int_equal(stats.free, total - used);
    assert_int_equal(counted, used);
}

/* Ranges of random length with gaps of random length, added in an order that jumps about. */
static void add_random_ranges(u64 *seed)
{
    struct {
        u64 first, count;
    } ranges[64];
    unsigned count = 0;

    for (u64 at = random_below(seed, 30); at < MODEL_FRAMES - 1 && count < 64; count++) {
        ranges[count].first = at;
        ranges[count].count = 1 + random_below(seed, count % 4 == 0 ? 700 : 40);
        if (at + ranges[count].count > MODEL_FRAMES)
            ranges[count].count = MODEL_FRAMES - at;
        /* Sometimes the next range follows without a gap. */
        at += ranges[count].count + (random_below(seed, 3) == 0 ? 0 : random_below(seed, 20));
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned other = (unsigned)random_below(seed, count);
        typeof(ranges[0]) range = ranges[i];

        ranges[i] = ranges[other];
        ranges[other] = range;
    }
    for (unsigned i = 0; i < count; i++) {
        frame_add(frame(ranges[i].first), ranges[i].count);
        for (u64 j = 0; j < ranges[i].count; j++)
            model[ranges[i].first + j].ours = true;
    }
}

static void run_against_model(u64 seed)
{
    struct {
        u64 first;
        unsigned order;
        enum frame_kind kind;
    } blocks[MODEL_FRAMES];
    unsigned count = 0;

    port_host_start_empty(MODEL_FRAMES);
    memset(model, 0, sizeof(model));
    add_random_ranges(&seed);
    assert_counts_match();

    for (unsigned step = 0; step < 3000; step++) {
        if (random_below(&seed, 5 + 4 * (step / 500 % 2)) < 4) {
            unsigned order = (unsigned)random_below(&seed, random_below(&seed, 8) == 0 ? 11 : 4);
            enum frame_kind kind = 1 + random_below(&seed, FRAME_KIND_COUNT - 1);
            pfn_t pfn;
            bool possible = model_has_free_block(order);
            int error = frame_alloc(order, kind, &pfn);

            /* Free memory is always merged: there is a block exactly where one can be. */
            assert_int_equal(error, possible ? 0 : -ENOMEM);
            if (error != 0)
                continue;
            assert_int_equal(pfn.v % (1ull << order), 0);
            model_set(pfn.v - PORT_HOST_BASE, 1ull << order, true);
            memset(port_frame_address(pfn), 0x5a, PAGE_SIZE);
            blocks[count].first = pfn.v - PORT_HOST_BASE;
            blocks[count].order = order;
            blocks[count++].kind = kind;
        } else if (count > 0) {
            unsigned victim = (unsigned)random_below(&seed, count);
            typeof(blocks[0]) block = blocks[victim];

            if (block.order > 0 && random_below(&seed, 2) == 0) {
                /* One half goes, the other one stays as a block. */
                u64 half = 1ull << (block.order - 1);
                u64 upper = random_below(&seed, 2);

                frame_free(frame(block.first + upper * half), block.order - 1, block.kind);
                model_set(block.first + upper * half, half, false);
                blocks[victim].order--;
                blocks[victim].first += !upper * half;
            } else {
                frame_free(frame(block.first), block.order, block.kind);
                model_set(block.first, 1ull << block.order, false);
                blocks[victim] = blocks[--count];
            }
        }
        if (step % 100 == 0)
            assert_counts_match();
    }
    while (count-- > 0)
        frame_free(frame(blocks[count].first), blocks[count].order, blocks[count].kind);
    port_host_stop();
}

static void test_random_operations_match_the_model(void **state)
{
    for (u64 seed = 1; seed <= 20; seed++)
        run_against_model(seed);
}

static void test_same_calls_same_answers(void **state)
{
    pfn_t answers[2][300];

    for (int run = 0; run < 2; run++) {
        u64 seed = 99;

        port_host_start(SMALL_RAM);
        for (int i = 0; i < 300; i++) {
            unsigned order = (unsigned)random_below(&seed, 4);

            assert_int_equal(frame_alloc(order, FRAME_GUEST, &answers[run][i]), 0);
            if (i % 3 == 0)
                frame_free(answers[run][i], order, FRAME_GUEST);
        }
        for (int i = 0; i < 300; i++)
            assert_int_equal(answers[run][i].v, answers[0][i].v);
        port_host_forget();
    }
}

static void test_whole_range_merges_again(void **state)
{
    static pfn_t pfns[SMALL_RAM];
    pfn_t block;

    for (u64 i = 0; i < SMALL_RAM; i++)
        assert_int_equal(frame_alloc(0, FRAME_TABLE, &pfns[i]), 0);
    assert_int_equal(frame_alloc(0, FRAME_TABLE, &block), -ENOMEM);
    for (u64 i = 0; i < SMALL_RAM; i++)
        frame_free(pfns[i * 1009 % SMALL_RAM], 0, FRAME_TABLE);
    assert_int_equal(frame_alloc(12, FRAME_GUEST, &block), 0);
    assert_int_equal(block.v, PORT_HOST_BASE);
    frame_free(block, 12, FRAME_GUEST);
}

static void test_split_block_is_freed_in_pieces(void **state)
{
    pfn_t block;

    assert_int_equal(frame_alloc(9, FRAME_GUEST, &block), 0);
    frame_free((pfn_t){ block.v + 511 }, 0, FRAME_GUEST);
    frame_free((pfn_t){ block.v + 256 }, 7, FRAME_GUEST);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 512 - 1 - 128);
    assert_true(ASSERTS(frame_free(block, 9, FRAME_GUEST)));
    frame_free(block, 8, FRAME_GUEST);
    for (u64 i = 384; i < 511; i++)
        frame_free((pfn_t){ block.v + i }, 0, FRAME_GUEST);
    assert_int_equal(frame_get_stats().free, SMALL_RAM);
}

static void test_M8_wrong_frees_assert(void **state)
{
    pfn_t pfn, out;

    assert_int_equal(frame_alloc(3, FRAME_GUEST, &pfn), 0);
    assert_true(ASSERTS(frame_free(pfn, 3, FRAME_TABLE)));
    assert_true(ASSERTS(frame_free(pfn, 4, FRAME_GUEST)));
    assert_true(ASSERTS(frame_free((pfn_t){ pfn.v + 1 }, 1, FRAME_GUEST)));
    assert_true(ASSERTS(frame_free((pfn_t){ PORT_HOST_BASE - 1 }, 0, FRAME_GUEST)));
    assert_true(ASSERTS(frame_free((pfn_t){ PORT_HOST_BASE + SMALL_RAM }, 0, FRAME_GUEST)));
    assert_true(ASSERTS(frame_add(pfn, 1)));
    assert_true(ASSERTS(frame_alloc(0, (enum frame_kind)0, &out)));
    assert_true(ASSERTS(frame_alloc(FRAME_MAX_ORDER + 1, FRAME_GUEST, &out)));
    frame_free(pfn, 3, FRAME_GUEST);
    assert_true(ASSERTS(frame_free(pfn, 3, FRAME_GUEST)));
    assert_true(ASSERTS(frame_free((pfn_t){ pfn.v + 2 }, 0, FRAME_GUEST)));
}

static void test_failure_leaves_the_result_alone(void **state)
{
    pfn_t pfn = { 42 };

    assert_int_equal(frame_alloc(13, FRAME_GUEST, &pfn), -ENOMEM);
    assert_int_equal(pfn.v, 42);
    assert_int_equal(frame_get_stats().free, SMALL_RAM);
}

/* What is reserved is there for everything but guests' memory. */
static void test_reserve_is_left_free(void **state)
{
    pfn_t pfns[SMALL_RAM], table;
    u64 count = 0;

    assert_int_equal(frame_reserve(SMALL_RAM + 1), -ENOMEM);
    assert_int_equal(frame_reserve(10), 0);
    assert_int_equal(frame_reserve(SMALL_RAM - 9), -ENOMEM);
    assert_int_equal(frame_free_for_guests(), SMALL_RAM - 10);
    while (frame_alloc(0, FRAME_GUEST, &pfns[count]) == 0)
        count++;
    assert_int_equal(count, SMALL_RAM - 10);
    assert_int_equal(frame_free_for_guests(), 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(frame_alloc(0, FRAME_TABLE, &pfns[count + i]), 0);
    assert_int_equal(frame_alloc(0, FRAME_TABLE, &table), -ENOMEM);
    assert_int_equal(frame_free_for_guests(), 0); /* nor when more than the rest is reserved */
    frame_unreserve(10);
    assert_true(ASSERTS(frame_unreserve(1)));
    for (unsigned i = 0; i < 10; i++)
        frame_free(pfns[count + i], 0, FRAME_TABLE);
    assert_int_equal(frame_alloc(3, FRAME_GUEST, &table), 0);
    frame_free(table, 3, FRAME_GUEST);
    while (count--)
        frame_free(pfns[count], 0, FRAME_GUEST);
}

static void test_largest_blocks(void **state)
{
    pfn_t one, two, small;

    port_host_start((2ull << FRAME_MAX_ORDER) + 5);
    assert_int_equal(frame_alloc(FRAME_MAX_ORDER, FRAME_GUEST, &one), 0);
    assert_int_equal(frame_alloc(FRAME_MAX_ORDER, FRAME_GUEST, &two), 0);
    assert_int_equal(frame_alloc(FRAME_MAX_ORDER, FRAME_GUEST, &small), -ENOMEM);
    assert_int_equal(frame_alloc(2, FRAME_TABLE, &small), 0);
    frame_free(small, 2, FRAME_TABLE);
    frame_free((pfn_t){ two.v + 12345 }, 0, FRAME_GUEST);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], (2ull << FRAME_MAX_ORDER) - 1);
    assert_int_equal(frame_alloc(0, FRAME_GUEST, &small), 0);
    assert_int_equal(frame_alloc(0, FRAME_GUEST, &(pfn_t){ 0 }), 0);
    port_host_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_match_the_model),
        cmocka_unit_test(test_same_calls_same_answers),
        SMALL_TEST(test_whole_range_merges_again),
        SMALL_TEST(test_split_block_is_freed_in_pieces),
        SMALL_TEST(test_M8_wrong_frees_assert),
        SMALL_TEST(test_failure_leaves_the_result_alone),
        SMALL_TEST(test_reserve_is_left_free),
        cmocka_unit_test(test_largest_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
