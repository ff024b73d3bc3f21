/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/monitor*.c: which lines are which commands, about whom, and what is said of those that fail; with the real memory core
 * behind, and no processor. tests/system/monitor.t and dirty.t have guests that run.
 */
#include "tests/unit/monitor_support.h"

#include "hv/lib/format.h"

static void words_and_commands(void **state)
{
    assert_int_equal(execute(""), 0);
    assert_int_equal(execute("  \t "), 0);
    assert_int_equal(execute("# dirty stop left"), 0);
    assert_string_equal(said, "");
    assert_int_equal(execute("frobnicate left"), -EINVAL);
    assert_string_equal(said, "unknown command \"frobnicate\"; help says which there are\n");
    assert_int_equal(execute("dirty"), -EINVAL);
    assert_int_equal(execute("dirty star left"), -EINVAL);
    assert_int_equal(execute("dirty starts left"), -EINVAL);
    assert_int_equal(execute("stat left"), -EINVAL);
    assert_int_equal(execute("Stats left"), -EINVAL);
    assert_int_equal(execute("\"dirty start\" left"), -EINVAL);
    assert_int_equal(execute("\"\" left"), -EINVAL);
    assert_int_equal(execute(" stats\tleft "), 0);
    assert_int_equal(execute("\"stats\" \"left\""), 0);
    assert_int_equal(execute("expect left \"no end"), -EINVAL);
    assert_string_equal(said, "a closing quote is missing\n");
    assert_int_equal(execute("a b c d e f g h i j k l m"), -EINVAL);
    assert_string_equal(said, "too many words\n");
}

static void lines_that_are_too_long(void **state)
{
    char line[MONITOR_LINE_SIZE + 1];

    memset(line, ' ', sizeof(line));
    line[MONITOR_LINE_SIZE - 1] = '\0';
    assert_int_equal(execute(line), 0);
    line[MONITOR_LINE_SIZE - 1] = ' ';
    line[MONITOR_LINE_SIZE] = '\0';
    assert_int_equal(execute(line), -EINVAL);
    assert_string_equal(said, "the line is too long\n");
}

static void what_processors_do(void **state)
{
    struct vm_processor *first = left.processors[0];

    first->vcpu.activity = VCPU_HALTED;
    first->vcpu.exit_rip = 0x1234;
    first->vcpu.exits_by_reason[EXIT_REASON_CPUID] = 5;
    first->vcpu.processor = 3;
    first->is_out = 1;
    assert_int_equal(execute("vcpus left"), 0);
    assert_string_equal(said, "left: vCPU 0 on processor 3: halted, RIP 0x1234, 5 exits\n");
    first->is_out = 0;
    assert_int_equal(execute("vcpus left"), 0);
    assert_string_equal(said, "left: vCPU 0 on processor 3: halted, held, RIP 0x1234, 5 exits\n");
}

static void guests_by_name(void **state)
{
    assert_int_equal(execute("stats"), -EINVAL);
    assert_string_equal(said, "stats: a guest's name is missing\n");
    assert_int_equal(execute("stats lef"), -ENOENT);
    assert_string_equal(said, "stats: there is no guest \"lef\"\n");
    assert_int_equal(execute("stats left right"), -EINVAL);
    assert_string_equal(said, "stats left: usage: stats NAME\n");
    assert_int_equal(execute("balloon left 1"), -EINVAL);
    assert_string_equal(said, "balloon left: usage: balloon NAME FIRST COUNT\n");
    left.runs = 0;
    assert_int_equal(execute("stats left"), -ESRCH);
    assert_string_equal(said, "stats left: the guest has ended\n");
    assert_int_equal(left.users, 0);
}

/* Whoever speaks for himself has no name, and nothing that is about others. */
static void a_guest_about_itself(void **state)
{
    assert_int_equal(execute_as(&right, "stats"), 0);
    assert_non_null(strstr(said, "right: "));
    assert_int_equal(execute_as(&right, "stats left"), -EINVAL);
    assert_string_equal(said, "stats right: usage: stats\n");
    assert_int_equal(execute_as(&right, "vms"), -EPERM);
    assert_int_equal(execute_as(&right, "pause"), -EPERM);
    assert_int_equal(execute_as(&right, "pause left"), -EPERM);
    assert_int_equal(execute_as(&right, "wait 1s"), -EPERM);
    assert_int_equal(execute_as(&right, "expect right x"), -EPERM);
    assert_false(left.is_paused || right.is_paused);
    assert_int_equal(execute_as(&right, "help"), 0);
    assert_null(strstr(said, "NAME"));
    assert_null(strstr(said, "pause"));
    assert_int_equal(execute("help"), 0);
    assert_non_null(strstr(said, "dirty start NAME [lazy] [all] [manual] "));
}

