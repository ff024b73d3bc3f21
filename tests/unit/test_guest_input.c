/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/guest_input.c: every byte comes out once and in order, and a full ring says so; also with a thread on each side. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/guest_input.h"

static struct guest_input input;

static int start(void **state)
{
    input = (struct guest_input){ 0 };
    return 0;
}

static void bytes_in_order(void **state)
{
    u8 byte = 77;

    assert_false(guest_input_take(&input, &byte));
    assert_int_equal(byte, 77);
    assert_false(guest_input_waits(&input));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            assert_true(guest_input_put(&input, (u8)(round + i)));
        assert_true(guest_input_waits(&input));
        for (unsigned i = 0; i < 100; i++) {
            assert_true(guest_input_take(&input, &byte));
            assert_int_equal(byte, round + i);
        }
        assert_false(guest_input_take(&input, &byte));
    }
}

static void a_full_ring(void **state)
{
    u8 byte;

    /* The counts wrap around meanwhile. */
    input.put_count = input.taken_count = 0u - 100;
    for (unsigned i = 0; i < GUEST_INPUT_SIZE; i++) {
        assert_int_equal(guest_input_room(&input), GUEST_INPUT_SIZE - i);
        assert_true(guest_input_put(&input, (u8)i));
    }
    assert_int_equal(guest_input_room(&input), 0);
    assert_false(guest_input_put(&input, 1));
    assert_true(guest_input_take(&input, &byte));
    assert_int_equal(byte, 0);
    assert_true(guest_input_put(&input, 99));
    assert_false(guest_input_put(&input, 1));
    for (unsigned i = 1; i < GUEST_INPUT_SIZE; i++) {
        assert_true(guest_input_take(&input, &byte));
        assert_int_equal(byte, i);
    }
    assert_true(guest_input_take(&input, &byte));
    assert_int_equal(byte, 99);
    assert_false(guest_input_take(&input, &byte));
}

enum { BYTES = 200000 };

static void *put_all(void *unused)
{
    for (unsigned i = 0; i < BYTES; i++) {
        while (!guest_input_put(&input, (u8)(i * 7)))
            sched_yield();
    }
    return NULL;
}

static void both_sides_at_once(void **state)
{
    pthread_t thread;
    unsigned wrong = 0;
    u8 byte;

    assert_int_equal(pthread_create(&thread, NULL, put_all, NULL), 0);
    for (unsigned i = 0; i < BYTES; i++) {
        while (!guest_input_take(&input, &byte))
            sched_yield();
        wrong += byte != (u8)(i * 7);
    }
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_in_order, start),
        cmocka_unit_test_setup(a_full_ring, start),
        cmocka_unit_test_setup(both_sides_at_once, start),
    };

    return cmocka_run_group_tests_name("guest_input", tests, NULL, NULL);
}
