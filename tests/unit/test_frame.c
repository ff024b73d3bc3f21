/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/frame.c: against a flat array, and every wrong use. */
#include "tests/unit/mm_support.h"

enum { MODEL_FRAMES = 2048 };

/* What the allocator must know of each frame. */
static struct {
    bool ours, retired;
    unsigned kind; /* 0: free */
} model[MODEL_FRAMES];

static pfn_t frame(u64 index)
{
    return (pfn_t){ PORT_HOST_BASE + index };
}

static int forget(void **state)
{
    port_host_forget();
    return 0;
}

static bool model_has_free_block(unsigned order)
{
    u64 size = 1ull << order;

    for (u64 first = 0; first + size <= MODEL_FRAMES; first += size) {
        u64 i = 0;

        while (i < size && model[first + i].ours && model[first + i].kind == FRAME_NO_KIND)
            i++;
        if (i == size)
            return true;
    }
    return false;
}

/* The frames were free, and are of a kind now, or the other way round. */
static void model_set(u64 first, u64 count, unsigned kind)
{
    for (u64 i = first; i < first + count; i++) {
        assert_true(model[i].ours);
        assert_int_equal(model[i].kind == FRAME_NO_KIND, kind != FRAME_NO_KIND);
        model[i].kind = kind;
    }
}

static void model_retire(u64 index)
{
    model[index].ours = false;
    model[index].retired = true;
    model[index].kind = FRAME_NO_KIND;
}

