/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/mapping_level.c: against the definition, page by page. */
#include "tests/unit/mm_support.h"

#include "mm/mapping_level.h"

/* C5 as it is written: every page of the large page is in the slot, and at the same offset of a piece. */
static bool possible(const struct memslot *slot, u64 gfn, enum level level, enum level piece)
{
    u64 pages = level_pages(level);
    u64 first = gfn / pages * pages;

    if (level == LEVEL_4K)
        return true;
    if (level > piece || level > slot->largest)
        return false;
    for (u64 i = 0; i < pages; i++) {
        u64 at = first + i;

        if (at < slot->base.v || at >= slot->base.v + slot->npages)
            return false;
        if ((slot->offset + (at - slot->base.v)) % pages != at % pages)
            return false;
    }
    return true;
}

static void test_C5_C9_matches_the_definition(void **state)
{
    u64 seed = 23;
    unsigned large = 0;

    mm_init(&port_host_caps);
    for (unsigned i = 0; i < 4000; i++) {
        /* Often aligned, often nearly. */
        struct memslot slot = {
            .base = { random_below(&seed, 4) * 256 + (random_below(&seed, 2) ? 0 : random_below(&seed, 3)) },
            .offset = random_below(&seed, 4) * 256 + (random_below(&seed, 2) ? 0 : random_below(&seed, 3)),
            .npages = 1 + random_below(&seed, 4) * 256 + random_below(&seed, 700),
            .largest = LEVEL_4K + (enum level)random_below(&seed, 3),
        };
        u64 gfn = slot.base.v + random_below(&seed, slot.npages);
        enum level piece = LEVEL_4K + (enum level)random_below(&seed, 3);
        enum level level = mapping_level(&slot, NULL, (gfn_t){ gfn }, piece);

        assert_true(possible(&slot, gfn, level, piece));
        if (level < LEVEL_2M)
            assert_false(possible(&slot, gfn, LEVEL_2M, piece));
        large += level == LEVEL_2M;
    }
    assert_true(large > 100);
}

static void test_C5_one_gigabyte(void **state)
{
    struct memslot slot = { .base = { 1ull << 18 }, .offset = 0, .npages = 1ull << 18, .largest = LEVEL_1G };
    gfn_t gfn = { (1ull << 18) + 5 };

    mm_init(&port_host_caps);
    assert_int_equal(mapping_level(&slot, NULL, gfn, LEVEL_1G), LEVEL_1G);
    assert_int_equal(mapping_level(&slot, NULL, gfn, LEVEL_2M), LEVEL_2M);
    slot.npages--;
    assert_int_equal(mapping_level(&slot, NULL, gfn, LEVEL_1G), LEVEL_2M);
    assert_int_equal(mapping_level(&slot, NULL, (gfn_t){ (2ull << 18) - 2 }, LEVEL_1G), LEVEL_4K);
    slot.npages++;
    slot.offset = 512;
    assert_int_equal(mapping_level(&slot, NULL, gfn, LEVEL_1G), LEVEL_2M);
    slot.offset = 511;
    assert_int_equal(mapping_level(&slot, NULL, gfn, LEVEL_1G), LEVEL_4K);
}

static void test_C9_processor_limits(void **state)
{
    struct memslot slot = { .base = { 0 }, .offset = 0, .npages = 1ull << 18, .largest = LEVEL_1G };
    struct mm_caps caps = port_host_caps;

    caps.page_1g = false;
    mm_init(&caps);
    assert_int_equal(mapping_level(&slot, NULL, (gfn_t){ 9 }, LEVEL_1G), LEVEL_2M);
    caps.page_2m = false;
    mm_init(&caps);
    assert_int_equal(mapping_level(&slot, NULL, (gfn_t){ 9 }, LEVEL_1G), LEVEL_4K);
    caps.page_1g = true;
    mm_init(&caps);
    assert_int_equal(mapping_level(&slot, NULL, (gfn_t){ 9 }, LEVEL_1G), LEVEL_1G);
    assert_int_equal(mapping_level(&slot, NULL, (gfn_t){ 9 }, LEVEL_2M), LEVEL_4K);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C5_C9_matches_the_definition),
        cmocka_unit_test(test_C5_one_gigabyte),
        cmocka_unit_test(test_C9_processor_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
