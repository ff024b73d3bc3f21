/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/frame_record.c. */
#include "tests/unit/mm_support.h"

#include "mm/frame_record.h"

static pfn_t frame(u64 index)
{
    return (pfn_t){ PORT_HOST_BASE + index };
}

static void test_set_get_clear(void **state)
{
    int a, b;

    assert_null(frame_record_get(frame(7)));
    assert_int_equal(frame_record_set(frame(7), &a), 0);
    assert_int_equal(frame_record_set(frame(7 + 512), &b), 0);
    assert_ptr_equal(frame_record_get(frame(7)), &a);
    assert_ptr_equal(frame_record_get(frame(7 + 512)), &b);
    assert_null(frame_record_get(frame(8)));
    assert_null(frame_record_get(frame(7 + 1024)));
    frame_record_clear(frame(7));
    assert_null(frame_record_get(frame(7)));
    assert_ptr_equal(frame_record_get(frame(7 + 512)), &b);
    frame_record_clear(frame(7 + 512));
}

static void test_pays_only_where_records_are(void **state)
{
    int object;

    for (u64 i = 0; i < 512; i++)
        assert_int_equal(frame_record_set(frame(1024 + i), &object), 0);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 1);
    assert_int_equal(frame_record_set(frame(1023), &object), 0);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 2);
    for (u64 i = 0; i < 512; i++)
        frame_record_clear(frame(1024 + i));
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 1);
    frame_record_clear(frame(1023));
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
}

static void test_M8_wrong_use_asserts(void **state)
{
    int object;

    assert_true(ASSERTS(frame_record_clear(frame(0))));
    assert_int_equal(frame_record_set(frame(0), &object), 0);
    assert_true(ASSERTS(frame_record_set(frame(0), &object)));
    assert_true(ASSERTS(frame_record_clear(frame(1))));
    assert_true(ASSERTS(frame_record_set(frame(1), NULL)));
    assert_true(ASSERTS(frame_record_set(frame(1), (u8 *)&object + 1)));
    frame_record_clear(frame(0));
}

static void test_counts(void **state)
{
    u64 value = 77;

    assert_int_equal(frame_count_get(frame(5)), 0);
    assert_int_equal(frame_count_add(frame(5), 0, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(frame_count_add(frame(5), 2, &value), 0);
    assert_int_equal(value, 2);
    assert_int_equal(frame_count_add(frame(6), 1, &value), 0);
    assert_int_equal(frame_count_add(frame(5), 1ull << 40, &value), 0);
    assert_int_equal(value, (1ull << 40) + 2);
    assert_int_equal(frame_count_get(frame(5)), (1ull << 40) + 2);
    assert_int_equal(frame_count_get(frame(6)), 1);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 1);
    assert_int_equal(frame_count_add(frame(5), -(s64)((1ull << 40) + 2), &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(frame_count_get(frame(5)), 0);
    assert_int_equal(frame_count_get(frame(6)), 1);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 1);
    assert_int_equal(frame_count_add(frame(6), -1, &value), 0);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
}

/* A count is no pointer, a pointer no count, and both keep the page of records. */
static void test_a_frame_has_either(void **state)
{
    int object;
    u64 value;

    assert_int_equal(frame_record_set(frame(0), &object), 0);
    assert_int_equal(frame_count_add(frame(1), 1, &value), 0);
    assert_null(frame_record_get(frame(1)));
    assert_true(ASSERTS(frame_record_clear(frame(1))));
    assert_true(ASSERTS(frame_record_set(frame(1), &object)));
    assert_true(ASSERTS(frame_count_get(frame(0))));
    assert_true(ASSERTS(frame_count_add(frame(0), 1, &value)));
    frame_record_clear(frame(0));
    assert_int_equal(frame_count_get(frame(1)), 1);
    assert_int_equal(frame_count_add(frame(1), -1, &value), 0);
    assert_int_equal(frame_get_stats().used[FRAME_CONTROL], 0);
}

static void test_M8_counts_below_0_assert(void **state)
{
    u64 value;

    assert_true(ASSERTS(frame_count_add(frame(3), -1, &value)));
    assert_int_equal(frame_count_add(frame(3), 2, &value), 0);
    assert_true(ASSERTS(frame_count_add(frame(3), -3, &value)));
    assert_int_equal(frame_count_add(frame(3), -2, &value), 0);
}

static void test_no_memory(void **state)
{
    int object;
    u64 value = 77;

    port_host_take_all_but(0);
    assert_int_equal(frame_record_set(frame(0), &object), -ENOMEM);
    assert_null(frame_record_get(frame(0)));
    assert_int_equal(frame_count_add(frame(0), 1, &value), -ENOMEM);
    assert_int_equal(value, 77);
    assert_int_equal(frame_count_get(frame(0)), 0);
    assert_int_equal(frame_count_add(frame(0), 0, &value), 0);
    port_host_give_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_set_get_clear),
        SMALL_TEST(test_pays_only_where_records_are),
        SMALL_TEST(test_M8_wrong_use_asserts),
        SMALL_TEST(test_counts),
        SMALL_TEST(test_a_frame_has_either),
        SMALL_TEST(test_M8_counts_below_0_assert),
        SMALL_TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
