/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/conf*.c: one below each limit, at it, and one above: lengths, counts, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/conf_guest.h"
#include "hv/load/guest_memory_map.h"
#include "tests/unit/conf_support.h"

/* The last address of memory, the first behind it; and the hole below 4 GiB. */
static void addresses_against_the_memory(void **state)
{
    assert_int_equal(guest_with("load = 0xffffff")->load, 0xffffff);
    assert_int_equal(guest_with("memory = 8G\nload = 0xbfffffff")->load, 0xbfffffff);
    assert_int_equal(guest_with("memory = 8G\nstart = 64\nload = 4G")->load, 1ull << 32);
    assert_int_equal(guest_with("memory = 8G\nstart = 64\nload = 0x23fffffff")->load, 0x23fffffff);
    assert_int_equal(guest_with("memory = 8G\nload = 0xbfffffff\nentry = 0xbfffffff\nstart = 32")->entry, 0xbfffffff);
    assert_int_equal(guest_with("start = real\nentry = 0xfffff")->entry, 0xfffff);

    static const struct wrong wrong[] = {
        { GUEST "load = 16M", 3, 8, "load: the address 0x1000000 is outside the guest's memory of 16M" },
        { GUEST "entry = 16M", 3, 9, "entry: the address 0x1000000 is outside the guest's memory of 16M" },
        { GUEST "memory = 3G\nload = 3G", 4, 8, "load: the address 0xc0000000 is outside the guest's memory of 3G" },
        { GUEST "memory = 8G\nload = 3G", 4, 8,
          "load: the address 0xc0000000 is outside the guest's memory of 8G (from 0 to 3G, and from 4G)" },
        { GUEST "memory = 8G\nload = 0xffffffff", 4, 8,
          "load: the address 0xffffffff is outside the guest's memory of 8G (from 0 to 3G, and from 4G)" },
        { GUEST "memory = 8G\nload = 9G\nstart = 64", 4, 8,
          "load: the address 0x240000000 is outside the guest's memory of 8G (from 0 to 3G, and from 4G)" },
        { GUEST "memory = 1M\nformat = flat", 3, 10, "load: the address 0x100000 is outside the guest's memory of 1M" },
        { GUEST "memory = 28K\nformat = flat\nstart = real", 3, 10,
          "load: the address 0x7c00 is outside the guest's memory of 28K" },
        { GUEST "load = 0x8000\nentry = 0x7fff", 4, 9,
          "entry: the address 0x7fff is before the image, which is loaded at 0x8000" },
        { GUEST "entry = 0x8000", 3, 9, "entry: the address 0x8000 is before the image, which is loaded at 0x100000" },
        { GUEST "start = real\nentry = 1M", 4, 9,
          "entry: the address 0x100000 is out of reach for start = real; allowed: below 1M" },
        { GUEST "load = 1M\nstart = real", 3, 8,
          "entry: the address 0x100000 is out of reach for start = real; allowed: below 1M" },
        { GUEST "memory = 8G\nload = 4G", 4, 8,
          "entry: the address 0x100000000 is out of reach for start = 32; allowed: below 4G" },
    };

    EXPECT_ERRORS(wrong);
}

/* conf_guest.c may not include hv's header, and says the same. */
static void the_hole_is_where_hv_has_it(void **state)
{
    const uint64_t memory = 64ull << 30;

    assert_true(conf_address_in_memory(GUEST_BELOW_4G - 1, memory));
    assert_false(conf_address_in_memory(GUEST_BELOW_4G, memory));
    assert_false(conf_address_in_memory(GUEST_ABOVE_4G - 1, memory));
    assert_true(conf_address_in_memory(GUEST_ABOVE_4G, memory));
    assert_true(conf_address_in_memory(GUEST_ABOVE_4G + memory - GUEST_BELOW_4G - 1, memory));
    assert_false(conf_address_in_memory(GUEST_ABOVE_4G + memory - GUEST_BELOW_4G, memory));
}

static unsigned count_lines(const char *text)
{
    unsigned count = 1;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* One below the limit, at it, and one above, for each text. */
static void lengths_of_texts(void **state)
{
    static const struct {
        const char *key;
        size_t limit;
        const char *line;
    } keys[] = {
        { "image", CONF_PATH_SIZE - 7, "[guest g]\nimage = " },
        { "cmdline", CONF_CMDLINE_SIZE - 1, GUEST "cmdline = " },
        { "module", CONF_MODULE_SIZE - 1, GUEST "module = m " },
        { "expect", CONF_PATTERN_SIZE - 1, GUEST "expect = " },
        { "do", CONF_COMMAND_SIZE - 1, GUEST "[script]\ndo = " },
    };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t prefix = strcmp(keys[i].key, "module") ? 0 : strlen("m ");

        for (size_t length = keys[i].limit - 1; length <= keys[i].limit + 2; length++) {
            char text[2048], value[1100], message[128];

            memset(value, 'x', length - prefix);
            value[length - prefix] = 0;
            snprintf(text, sizeof text, "%s%s", keys[i].line, value);
            if (length <= keys[i].limit) {
                expect_fine(text);
                continue;
            }
            const char *line = strrchr(keys[i].line, '\n') + 1;

            snprintf(message, sizeof message, "%s: the value has %zu bytes; allowed: at most %zu", keys[i].key, length,
                     keys[i].limit);
            expect_error_in(text, strlen(text), count_lines(keys[i].line), (unsigned)(strlen(line) - prefix + 1),
                            message);
        }
    }
}

