/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/backing.c and mm/backing_map.c: the map, its pieces, memory in every state of fragmentation, and who is faster. */
#include "tests/unit/mm_support.h"

#include "mm/backing_object.h"

/* Every page has a frame of its own, of zeros, with the offset of its piece; counts the pieces. */
static void check_filled(const struct backing *backing, u64 pieces[LEVEL_1G + 1])
{
    u64 npages = backing_pages(backing);
    u8 *seen = calloc(port_host.frames, 1);

    memset(pieces, 0, (LEVEL_1G + 1) * sizeof(*pieces));
    for (u64 page = 0; page < npages; page++) {
        struct backing_page found;

        assert_int_equal(backing_lookup(backing, page, &found), 0);
        assert_int_equal((found.pfn.v ^ page) & (level_pages(found.level) - 1), 0);
        assert_true(found.writable);
        assert_false(seen[found.pfn.v - PORT_HOST_BASE]++);
        pieces[found.level] += page % level_pages(found.level) == 0;
        const u64 *words = port_frame_address(found.pfn);
        for (unsigned i = 0; i < PAGE_SIZE / sizeof(u64); i++)
            assert_int_equal(words[i], 0);
    }
    free(seen);
}

static void test_filled_in_the_largest_pieces(void **state)
{
    u64 pieces[LEVEL_1G + 1];
    struct backing *backing = new_backing(3 * 512 + 7, 0);

    check_filled(backing, pieces);
    assert_int_equal(pieces[LEVEL_2M], 3);
    assert_int_equal(pieces[LEVEL_4K], 7);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 3 * 512 + 7);
    assert_int_equal(backing_audit_frames(), 3 * 512 + 7);
    /* The object, a node of 2M entries, a node of 4K entries. */
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 3);
    backing_put(backing);
}

static void test_sizes_around_a_piece(void **state)
{
    static const u64 sizes[] = { 1, 2, 511, 512, 513, 1023, 1024, 1025 };

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        u64 pieces[LEVEL_1G + 1];
        struct backing *backing = new_backing(sizes[i], 0);

        check_filled(backing, pieces);
        assert_int_equal(pieces[LEVEL_2M], sizes[i] / 512);
        assert_int_equal(pieces[LEVEL_4K], sizes[i] % 512);
        backing_put(backing);
    }
}

static void test_one_page_needs_no_node(void **state)
{
    struct backing *backing = new_backing(1, 0);

    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 1);
    backing_put(backing);
}

static void test_fragmented_memory_gives_smaller_pieces(void **state)
{
    u64 pieces[LEVEL_1G + 1];

    port_host_take_all_but(1200);
    struct backing *backing = new_backing(1024, 0);
    check_filled(backing, pieces);
    assert_int_equal(pieces[LEVEL_2M], 0);
    assert_int_equal(pieces[LEVEL_4K], 1024);
    backing_put(backing);
    port_host_give_back();
}

static void test_some_large_pieces_are_free(void **state)
{
    u64 pieces[LEVEL_1G + 1];
    pfn_t block;

    assert_int_equal(frame_alloc(9, FRAME_CONTROL, &block), 0);
    port_host_take_all_but(1200);
    frame_free(block, 9, FRAME_CONTROL);
    struct backing *backing = new_backing(1024, 0);
    check_filled(backing, pieces);
    assert_int_equal(pieces[LEVEL_2M], 1);
    assert_int_equal(pieces[LEVEL_4K], 512);
    backing_put(backing);
    port_host_give_back();
}

static void test_R3_all_or_nothing(void **state)
{
    int error = -ENOMEM;
    u64 free = 0;

    for (; error != 0; free++) {
        struct backing *backing = NULL;

        port_host_take_all_but(free);
        struct frame_stats before = frame_get_stats();
        error = backing_create(600, 0, &backing);
        if (error != 0) {
            struct frame_stats after = frame_get_stats();

            assert_int_equal(error, -ENOMEM);
            assert_null(backing);
            assert_memory_equal(&before, &after, sizeof(before));
        } else {
            backing_put(backing);
        }
        port_host_give_back();
    }
    /* 600 pages, two nodes of 4K entries, one of 2M entries, the object. */
    assert_int_equal(free - 1, 604);
}

