/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/shadow_hash.c alone: the whole key, the references, and what it does without memory. */
#include "tests/unit/mm_support.h"

#include "mm/shadow_hash.h"

static struct shadow_page *new_page(u64 gfn, unsigned level, unsigned view, u64 generation)
{
    struct shadow_page *page = shadow_page_alloc();

    assert_non_null(page);
    page->gfn = (gfn_t){ gfn };
    page->role = (union role){ .level = level & 15, .view = view & 0xffff };
    page->generation = generation;
    page->references = 1;
    return page;
}

static void test_H2_equal_keys_are_one_table(void **state)
{
    struct shadow_hash *hash = shadow_hash_create(10);
    struct shadow_page *page = new_page(512, 1, 3, 7), *same = new_page(512, 1, 3, 7);

    assert_null(shadow_hash_find(hash, page));
    assert_ptr_equal(shadow_hash_find_or_add(hash, page), page);
    assert_int_equal(page->references, 1);
    assert_ptr_equal(shadow_hash_find_or_add(hash, same), page);
    assert_int_equal(page->references, 2);
    assert_int_equal(shadow_hash_count(hash), 1);
    assert_ptr_equal(shadow_hash_find(hash, same), page);
    assert_int_equal(page->references, 2);
    assert_false(shadow_hash_put(hash, page));
    assert_ptr_equal(shadow_hash_find(hash, same), page);
    assert_true(ASSERTS(shadow_hash_destroy(hash)));
    assert_true(shadow_hash_put(hash, page));
    assert_null(shadow_hash_find(hash, same));
    assert_ptr_equal(shadow_hash_find_or_add(hash, same), same);
    assert_true(shadow_hash_put(hash, same));
    shadow_hash_destroy(hash);
    shadow_page_free(page);
    shadow_page_free(same);
}

static void test_H3_G1_each_part_of_the_key_counts(void **state)
{
    struct shadow_hash *hash = shadow_hash_create(10);
    struct shadow_page *pages[] = {
        new_page(1ull << 18, 1, 3, 7), new_page((1ull << 18) + 512, 1, 3, 7), new_page(1ull << 18, 2, 3, 7),
        new_page(1ull << 18, 1, 2, 7), new_page(1ull << 18, 1, 0, 7),         new_page(1ull << 18, 1, 3, 6),
    };
    enum { COUNT = sizeof(pages) / sizeof(pages[0]) };

    hash->mask = 0; /* all in one chain, so that the key decides and not the bucket */
    for (unsigned i = 0; i < COUNT; i++)
        assert_ptr_equal(shadow_hash_find_or_add(hash, pages[i]), pages[i]);
    assert_int_equal(shadow_hash_count(hash), COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(pages[i]->references, 1);
        assert_ptr_equal(shadow_hash_find(hash, pages[i]), pages[i]);
        assert_true(shadow_hash_put(hash, pages[i]));
        shadow_page_free(pages[i]);
    }
    hash->mask = 511;
    shadow_hash_destroy(hash);
}

/* Chains: 600 tables, two thirds of which are of neighbours, come and go in any order. */
static void test_chains_lose_nobody(void **state)
{
    enum { COUNT = 600 };
    static struct shadow_page *pages[COUNT];
    static bool present[COUNT];
    struct shadow_hash *hash = shadow_hash_create(0);
    u64 seed = 5, count = 0;

    assert_int_equal(hash->order, 0);
    hash->mask = 15; /* long chains */
    for (u64 i = 0; i < COUNT; i++) {
        pages[i] = new_page(512 * (i / 3), 1, i % 3, 0);
        present[i] = false;
    }
    for (unsigned round = 0; round < 5000; round++) {
        u64 i = random_below(&seed, COUNT);

        if (present[i]) {
            assert_true(shadow_hash_put(hash, pages[i]));
        } else {
            pages[i]->references = 1;
            assert_ptr_equal(shadow_hash_find_or_add(hash, pages[i]), pages[i]);
        }
        present[i] = !present[i];
        count += present[i] ? 1 : -1ull;
        if (round % 100 != 0)
            continue;
        assert_int_equal(shadow_hash_count(hash), count);
        for (u64 j = 0; j < COUNT; j++)
            assert_ptr_equal(shadow_hash_find(hash, pages[j]), present[j] ? pages[j] : NULL);
    }
    for (u64 i = 0; i < COUNT; i++) {
        if (present[i])
            assert_true(shadow_hash_put(hash, pages[i]));
        shadow_page_free(pages[i]);
    }
    hash->mask = 511;
    shadow_hash_destroy(hash);
}

/* Neighbours, as a VM has them, do not come together in few buckets. */
static void test_neighbours_are_spread(void **state)
{
    enum { COUNT = 512, LONGEST = 8 };
    static struct shadow_page *pages[COUNT];

    for (unsigned level = LEVEL_4K; level <= LEVEL_1G; level++) {
        struct shadow_hash *hash = shadow_hash_create(COUNT);

        for (u64 i = 0; i < COUNT; i++) {
            pages[i] = new_page(i * level_pages((enum level)(level + 1)), level, 0, 0);
            shadow_hash_find_or_add(hash, pages[i]);
        }
        for (u64 i = 0; i <= hash->mask; i++) {
            unsigned length = 0;

            for (const struct shadow_page *page = hash->buckets[i]; page != NULL; page = page->hash_next)
                length++;
            assert_true(length <= LONGEST);
        }
        for (u64 i = 0; i < COUNT; i++) {
            assert_true(shadow_hash_put(hash, pages[i]));
            shadow_page_free(pages[i]);
        }
        shadow_hash_destroy(hash);
    }
}

static void test_the_size_is_that_of_the_vm(void **state)
{
    static const struct {
        u64 tables;
        unsigned order;
    } sizes[] = { { 0, 0 }, { 512, 0 }, { 513, 1 }, { 4096, 3 }, { 1ull << 18, 9 }, { ~0ull, 9 } };

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct shadow_hash *hash = shadow_hash_create(sizes[i].tables);

        assert_int_equal(hash->order, sizes[i].order);
        assert_int_equal(hash->mask, (512ull << sizes[i].order) - 1);
        assert_int_equal(shadow_hash_count(hash), 0);
        shadow_hash_destroy(hash);
    }
}

static void test_R3_less_memory_makes_a_smaller_one(void **state)
{
    struct shadow_hash *hash;

    port_host_take_all_but(0);
    assert_null(shadow_hash_create(4096));
    port_host_give_back();
    port_host_take_all_but(1); /* for the record, none for the buckets */
    assert_null(shadow_hash_create(4096));
    assert_int_equal(frame_get_stats().free, 1);
    port_host_give_back();
    port_host_take_all_but(2);
    hash = shadow_hash_create(4096);
    assert_non_null(hash);
    assert_int_equal(hash->order, 0);
    assert_int_equal(hash->mask, 511);
    shadow_hash_destroy(hash);
    port_host_give_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_H2_equal_keys_are_one_table), SMALL_TEST(test_H3_G1_each_part_of_the_key_counts),
        SMALL_TEST(test_chains_lose_nobody),          SMALL_TEST(test_neighbours_are_spread),
        SMALL_TEST(test_the_size_is_that_of_the_vm),  SMALL_TEST(test_R3_less_memory_makes_a_smaller_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