static void a_text_of_the_full_length_is_whole(void **state)
{
    char text[2048], value[CONF_CMDLINE_SIZE];

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    snprintf(text, sizeof text, "cmdline = \"%s\"", value);
    assert_string_equal(guest_with(text)->cmdline, value);
    /* Escapes count as one. */
    char *at = text + sprintf(text, GUEST "expect = \"");

    for (unsigned i = 0; i < CONF_PATTERN_SIZE - 1; i++)
        at += sprintf(at, "\\\"");
    sprintf(at, "\"");
    expect_fine(text);
    assert_int_equal(strlen(conf.guests[0].expect), CONF_PATTERN_SIZE - 1);
    sprintf(at, "x\"");
    expect_error_in(text, strlen(text), 3, 10, "expect: the value has 128 bytes; allowed: at most 127");
}

static void path_of_a_module(void **state)
{
    char text[512], path[130];

    memset(path, 'p', sizeof path);
    path[121] = 0;
    snprintf(text, sizeof text, GUEST "module = %s arg", path);
    expect_fine(text);
    assert_int_equal(strlen(conf.guests[0].modules[0].path), CONF_PATH_SIZE - 1);
    path[121] = 'p';
    path[122] = 0;
    snprintf(text, sizeof text, GUEST "module = %s arg", path);
    expect_error_in(text, strlen(text), 3, 10, "module: the path has 122 bytes; allowed: 1 to 121");
}

static void counts_of_guests_modules_and_commands(void **state)
{
    char text[4096], *at = text;

    for (int i = 0; i < 32; i++)
        at += sprintf(at, "[guest g%d]\nimage = i\n", i);
    expect_fine(text);
    assert_int_equal(conf.guest_count, 32);
    assert_string_equal(conf.guests[31].name, "g31");
    sprintf(at, "[guest g32]\nimage = i\n");
    expect_error_in(text, strlen(text), 65, 1, "too many guests; allowed: 32");

    at = text + sprintf(text, GUEST);
    for (int i = 0; i < 8; i++)
        at += sprintf(at, "module = m%d\n", i);
    expect_fine(text);
    assert_int_equal(conf.guests[0].module_count, 8);
    assert_string_equal(conf.guests[0].modules[7].path, "\\slat\\m7");
    sprintf(at, "module = m8\n");
    expect_error_in(text, strlen(text), 11, 10, "module: too many modules; allowed: 8");

    at = text + sprintf(text, GUEST "[script]\n");
    for (int i = 0; i < 64; i++)
        at += sprintf(at, "do = c%d\n", i);
    expect_fine(text);
    assert_int_equal(conf.command_count, 64);
    assert_string_equal(conf.commands[63], "c63");
    sprintf(at, "do = c64\n");
    expect_error_in(text, strlen(text), 68, 6, "do: too many commands; allowed: 64");
}

static void long_lines(void **state)
{
    size_t size = 1 << 20;
    char *text = malloc(size + 64);

    assert_non_null(text);
    memset(text, 'x', size);
    expect_error_in(text, size, 1, 1,
                    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" before the first section; allowed: "
                    "[slat], [guest NAME], [script]");
    text[0] = '#';
    memcpy(text + size, "\n" GUEST, sizeof "\n" GUEST);
    expect_fine(text);
    memcpy(text, GUEST "cmdline = \"", sizeof GUEST "cmdline = \"" - 1);
    expect_error_in(
        text, size, 3, 11,
        "cmdline: the closing quote is missing in \"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"");
    /* A value does not become right because its end is not looked at. */
    memset(text, ' ', size);
    memcpy(text, GUEST "memory = 16M", sizeof GUEST "memory = 16M" - 1);
    text[size] = 0;
    expect_fine(text);
    text[size - 1] = 'x';
    expect_error_in(text, size, 3, 10, "memory: the value has 1048547 bytes; allowed: at most 64");
    free(text);
}

/* Long and hostile file names leave room for the message. */
static void the_file_name_is_made_printable(void **state)
{
    char name[400];

    assert_int_equal(conf_parse("x", 1, "a\nb\xff", &conf, &error), -22);
    assert_string_equal(error.text,
                        "a\\x0ab\\xff:1:1: \"x\" before the first section; allowed: [slat], [guest NAME], [script]");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    assert_int_equal(conf_parse("x", 1, name, &conf, &error), -22);
    assert_string_equal(error.text + 128,
                        ":1:1: \"x\" before the first section; allowed: [slat], [guest NAME], [script]");
    assert_memory_equal(error.text, name, 128);
}

/* The longest message that there is, with the longest name. */
static void no_message_is_cut(void **state)
{
    char name[200], text[512];

    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    memset(text, '\n', 400);
    sprintf(text + 400, GUEST "outputs-limit = 1M");
    assert_int_equal(conf_parse(text, strlen(text), name, &conf, &error), -22);
    assert_true(strlen(error.text) < sizeof error.text - 1);
    assert_non_null(strstr(error.text, "; did you mean \"output-limit\"? allowed: image, format, "));
    assert_string_equal(error.text + strlen(error.text) - strlen(", output-limit, vmcs"), ", output-limit, vmcs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_against_the_memory),
        cmocka_unit_test(the_hole_is_where_hv_has_it),
        cmocka_unit_test(lengths_of_texts),
        cmocka_unit_test(a_text_of_the_full_length_is_whole),
        cmocka_unit_test(path_of_a_module),
        cmocka_unit_test(counts_of_guests_modules_and_commands),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(the_file_name_is_made_printable),
        cmocka_unit_test(no_message_is_cut),
    };

    return cmocka_run_group_tests_name("conf_limits", tests, NULL, NULL);
}