static void test_on_demand_begins_empty(void **state)
{
    struct backing *backing = new_backing(1ull << 30, BACKING_ON_DEMAND);
    struct backing_page found = { .pfn = { 1 } };

    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 0);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 1);
    assert_int_equal(backing_lookup(backing, 12345, &found), -ENOENT);
    assert_int_equal(found.pfn.v, 1);
    assert_int_equal(found.level, 0);
    backing_put(backing);
}

static void test_on_demand_fills_what_the_caller_can_map(void **state)
{
    struct backing *backing = new_backing(1ull << 20, BACKING_ON_DEMAND);
    struct backing_page found, again;

    assert_int_equal(backing_resolve(backing, 1000, LEVEL_1G, false, &found), 0);
    assert_int_equal(found.level, LEVEL_2M);
    assert_int_equal(found.pfn.v % 512, 1000 % 512);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 512);
    assert_int_equal(backing_resolve(backing, 5000, LEVEL_4K, false, &found), 0);
    assert_int_equal(found.level, LEVEL_4K);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 513);
    /* What is there stays: neither more nor larger. */
    assert_int_equal(backing_resolve(backing, 5000, LEVEL_1G, false, &again), 0);
    assert_int_equal(again.pfn.v, found.pfn.v);
    assert_int_equal(found.level, LEVEL_4K);
    assert_int_equal(backing_resolve(backing, 5001, LEVEL_1G, false, &found), 0);
    assert_int_equal(found.level, LEVEL_4K);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 514);
    assert_int_equal(backing_lookup(backing, 1023, &found), 0);
    assert_int_equal(found.level, LEVEL_2M);
    assert_int_equal(backing_lookup(backing, 5002, &found), -ENOENT);
    assert_int_equal(backing_audit_frames(), 514);
    backing_put(backing);
}

static void test_on_demand_never_more_than_2m_at_once(void **state)
{
    struct backing_page found;

    port_host_start((1ull << 18) + 1024);
    struct backing *backing = new_backing(1ull << 18, BACKING_ON_DEMAND);
    assert_int_equal(backing_resolve(backing, 99999, LEVEL_1G, false, &found), 0);
    assert_int_equal(found.level, LEVEL_2M);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 512);
    assert_int_equal(port_host.yields, 0); /* the caller may be in a fault */
    backing_put(backing);
    port_host_stop();
}

static void test_on_demand_stays_within_the_extent(void **state)
{
    struct backing *backing = new_backing(512 + 511, BACKING_ON_DEMAND);
    struct backing_page found;

    assert_int_equal(backing_resolve(backing, 1022, LEVEL_2M, false, &found), 0);
    assert_int_equal(found.level, LEVEL_4K);
    assert_int_equal(backing_resolve(backing, 0, LEVEL_2M, false, &found), 0);
    assert_int_equal(found.level, LEVEL_2M);
    backing_put(backing);
}

static void test_on_demand_every_page_is_zeros(void **state)
{
    struct backing *backing = new_backing(1100, BACKING_ON_DEMAND);
    u64 pieces[LEVEL_1G + 1], seed = 3;
    struct backing_page found;

    for (u64 i = 0; i < 1100; i++) {
        u64 page = i * 701 % 1100;

        assert_int_equal(backing_resolve(backing, page, random_below(&seed, 40) ? LEVEL_4K : LEVEL_2M, false, &found),
                         0);
    }
    check_filled(backing, pieces);
    backing_put(backing);
}

static void test_R3_on_demand_failure_keeps_nothing(void **state)
{
    struct backing *backing = new_backing(1ull << 20, BACKING_ON_DEMAND);
    struct backing_page found;
    u64 free = 0;
    int error;

    do {
        port_host_take_all_but(free);
        struct frame_stats before = frame_get_stats();
        error = backing_resolve(backing, 777777, LEVEL_2M, false, &found);
        struct frame_stats after = frame_get_stats();
        if (error != 0)
            assert_memory_equal(&before, &after, sizeof(before));
        port_host_give_back();
        free++;
    } while (error == -ENOMEM);
    assert_int_equal(error, 0);
    /* The page, and nodes of 4K, 2M and 1G entries. */
    assert_int_equal(free - 1, 4);
    backing_put(backing);
}