/* One command at a time for each guest; an operator waits, a guest does not. */
static void one_command_at_a_time(void **state)
{
    left.is_commanded = 1;
    assert_int_equal(execute_as(&left, "stats"), -EBUSY);
    assert_true(left.is_commanded);
    assert_int_equal(left.users, 0);
    on_task_yield = end_command;
    assert_int_equal(execute("stats left"), 0);
    assert_null(on_task_yield);
    assert_false(left.is_commanded);
}

static void expect_operator(void)
{
    assert_int_equal(left.operators, 1);
    end_command();
}

/* However often the processors of a guest ask, an operator gets his turn. */
static void operators_come_first(void **state)
{
    left.is_commanded = 1;
    on_task_yield = expect_operator;
    assert_int_equal(execute("stats left"), 0);
    assert_int_equal(left.operators, 0);

    left.operators = 1;
    assert_int_equal(execute_as(&left, "stats"), -EBUSY);
    assert_false(left.is_commanded);
    left.operators = 0;
    assert_int_equal(execute_as(&left, "stats"), 0);
}

static void every_answer_fits(void **state)
{
    memset(left.conf.name, 'n', CONF_NAME_SIZE - 1);
    assert_int_equal(
        execute("dirty stop nnnnnnnnnnnnnnnnnnnnnnn lazilylazilylazilylazilylazilylazilylazilylazilylazily"), -EINVAL);
    assert_int_equal(strncmp(said, "dirty stop nnnnnnnnnnnnnnnnnnnnnnn: unknown word \"lazily", 50), 0);
}

static void pauses(void **state)
{
    assert_int_equal(execute("resume left"), -EALREADY);
    assert_int_equal(execute("pause left"), 0);
    assert_int_equal(left.holds, 1);
    assert_int_equal(execute("pause left"), -EALREADY);
    assert_string_equal(said, "pause left: it is paused\n");
    assert_int_equal(left.holds, 1);
    assert_int_equal(execute("vms"), 0);
    assert_string_equal(said, "left: running, paused, 8192 KiB\nright: running, 4194304 KiB\n");
    assert_int_equal(execute("resume left"), 0);
    assert_int_equal(left.holds, 0);
    /* Its processor is out of the guest then. */
    left.processors[0]->is_out = 1;
    assert_int_equal(execute("pause left"), 0);
    assert_int_equal(left.processors[0]->is_out, 0);
}

static void waits(void **state)
{
    u64 start = now_ns;

    assert_int_equal(execute("wait 20ms"), 0);
    assert_in_range(now_ns - start, 20 * MS, 22 * MS);
    assert_int_equal(execute("wait 20"), -EINVAL);
    assert_string_equal(said, "wait: \"20\" is not a time, as 100ms\n");
    assert_int_equal(execute("wait ms"), -EINVAL);
    assert_int_equal(execute("wait 0x10us"), 0);
    assert_int_equal(execute("wait 99999999999999999999s"), -EINVAL);
    assert_int_equal(execute("wait 18446744073s1"), -EINVAL);
    assert_int_equal(execute("wait 400000000min"), -EINVAL);
    on_task_yield = end_guests;
    assert_int_equal(execute("wait 20s"), -ESRCH);
    assert_string_equal(said, "wait: no guest runs any more\n");
}

static void expects(void **state)
{
    console_lines_add(&left.lines, "one");
    console_lines_add(&left.lines, "two words");
    console_lines_add(&left.lines, "three");
    assert_int_equal(execute("expect left \"two w*s\""), 0);
    /* Lines before it are gone, those behind it are not. */
    assert_int_equal(execute("expect left one 5ms"), -ETIMEDOUT);
    assert_string_equal(said, "expect left: no such line in time\n");
    console_lines_add(&left.lines, "four");
    assert_int_equal(execute("expect left four 5ms"), 0);
    assert_int_equal(execute("expect left x y"), -EINVAL);
    on_task_yield = print_and_end;
    assert_int_equal(execute("expect left last"), 0);
    /* What has ended has said what it has said. */
    console_lines_add(&left.lines, "after");
    assert_int_equal(execute("expect left after"), 0);
    assert_int_equal(execute("expect left after"), -ESRCH);
    assert_string_equal(said, "expect left: the guest ended without such a line\n");
    /* A quote and a backslash in a pattern. */
    console_lines_add(&right.lines, "say \"hi\" * \\");
    assert_int_equal(execute("expect right \"say \\\"hi\\\" \\* \\\\\" 1ms"), 0);
}

