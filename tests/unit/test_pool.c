/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/pool.c. */
#include "tests/unit/mm_support.h"

#include "mm/pool.h"

struct tiny {
    u64 words[2];
};
struct odd {
    u64 words[19];
};
struct huge {
    u8 bytes[PAGE_SIZE - POOL_HEADER];
};
POOL(tiny_pool, struct tiny);
POOL(odd_pool, struct odd);
POOL(huge_pool, struct huge);

static void use_pool(struct pool *pool, u64 size)
{
    enum { COUNT = 1000 };
    static u8 *objects[COUNT];
    u64 per_frame = (PAGE_SIZE - POOL_HEADER) / size;
    u64 seed = size;

    for (u64 i = 0; i < COUNT; i++) {
        objects[i] = pool_alloc(pool);
        assert_non_null(objects[i]);
        for (u64 j = 0; j < size; j++)
            assert_int_equal(objects[i][j], 0);
        memset(objects[i], (int)i, size);
        assert_int_equal((uintptr_t)objects[i] % 8, 0);
    }
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], (COUNT + per_frame - 1) / per_frame);

    /* Free and take again in a random order: nobody's bytes change. */
    for (u64 step = 0; step < 3000; step++) {
        u64 i = random_below(&seed, COUNT);

        if (objects[i] == NULL) {
            objects[i] = pool_alloc(pool);
            memset(objects[i], (int)i, size);
        } else {
            for (u64 j = 0; j < size; j++)
                assert_int_equal(objects[i][j], (u8)i);
            pool_free(pool, objects[i]);
            objects[i] = NULL;
        }
    }
    for (u64 i = 0; i < COUNT; i++) {
        if (objects[i] != NULL)
            pool_free(pool, objects[i]);
    }
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
}

static void test_objects_of_every_size(void **state)
{
    use_pool(&tiny_pool, sizeof(struct tiny));
    use_pool(&odd_pool, sizeof(struct odd));
    use_pool(&huge_pool, sizeof(struct huge));
}

static void test_M8_wrong_frees_assert(void **state)
{
    struct odd *a = pool_alloc(&odd_pool);
    struct odd *b = pool_alloc(&odd_pool);

    assert_true(ASSERTS(pool_free(&tiny_pool, a)));
    assert_true(ASSERTS(pool_free(&odd_pool, &a->words[1])));
    pool_free(&odd_pool, a);
    assert_true(ASSERTS(pool_free(&odd_pool, a)));
    pool_free(&odd_pool, b);
}

static void test_no_memory(void **state)
{
    port_host_take_all_but(1);
    void *object = pool_alloc(&huge_pool);
    assert_non_null(object);
    assert_null(pool_alloc(&huge_pool));
    assert_null(pool_alloc(&odd_pool));
    pool_free(&huge_pool, object);
    object = pool_alloc(&odd_pool);
    assert_non_null(object);
    pool_free(&odd_pool, object);
    port_host_give_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_objects_of_every_size),
        SMALL_TEST(test_M8_wrong_frees_assert),
        SMALL_TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