static void test_wrong_sizes(void **state)
{
    struct backing *backing = NULL;

    assert_int_equal(backing_create(0, 0, &backing), -EINVAL);
    assert_int_equal(backing_create(~0ull, BACKING_ON_DEMAND, &backing), -EINVAL);
    assert_int_equal(backing_create((1ull << 36) + 1, BACKING_ON_DEMAND, &backing), -EINVAL);
    assert_int_equal(backing_create(1, 1u << 31, &backing), -EINVAL);
    assert_null(backing);
    assert_int_equal(backing_create(1ull << 36, BACKING_ON_DEMAND, &backing), 0);
    backing_put(backing);

    u64 yields = port_host.yields;
    assert_int_equal(backing_create(1ull << 36, 0, &backing), -ENOMEM);
    assert_int_equal(port_host.yields, yields); /* refused before any work */
}

static void test_extents_are_apart_and_aligned(void **state)
{
    struct backing *a = new_backing(1, BACKING_ON_DEMAND);
    struct backing *b = new_backing((1ull << 18) + 1, BACKING_ON_DEMAND);
    struct backing *c = new_backing(1, BACKING_ON_DEMAND);

    assert_int_equal(backing_hva(a).v % (1ull << 30), 0);
    assert_true(backing_hva(a).v + PAGE_SIZE <= backing_hva(b).v);
    assert_int_equal(backing_hva(b).v % (1ull << 30), 0);
    assert_true(backing_hva(b).v + ((1ull << 30) + PAGE_SIZE) <= backing_hva(c).v);
    backing_put(b);
    backing_put(a);
    backing_put(c);
}

static void test_M8_references(void **state)
{
    struct backing *backing = new_backing(3, 0);

    backing_get(backing);
    backing_put(backing);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 3);
    backing_put(backing);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 0);
}

/* Does something at the n-th atomic operation of what is going on: another processor is faster there. */
static struct {
    struct backing *backing;
    u64 page;
    enum level largest;
    unsigned countdown;
} rival;

static void rival_fills(const void *word)
{
    struct backing_page found;

    if (rival.countdown == 0 || --rival.countdown != 0)
        return;
    assert_int_equal(backing_resolve(rival.backing, rival.page, rival.largest, false, &found), 0);
}

/* Both processors find the same, and what the slower one had prepared is not lost. */
static void race(u64 page, enum level largest, u64 rival_page, enum level rival_largest)
{
    unsigned at = 0;

    do {
        struct backing *backing = new_backing(1ull << 20, BACKING_ON_DEMAND);
        struct backing_page found, again;
        u64 seen = 0;

        rival.backing = backing;
        rival.page = rival_page;
        rival.largest = rival_largest;
        rival.countdown = ++at;
        port_host.on_point = rival_fills;
        assert_int_equal(backing_resolve(backing, page, largest, true, &found), 0);
        port_host.on_point = NULL;
        assert_int_equal(backing_lookup(backing, page, &again), 0);
        assert_int_equal(found.pfn.v, again.pfn.v);
        assert_int_equal(found.level, again.level);
        for (unsigned i = 0; i < PAGE_SIZE / sizeof(u64); i++)
            seen |= ((const u64 *)port_frame_address(found.pfn))[i];
        assert_int_equal(seen, 0);
        assert_int_equal(frame_get_stats().used[FRAME_GUEST], backing_audit_frames());
        backing_put(backing);
        assert_int_equal(frame_get_stats().free, SMALL_RAM);
    } while (rival.countdown == 0);
    /* One at the root, at most three at the levels below, the exchange. */
    assert_true(at > 2);
}

static void test_R3_the_slower_one_gives_all_back(void **state)
{
    race(1000, LEVEL_2M, 1000, LEVEL_2M);
    race(1000, LEVEL_2M, 1001, LEVEL_4K);
    race(1000, LEVEL_4K, 1001, LEVEL_2M);
    race(1000, LEVEL_4K, 1000, LEVEL_4K);
    race(1000, LEVEL_4K, 1ull << 19, LEVEL_4K);
}