static void ranges_of_pages(void **state)
{
    touch(&left, 0, 2048, ACCESS_WRITE);
    assert_int_equal(execute("zap left 0 0"), -EINVAL);
    assert_int_equal(execute("zap left 2048 1"), -EINVAL);
    assert_string_equal(said, "zap left: 1 pages from 2048 on; its memory ends at page 0x800\n");
    assert_int_equal(execute("zap left 1 2048"), -EINVAL);
    assert_int_equal(execute("zap left 0xffffffffffffffff 2"), -EINVAL);
    assert_int_equal(execute("zap left 512 0xffffffffffffffff"), -EINVAL);
    assert_int_equal(execute("zap left 99999999999999999999 1"), -EINVAL);
    assert_int_equal(execute("zap left 5x 1"), -EINVAL);
    assert_int_equal(execute("zap left -5 1"), -EINVAL);
    assert_int_equal(vm_memory_get_stats(left.memory).mapped[LEVEL_2M], 4);
    assert_int_equal(execute("zap left 0x200 512"), 0);
    assert_int_equal(vm_memory_get_stats(left.memory).mapped[LEVEL_2M], 3);
    assert_int_equal(execute("split left 0 1"), 0);
    assert_int_equal(vm_memory_get_stats(left.memory).mapped[LEVEL_4K], 512);
    assert_int_equal(execute("collapse left"), 0);
    assert_int_equal(context.number, 1);
    assert_int_equal(vm_memory_get_stats(left.memory).mapped[LEVEL_4K], 0);
    assert_int_equal(execute("collapse left quickly"), -EINVAL);
    assert_string_equal(said, "collapse left: unknown word \"quickly\"; usage: [in-place|compact|lazily]\n");
    u64 guest = frame_get_stats().used[FRAME_GUEST];
    assert_int_equal(execute("balloon left 512 512"), 0);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], guest - 512);
    /* The last page of a guest with two slots. */
    assert_int_equal(execute("zap right 0x13ffff 1"), 0);
    assert_int_equal(execute("zap right 0x13ffff 2"), -EINVAL);
}

static void pictures(void **state)
{
    touch(&left, 0, 512, ACCESS_READ);
    touch(&left, 1536, 2048, ACCESS_READ);
    assert_int_equal(execute("split left 1536 1"), 0);
    assert_int_equal(execute("map left"), 0);
    assert_non_null(strstr(said, "\n         0 m..k\n"));
    assert_int_equal(execute("dirty start left"), 0);
    assert_int_equal(vm_memory_zero(left.memory, (gpa_t){ 2 << 20 }, PAGE_SIZE), 0);
    assert_int_equal(vm_memory_zero(left.memory, (gpa_t){ 6 << 20 }, PAGE_SIZE), 0);
    assert_int_equal(execute("map left"), 0);
    assert_non_null(strstr(said, "\n         0 k:.K\n"));
    assert_int_equal(execute("dirty stop left keep"), 0);
    assert_int_equal(execute("ept left"), 0);
    assert_non_null(strstr(said, "left:   4K: 2 tables, 1024 pages: "));
    assert_int_equal(execute("slots right"), 0);
    assert_string_equal(said, "right: slot 0: pages 0 to 0xbffff\nright: slot 1: pages 0x100000 to 0x13ffff\n");
    assert_int_equal(context.number, 2);
    assert_int_equal(execute("map right"), 0);
    assert_non_null(strstr(said, "right: a character is 4M: "));
    assert_non_null(strstr(said, "\n0x130000000 "));
}

/* Somebody else's vCPU is stopped meanwhile, one's own is not. */
static void snapshots_by_name(void **state)
{
    left.processors[0]->is_out = 1;
    assert_int_equal(execute("snapshot left a"), 0);
    assert_int_equal(left.processors[0]->is_out, 0);
    assert_int_equal(execute("snapshot left taken"), -EEXIST);
    assert_string_equal(said, "snapshot left: there is a snapshot \"taken\" already\n");
    assert_int_equal(execute("reset left a"), 0);
    assert_string_equal(said, "left: 7 pages were looked at, 3 changed back\n");
    assert_int_equal(execute("reset left absent"), -ENOENT);
    assert_string_equal(said, "reset left: there is no snapshot \"absent\"\n");
    assert_int_equal(execute("drop left a"), 0);
    assert_int_equal(execute("drop left absent"), -ENOENT);
    assert_int_equal(execute("snapshot left"), -EINVAL);
    assert_int_equal(left.holds, 0);
    right.processors[0]->is_out = 1;
    assert_int_equal(execute_as(&right, "snapshot b"), 0);
    assert_int_equal(right.processors[0]->is_out, 1);
    assert_false(context.state_replaced);
    assert_int_equal(execute_as(&right, "reset absent"), -ENOENT);
    assert_false(context.state_replaced);
    assert_int_equal(execute_as(&right, "reset b"), 0);
    assert_true(context.state_replaced);
    assert_int_equal(snapshots, 3);
    assert_int_equal(resets, 4);
    assert_int_equal(drops, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(words_and_commands),
        MONITOR_TEST(lines_that_are_too_long),
        MONITOR_TEST(what_processors_do),
        MONITOR_TEST(guests_by_name),
        MONITOR_TEST(a_guest_about_itself),
        MONITOR_TEST(one_command_at_a_time),
        MONITOR_TEST(operators_come_first),
        MONITOR_TEST(every_answer_fits),
        MONITOR_TEST(pauses),
        MONITOR_TEST(waits),
        MONITOR_TEST(expects),
        MONITOR_TEST(ranges_of_pages),
        MONITOR_TEST(pictures),
        MONITOR_TEST(snapshots_by_name),
    };

    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