static void assert_model_matches(void)
{
    struct frame_stats stats = frame_get_stats();
    u64 total = 0, retired = 0, used[FRAME_KIND_COUNT] = { 0 };

    for (u64 i = 0; i < MODEL_FRAMES; i++) {
        total += model[i].ours;
        retired += model[i].retired;
        used[model[i].kind] += model[i].ours;
        assert_int_equal(frame_kind_of(frame(i)), model[i].ours ? model[i].kind : FRAME_ABSENT);
    }
    assert_int_equal(stats.total, total + retired);
    assert_int_equal(stats.retired, retired);
    assert_int_equal(stats.free, used[FRAME_NO_KIND]);
    for (unsigned kind = FRAME_CONTROL; kind < FRAME_KIND_COUNT; kind++)
        assert_int_equal(stats.used[kind], used[kind]);
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

struct block {
    u64 first;
    unsigned order;
    enum frame_kind kind;
};
static struct block blocks[MODEL_FRAMES];
static unsigned block_count;

static void random_alloc(u64 *seed)
{
    unsigned order = (unsigned)random_below(seed, random_below(seed, 8) == 0 ? 11 : 4);
    enum frame_kind kind = 1 + random_below(seed, FRAME_KIND_COUNT - 1);
    pfn_t pfn;
    bool possible = model_has_free_block(order);
    int error = frame_alloc(order, kind, &pfn);

    /* Free memory is always merged: there is a block exactly where one can be. */
    assert_int_equal(error, possible ? 0 : -ENOMEM);
    if (error != 0)
        return;
    assert_int_equal(pfn.v % (1ull << order), 0);
    model_set(pfn.v - PORT_HOST_BASE, 1ull << order, kind);
    memset(port_frame_address(pfn), 0x5a, PAGE_SIZE);
    blocks[block_count++] = (struct block){ pfn.v - PORT_HOST_BASE, order, kind };
}

/* Halves a block until it is of `order`: the upper or lower half goes on, the other one is a block of its own. */
static struct block random_part(struct block block, unsigned order, u64 *seed)
{
    while (block.order > order) {
        u64 half = 1ull << --block.order;
        u64 upper = random_below(seed, 2);

        blocks[block_count++] = (struct block){ block.first + !upper * half, block.order, block.kind };
        block.first += upper * half;
    }
    return block;
}

/* A block, or a part of one; of single frames some leave for good. */
static void random_free(u64 *seed)
{
    if (block_count == 0)
        return;

    unsigned victim = (unsigned)random_below(seed, block_count);
    struct block block = blocks[victim];
    blocks[victim] = blocks[--block_count];
    block = random_part(block, (unsigned)random_below(seed, block.order + 1), seed);
    if (block.order == 0 && random_below(seed, 40) == 0) {
        frame_retire_allocated(frame(block.first), block.kind);
        model_retire(block.first);
    } else {
        frame_free(frame(block.first), block.order, block.kind);
        model_set(block.first, 1ull << block.order, FRAME_NO_KIND);
    }
}

static void random_retire(u64 *seed)
{
    u64 index = random_below(seed, MODEL_FRAMES);
    int expected = !model[index].ours ? -ENOENT : model[index].kind != FRAME_NO_KIND ? -EBUSY : 0;

    assert_int_equal(frame_retire(frame(index)), expected);
    if (expected == 0)
        model_retire(index);
}

static void run_against_model(u64 seed)
{
    port_host_start_empty(MODEL_FRAMES);
    memset(model, 0, sizeof(model));
    block_count = 0;
    add_random_ranges(&seed);
    assert_model_matches();

    for (unsigned step = 0; step < 3000; step++) {
        if (random_below(&seed, 50) == 0)
            random_retire(&seed);
        else if (random_below(&seed, 5 + 4 * (step / 500 % 2)) < 4)
            random_alloc(&seed);
        else
            random_free(&seed);
        if (step % 50 == 0)
            assert_model_matches();
    }
    while (block_count-- > 0)
        frame_free(frame(blocks[block_count].first), blocks[block_count].order, blocks[block_count].kind);
    assert_int_equal(frame_get_stats().free + frame_get_stats().retired, frame_get_stats().total);
    port_host_forget();
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

/* Takes and gives every frame there is. */
static void assert_all_are_free_but(u64 one, u64 other)
{
    static bool seen[SMALL_RAM];
    pfn_t pfn;

    while (frame_alloc(0, FRAME_TABLE, &pfn) == 0)
        seen[pfn.v - PORT_HOST_BASE] = true;
    for (u64 i = 0; i < SMALL_RAM; i++) {
        assert_int_equal(seen[i], i != one && i != other);
        if (seen[i])
            frame_free(frame(i), 0, FRAME_TABLE);
    }
    assert_int_equal(frame_get_stats().free, SMALL_RAM - 2);
    assert_int_equal(frame_alloc(12, FRAME_TABLE, &pfn), -ENOMEM);
}

static void test_retired_frames_never_come_back(void **state)
{
    pfn_t block;

    assert_int_equal(frame_alloc(2, FRAME_GUEST, &block), 0);
    assert_int_equal(frame_retire((pfn_t){ block.v + 1 }), -EBUSY);
    frame_retire_allocated((pfn_t){ block.v + 1 }, FRAME_GUEST);
    assert_true(ASSERTS(frame_retire_allocated((pfn_t){ block.v + 1 }, FRAME_GUEST)));
    assert_true(ASSERTS(frame_retire_allocated((pfn_t){ block.v + 2 }, FRAME_TABLE)));
    assert_true(ASSERTS(frame_free((pfn_t){ block.v + 1 }, 0, FRAME_GUEST)));
    assert_true(ASSERTS(frame_free(block, 2, FRAME_GUEST)));
    frame_free(block, 0, FRAME_GUEST);
    frame_free((pfn_t){ block.v + 2 }, 1, FRAME_GUEST);
    assert_int_equal(frame_retire(frame(1234)), 0);
    assert_int_equal(frame_retire(frame(1234)), -ENOENT);
    assert_int_equal(frame_retire(frame(SMALL_RAM)), -ENOENT);
    assert_int_equal(frame_retire(frame(-1ull)), -ENOENT);
    assert_int_equal(frame_kind_of(frame(SMALL_RAM)), FRAME_ABSENT);
    assert_true(ASSERTS(frame_add(frame(1234), 1)));
    assert_int_equal(frame_get_stats().retired, 2);
    assert_all_are_free_but(1234, block.v + 1 - PORT_HOST_BASE);
}

/* The guests' share shrinks; a promise is not worth a bad frame. */
static void test_retiring_takes_from_what_is_reserved(void **state)
{
    assert_int_equal(frame_reserve(SMALL_RAM), 0);
    assert_int_equal(frame_retire(frame(0)), 0);
    assert_int_equal(frame_free_for_guests(), 0);
    frame_unreserve(SMALL_RAM);
    assert_int_equal(frame_free_for_guests(), SMALL_RAM - 1);
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
        cmocka_unit_test_setup_teardown(test_retired_frames_never_come_back, start_small, forget),
        cmocka_unit_test_setup_teardown(test_retiring_takes_from_what_is_reserved, start_small, forget),
        SMALL_TEST(test_failure_leaves_the_result_alone),
        SMALL_TEST(test_reserve_is_left_free),
        cmocka_unit_test(test_largest_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
