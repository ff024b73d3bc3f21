/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/monitor_console.c, and how commands are cancelled: typing to guests, ending them, what only a person at a terminal
 * can do.
 */
#include "tests/unit/monitor_support.h"

/* What is on its way to the guest. */
static const char *typed(struct vm *vm)
{
    static char text[GUEST_INPUT_SIZE + 1];
    size_t length = 0;
    u8 byte;

    while (guest_input_take(&vm->input, &byte))
        text[length++] = (char)byte;
    text[length] = '\0';
    return text;
}

static void texts_are_typed(void **state)
{
    assert_int_equal(execute("type left hello"), 0);
    assert_string_equal(typed(&left), "hello");
    assert_int_equal(arrivals, 1);
    assert_string_equal(typed(&right), "");
    assert_int_equal(execute("type right \"root pass\\r\\n\\t\\e[A\\x41\\x7E\\\\ \\\"q\\\"\""), 0);
    assert_string_equal(typed(&right), "root pass\r\n\t\x1b[AA~\\ \"q\"");
    assert_int_equal(execute("type left \\x80\\xff"), 0);
    assert_string_equal(typed(&left), "\x80\xff");
    assert_int_equal(execute("type left \\x00a"), 0);
    assert_int_equal(guest_input_room(&left.input), GUEST_INPUT_SIZE - 2);
    typed(&left);
    assert_int_equal(execute("type left \"\""), 0);
    assert_string_equal(said, "");
}

static void texts_that_are_none(void **state)
{
    assert_int_equal(execute("type left \"a\\q\""), -EINVAL);
    assert_string_equal(said, "type left: unknown escape \"\\q\"; allowed: \\r \\n \\t \\e \\\\ \\\" \\xNN\n");
    assert_int_equal(execute("type left a\\"), -EINVAL);
    assert_int_equal(execute("type left \\x4"), -EINVAL);
    assert_int_equal(execute("type left \\xg0"), -EINVAL);
    assert_int_equal(execute("type left \\X41"), -EINVAL);
    assert_int_equal(execute("type left a b"), -EINVAL);
    assert_string_equal(said, "type left: usage: type NAME TEXT\n");
    assert_int_equal(execute("type left"), -EINVAL);
    assert_string_equal(typed(&left), "");
    assert_int_equal(execute_as(&left, "type x"), -EPERM);
    left.runs = 0;
    assert_int_equal(execute("type left a"), -ESRCH);
    assert_string_equal(said, "type left: the guest has ended\n");
}

static unsigned taken;

static void take_some(void)
{
    u8 byte;

    for (unsigned i = 0; i < 50 && guest_input_take(&left.input, &byte); i++)
        taken++;
    on_task_yield = take_some;
}

/* Whoever types waits until the guest has taken what came before. */
static void a_slow_guest(void **state)
{
    static const char line[] =
        "type left aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiii";

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(execute(line), 0);
    assert_int_equal(guest_input_room(&left.input), 4);
    taken = 0;
    on_task_yield = take_some;
    assert_int_equal(execute(line), 0);
    assert_int_equal(arrivals, 3 + 3);
    assert_true(taken >= 80);
    assert_int_equal(taken + strlen(typed(&left)), 4 * 84);
    on_task_yield = NULL;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(execute(line), 0);
    on_task_yield = end_guests;
    assert_int_equal(execute(line), -ESRCH);
}

static unsigned asked;

static bool cancel_later(void *argument)
{
    if (argument != said)
        abort();
    return ++asked > 2;
}

static bool cancel_now(void *argument)
{
    return true;
}

static void cancelled_commands(void **state)
{
    u64 start = now_ns;

    context_cancelled = cancel_later;
    asked = 0;
    assert_int_equal(execute("wait 1min"), -EINTR);
    assert_string_equal(said, "wait: cancelled\n");
    assert_true(now_ns - start < 10 * MS);
    asked = 0;
    assert_int_equal(execute("expect left never"), -EINTR);
    assert_string_equal(said, "expect left: cancelled\n");
    asked = 0;
    assert_int_equal(execute("dirty rate left 1min"), -EINTR);
    assert_string_equal(said, "dirty rate left: cancelled\n");
    asked = 0;
    assert_int_equal(execute("dirty forecast left 1min 1M 1ms"), -EINTR);
    assert_string_equal(said, "dirty forecast left: cancelled\n");
    asked = 0;
    left.is_commanded = 1;
    assert_int_equal(execute("stats left"), -EINTR);
    assert_string_equal(said, "stats left: cancelled\n");
    left.is_commanded = 0;
    while (guest_input_put(&left.input, 'x'))
        ;
    asked = 0;
    assert_int_equal(execute("type left y"), -EINTR);
    /* What has come already is not lost to it. */
    context_cancelled = cancel_now;
    console_lines_add(&right.lines, "ready");
    assert_int_equal(execute("expect right ready"), 0);
    assert_int_equal(execute("wait 0ms"), 0);
    /* Long answers end. */
    assert_int_equal(execute("map right"), 0);
    assert_null(strchr(strchr(said, '\n') + 1, '\n'));
    assert_int_equal(execute("help"), 0);
    assert_string_equal(said, "");
}

static struct vm *connected;

static void note_connected(void *argument, struct vm *vm)
{
    if (argument != said)
        abort();
    connected = vm;
}

static void connections(void **state)
{
    assert_int_equal(execute("console left"), -ENOTTY);
    assert_string_equal(said, "console left: only for who types at the serial port\n");
    context_connect = note_connected;
    assert_int_equal(execute("console right"), 0);
    assert_ptr_equal(connected, &right);
    connected = NULL;
    right.runs = 0;
    assert_int_equal(execute("console right"), -ESRCH);
    assert_int_equal(execute_as(&left, "console"), -EPERM);
    assert_null(connected);
}

static void guests_are_stopped(void **state)
{
    assert_int_equal(execute_as(&left, "stop"), -EPERM);
    assert_int_equal(execute_as(&left, "quit"), -EPERM);
    assert_int_equal(execute("stop left"), 0);
    assert_false(left.runs);
    assert_true(right.runs);
    assert_string_equal(left.end_text, "it was stopped by the monitor");
    assert_int_equal(execute("stop left"), -ESRCH);
    left.end_text[0] = '\0';
    assert_int_equal(execute("quit"), 0);
    assert_false(right.runs);
    assert_string_equal(right.end_text, "it was stopped by the monitor");
    assert_string_equal(left.end_text, "");
}

static void versions(void **state)
{
    assert_int_equal(execute("version"), 0);
    assert_string_equal(said, "slat v1.2\n");
    assert_int_equal(execute("version x"), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(texts_are_typed),    MONITOR_TEST(texts_that_are_none), MONITOR_TEST(a_slow_guest),
        MONITOR_TEST(cancelled_commands), MONITOR_TEST(connections),         MONITOR_TEST(guests_are_stopped),
        MONITOR_TEST(versions),
    };

    return cmocka_run_group_tests_name("monitor_console", tests, NULL, NULL);
}