static void test_a_piece_of_1g(void **state)
{
    struct backing_page found;

    port_host_start((1ull << 18) + 1024);
    struct backing *backing = new_backing((1ull << 18) + 1, 0);
    assert_int_equal(backing_lookup(backing, 54321, &found), 0);
    assert_int_equal(found.level, LEVEL_1G);
    assert_int_equal(found.pfn.v % (1ull << 18), 54321);
    assert_int_equal(backing_lookup(backing, 1ull << 18, &found), 0);
    assert_int_equal(found.level, LEVEL_4K);
    assert_int_equal(backing_audit_frames(), (1ull << 18) + 1);
    backing_put(backing);
    port_host_stop();
}

static void test_a_frame_is_found_from_there_on(void **state)
{
    struct backing *backing = new_backing(1030, 0);
    struct backing_page found;

    for (u64 page = 0; page < 1030; page += 103) {
        assert_int_equal(backing_lookup(backing, page, &found), 0);
        assert_int_equal(map_find_frame(&backing->map, 0, found.pfn), page);
        assert_int_equal(map_find_frame(&backing->map, page, found.pfn), page);
        assert_int_equal(map_find_frame(&backing->map, page + 1, found.pfn), 1030);
    }
    /* A hole has no frame 0. */
    struct backing *empty = new_backing(1030, BACKING_ON_DEMAND);
    assert_int_equal(map_find_frame(&empty->map, 0, (pfn_t){ 0 }), 1030);
    backing_put(empty);
    backing_put(backing);
}

static unsigned count_backings(void)
{
    unsigned count = 0;

    for (struct backing *backing = backing_next(NULL); backing != NULL; backing = backing_next(backing))
        count++;
    return count;
}

static void test_the_list_keeps_what_is_looked_at(void **state)
{
    assert_int_equal(count_backings(), 0);

    struct backing *old = new_backing(3, 0);
    struct backing *young = new_backing(5, 0);
    assert_int_equal(count_backings(), 2);

    /* Its owner lets go of the one that is being looked at: it stays until the next step. */
    struct backing *at = backing_next(NULL);
    struct backing *other = at == old ? young : old;
    u64 pages = backing_pages(at);
    backing_put(at);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 8);
    assert_ptr_equal(backing_next(at), other);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 8 - pages);
    assert_null(backing_next(other));
    assert_int_equal(count_backings(), 1);
    backing_put(other);
    assert_int_equal(count_backings(), 0);
}

static struct backing *found_dying;

static void look_at_the_list(void)
{
    found_dying = backing_next(NULL);
}

static void test_M8_nobody_revives_a_dying_backing(void **state)
{
    struct backing *backing = new_backing(3, 0);

    /* While its frames go it is not found any more. */
    port_host.on_yield = look_at_the_list;
    found_dying = backing;
    backing_put(backing);
    port_host.on_yield = NULL;
    assert_null(found_dying);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 0);

    /* The moment before it leaves the list. */
    backing = new_backing(3, 0);
    backing->references = 0;
    assert_null(backing_next(NULL));
    assert_int_equal(backing->references, 0);
    assert_true(ASSERTS(backing_put(backing)));
    backing->references = 1;
    backing_put(backing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_filled_in_the_largest_pieces),
        SMALL_TEST(test_sizes_around_a_piece),
        SMALL_TEST(test_one_page_needs_no_node),
        SMALL_TEST(test_fragmented_memory_gives_smaller_pieces),
        SMALL_TEST(test_some_large_pieces_are_free),
        SMALL_TEST(test_R3_all_or_nothing),
        SMALL_TEST(test_on_demand_begins_empty),
        SMALL_TEST(test_on_demand_fills_what_the_caller_can_map),
        cmocka_unit_test(test_on_demand_never_more_than_2m_at_once),
        SMALL_TEST(test_on_demand_stays_within_the_extent),
        SMALL_TEST(test_on_demand_every_page_is_zeros),
        SMALL_TEST(test_R3_on_demand_failure_keeps_nothing),
        SMALL_TEST(test_wrong_sizes),
        SMALL_TEST(test_extents_are_apart_and_aligned),
        SMALL_TEST(test_M8_references),
        SMALL_TEST(test_R3_the_slower_one_gives_all_back),
        cmocka_unit_test(test_a_piece_of_1g),
        SMALL_TEST(test_a_frame_is_found_from_there_on),
        SMALL_TEST(test_the_list_keeps_what_is_looked_at),
        SMALL_TEST(test_M8_nobody_revives_a_dying_backing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
