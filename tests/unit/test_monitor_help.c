/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/monitor_help.c, hv/monitor_complete.c: every command is listed and explained, and words are completed. */
#include "tests/unit/monitor_support.h"

#include <stdio.h>

#include "hv/monitor_call.h"

static void all_are_listed(void **state)
{
    assert_int_equal(execute("help"), 0);
    assert_int_equal(strncmp(said, "guests:\n  vms  ", 15), 0);
    for (unsigned i = 0; i < monitor_command_count; i++) {
        const struct monitor_command *command = &monitor_commands[i];
        char line[80];

        snprintf(line, sizeof(line), "\n  %s%s", command->name, command->flags & COMMAND_GUEST ? " NAME" : "");
        assert_non_null(strstr(said, line));
    }
    for (unsigned i = 0; i < MONITOR_GROUPS; i++) {
        char line[80];

        snprintf(line, sizeof(line), "%s:\n  ", monitor_group_names[i]);
        assert_non_null(strstr(said, line));
        assert_null(strstr(strstr(said, line) + 1, line));
    }
    /* A group of which nothing is for guests is not there. */
    assert_int_equal(execute_as(&left, "help"), 0);
    assert_null(strstr(said, "serial ports:"));
    assert_non_null(strstr(said, "\n  help [COMMAND]  "));
}

/* In the order of the groups, names with the same first word together, as completion wants them. */
static void the_table_is_in_order(void **state)
{
    for (unsigned i = 1; i < monitor_command_count; i++) {
        const char *name = monitor_commands[i].name;
        size_t first = strcspn(name, " ");

        assert_true(monitor_commands[i].group >= monitor_commands[i - 1].group);
        for (unsigned j = 0; j + 1 < i; j++) {
            if (strncmp(monitor_commands[j].name, name, first + 1) == 0)
                assert_int_equal(strncmp(monitor_commands[i - 1].name, name, first + 1), 0);
        }
    }
}

static void one_is_explained(void **state)
{
    assert_int_equal(execute("help zap"), 0);
    assert_string_equal(said, "usage: zap NAME FIRST COUNT\n"
                              "  unmaps pages\n"
                              "  The next access maps them again, with their content.\n");
    assert_int_equal(execute("help vms"), 0);
    assert_string_equal(said, "usage: vms\n  all guests, and how they are\n");
    assert_int_equal(execute("help dirty start"), 0);
    assert_int_equal(strncmp(said, "usage: dirty start NAME [lazy] [all] [manual]\n", 46), 0);
    assert_null(strstr(said, "harvest"));
    assert_int_equal(execute("help dirty"), 0);
    assert_non_null(strstr(said, "usage: dirty start NAME"));
    assert_non_null(strstr(said, "usage: dirty forecast NAME"));
    assert_null(strstr(said, "usage: drop"));
    assert_int_equal(execute("help dir"), -EINVAL);
    assert_int_equal(execute("help dirty star"), -EINVAL);
    assert_string_equal(said, "help: unknown command \"dirty star\"; did you mean \"dirty start\"?\n");
    assert_int_equal(execute("help a b c"), -EINVAL);
    assert_string_equal(said, "help: usage: help [COMMAND]\n");
    assert_int_equal(execute("help aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbb"),
                     -EINVAL);
    assert_int_equal(execute_as(&left, "help zap"), 0);
    assert_int_equal(strncmp(said, "usage: zap FIRST COUNT\n", 23), 0);
    assert_int_equal(execute_as(&left, "help vms"), -EINVAL);
}

static void the_nearest_name(void **state)
{
    assert_int_equal(execute("stat left"), -EINVAL);
    assert_string_equal(said, "unknown command \"stat\"; did you mean \"stats\"?\n");
    assert_int_equal(execute("quti"), -EINVAL);
    assert_string_equal(said, "unknown command \"quti\"; did you mean \"quit\"?\n");
    assert_int_equal(execute("dirty star left"), -EINVAL);
    assert_string_equal(said, "unknown command \"dirty star\"; did you mean \"dirty start\"?\n");
    assert_int_equal(execute("dirty"), -EINVAL);
    assert_string_equal(said, "unknown command \"dirty\"; it goes on with another word: help dirty says which\n");
    assert_int_equal(execute("dirty nonsense"), -EINVAL);
    assert_string_equal(said,
                        "unknown command \"dirty nonsense\"; it goes on with another word: help dirty says which\n");
    /* Not one that is for others. */
    assert_int_equal(execute_as(&left, "quti"), -EINVAL);
    assert_string_equal(said, "unknown command \"quti\"; help says which there are\n");
}

/* All words that can stand behind the text. */
static const char *candidates(const char *text)
{
    static char all[2048];
    char word[MONITOR_LINE_SIZE];

    all[0] = '\0';
    for (unsigned i = 0; monitor_candidate(text, strlen(text), i, word); i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "", word);
    return all;
}

static void words_that_can_come(void **state)
{
    const char *names = candidates("");

    assert_int_equal(strncmp(names, "vms stats vcpus pause ", 22), 0);
    assert_non_null(strstr(names, " dirty snapshot "));
    assert_null(strstr(strstr(names, " dirty ") + 1, " dirty "));
    assert_string_equal(candidates(" "), candidates(""));
    assert_string_equal(candidates("stats "), "left right");
    assert_string_equal(candidates(" \t stats  "), "left right");
    assert_string_equal(candidates("dirty "), "start harvest rearm stop ring reap rate forecast");
    assert_string_equal(candidates("dirty  start "), "left right");
    assert_string_equal(candidates("dirty start left "), "");
    assert_string_equal(candidates("stats left "), "");
    assert_string_equal(candidates("wait "), "");
    assert_string_equal(candidates("vms "), "");
    assert_string_equal(candidates("nonsense "), "");
    assert_string_equal(candidates("dirty left "), "");
    assert_string_equal(candidates("help dirty "), "start harvest rearm stop ring reap rate forecast");
    assert_string_equal(candidates("help dirty start "), "");
    assert_string_equal(candidates("help "), candidates(""));
    assert_string_equal(candidates("help help "), "");
}

static void candidates_of_long_lines(void **state)
{
    char line[2 * MONITOR_LINE_SIZE], word[MONITOR_LINE_SIZE];

    memset(line, 'a', sizeof(line));
    for (size_t length = 0; length < sizeof(line); length++)
        assert_true(length == 0 || !monitor_candidate(line, length, 0, word));
    assert_true(monitor_candidate("help\0x", 6, 0, word));
    assert_false(monitor_candidate("dirty start\0", 12, 2, word));
    for (size_t i = 1; i < sizeof(line); i += 2)
        line[i] = ' ';
    for (size_t length = 1; length < sizeof(line); length++)
        assert_false(monitor_candidate(line, length, 0, word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(all_are_listed),   MONITOR_TEST(the_table_is_in_order), MONITOR_TEST(one_is_explained),
        MONITOR_TEST(the_nearest_name), MONITOR_TEST(words_that_can_come),   MONITOR_TEST(candidates_of_long_lines),
    };

    return cmocka_run_group_tests_name("monitor_help", tests, NULL, NULL);
}
