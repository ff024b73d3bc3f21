/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/conf*.c: what slat.conf may say, and what it means; and that slat-conf shows the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "boot/conf_names.h"
#include "tests/unit/conf_support.h"
#include "tools/conf_show.h"

static struct slat_conf again;

static void defaults(void **state)
{
    static const struct guest_conf expected = {
        .name = "g",
        .image = "\\slat\\i",
        .format = IMAGE_AUTO,
        .memory = 16 << 20,
        .processors = 1,
        .start = FLAT_32,
        .load = 0x100000,
        .entry = 0x100000,
        .largest_page = CONF_PAGE_1G,
        .on_demand = 0,
        .expect_end = GUEST_END_EXIT,
        .expect_status = 0,
        .timeout_ms = 60000,
        .output_limit = 1 << 20,
    };

    expect_fine(GUEST);
    assert_int_equal(conf.guest_count, 1);
    assert_int_equal(conf.at_end, AT_END_POWEROFF);
    assert_int_equal(conf.slice_us, 5000);
    assert_int_equal(conf.processors, 64);
    assert_int_equal(conf.audit, 0);
    assert_int_equal(conf.nx_large_pages, CHOICE_AUTO);
    assert_int_equal(conf.command_count, 0);
    assert_memory_equal(&conf.guests[0], &expected, sizeof expected);

    /* What no guest uses is zero: the handoff copies all of it. */
    for (size_t i = sizeof expected; i < sizeof conf.guests; i++)
        assert_int_equal(((const char *)conf.guests)[i], 0);
}

static void every_key_of_a_guest(void **state)
{
    expect_fine("[guest all]\n"
                "image = dir/sub\\image.bin\n"
                "format = flat\n"
                "memory = 3M\n"
                "processors = 1\n"
                "cmdline = a b\n"
                "module = m1 x  y\n"
                "module = dir\\m2\n"
                "load = 0x2000\n"
                "entry = 12K\n"
                "start = 64\n"
                "largest-page = 2M\n"
                "backing = on-demand\n"
                "hypercalls = yes\n"
                "expect = done*\n"
                "expect-end = exit 0x80000001\n"
                "timeout = 90s\n"
                "output-limit = 5\n");
    const struct guest_conf *guest = &conf.guests[0];

    assert_string_equal(guest->name, "all");
    assert_string_equal(guest->image, "\\slat\\dir\\sub\\image.bin");
    assert_int_equal(guest->format, IMAGE_FLAT);
    assert_int_equal(guest->memory, 3 << 20);
    assert_string_equal(guest->cmdline, "a b");
    assert_int_equal(guest->module_count, 2);
    assert_string_equal(guest->modules[0].path, "\\slat\\m1");
    assert_string_equal(guest->modules[0].text, "m1 x  y");
    assert_string_equal(guest->modules[1].path, "\\slat\\dir\\m2");
    assert_string_equal(guest->modules[1].text, "dir\\m2");
    assert_int_equal(guest->load, 0x2000);
    assert_int_equal(guest->entry, 0x3000);
    assert_int_equal(guest->start, FLAT_64);
    assert_int_equal(guest->largest_page, CONF_PAGE_2M);
    assert_int_equal(guest->on_demand, 1);
    assert_int_equal(guest->hypercalls, 1);
    assert_string_equal(guest->expect, "done*");
    assert_int_equal(guest->expect_end, GUEST_END_EXIT);
    assert_int_equal(guest->expect_status, 0x80000001);
    assert_int_equal(guest->timeout_ms, 90000);
    assert_int_equal(guest->output_limit, 5);
}

static void the_slat_section(void **state)
{
    expect_fine(GUEST "[slat]\nat-end = reboot\nslice = 100us\naudit = yes\nnx-large-pages = yes\nprocessors = 3\n"
                      "apic-virtualization = no\n"
                      "[guest h]\nimage = j\n");
    assert_int_equal(conf.at_end, AT_END_REBOOT);
    assert_int_equal(conf.slice_us, 100);
    assert_int_equal(conf.processors, 3);
    assert_int_equal(conf.audit, 1);
    assert_int_equal(conf.nx_large_pages, CHOICE_YES);
    assert_int_equal(conf.apic_virtualization, CHOICE_NO);
    assert_int_equal(conf.guest_count, 2);
    expect_fine("[slat]\nat-end = halt\nslice = 1s\nnx-large-pages = no\n" GUEST);
    assert_int_equal(conf.at_end, AT_END_HALT);
    assert_int_equal(conf.slice_us, 1000000);
    assert_int_equal(conf.nx_large_pages, CHOICE_NO);
    expect_fine("[slat]\nnx-large-pages = auto\n" GUEST);
    assert_int_equal(conf.nx_large_pages, CHOICE_AUTO);
    assert_string_equal(conf.gdb, "");
    expect_fine("[slat]\ngdb = \"h\"\n" GUEST "[guest h]\nimage = j\n");
    assert_string_equal(conf.gdb, "h");
    expect_fine("[slat]\nat-end = poweroff\n" GUEST);
    assert_int_equal(conf.at_end, AT_END_POWEROFF);
    expect_fine(GUEST "[slat]\n"); /* the guest before it has its own keys */
    assert_int_equal(conf.at_end, AT_END_POWEROFF);
}

static void the_script(void **state)
{
    expect_fine("[script]\ndo = stats g # now\n  do=expect g \"a  b\" 2s\n" GUEST "cmdline = do = x\n");
    assert_int_equal(conf.command_count, 2);
    assert_string_equal(conf.commands[0], "stats g");
    assert_string_equal(conf.commands[1], "expect g \"a  b\" 2s");
    expect_fine(GUEST "[script]\ndo = \"say \\\"#1\\\" \"\ndo = \"\"\n[guest script]\nimage = j\n");
    assert_int_equal(conf.command_count, 2);
    assert_string_equal(conf.commands[0], "say \"#1\" ");
    assert_string_equal(conf.commands[1], "");
    assert_int_equal(conf.guest_count, 2);
    expect_fine(GUEST "[script]\n");
    assert_int_equal(conf.command_count, 0);
}

static void every_word(void **state)
{
    assert_int_equal(guest_with("format = auto")->format, IMAGE_AUTO);
    assert_int_equal(guest_with("format = multiboot")->format, IMAGE_MULTIBOOT);
    assert_int_equal(guest_with("format = linux")->format, IMAGE_LINUX);
    assert_int_equal(guest_with("format = pvh")->format, IMAGE_PVH);
    assert_int_equal(guest_with("processors = 1")->processors, 1);
    assert_int_equal(guest_with("processors = 0x20")->processors, 32);
    assert_int_equal(guest_with("start = real")->start, FLAT_REAL);
    assert_int_equal(guest_with("start = 32")->start, FLAT_32);
    assert_int_equal(guest_with("largest-page = 4K")->largest_page, CONF_PAGE_4K);
    assert_int_equal(guest_with("largest-page = 1G")->largest_page, CONF_PAGE_1G);
    assert_int_equal(guest_with("backing = filled")->on_demand, 0);
    assert_int_equal(guest_with("hypercalls = no")->hypercalls, 0);
    for (unsigned end = GUEST_END_EXIT + 1; end < GUEST_END_COUNT; end++) {
        char line[64];

        snprintf(line, sizeof line, "expect = x\nexpect-end = %s", guest_end_names[end]);
        assert_int_equal(guest_with(line)->expect_end, end);
    }
}

static void expect_end_follows_expect(void **state)
{
    assert_int_equal(guest_with("expect = x")->expect_end, GUEST_END_EXPECT_SEEN);
    assert_int_equal(guest_with("expect = \"\"")->expect_end, GUEST_END_EXIT);
    assert_int_equal(guest_with("expect = x\nexpect-end = halt")->expect_end, GUEST_END_HALT);
    assert_int_equal(guest_with("expect-end = exit 4294967295")->expect_status, UINT32_MAX);
    assert_int_equal(guest_with("expect-end = exit \t 7")->expect_status, 7);
}

static void numbers_and_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } sizes[] = {
        { "4096", 4096 },      { "0x1000", 4096 },       { "0X1000", 4096 },   { "0xabc000", 0xabc000 },
        { "0xF000", 0xf000 },  { "0xABC000", 0xabc000 }, { "4K", 4096 },       { "4KiB", 4096 },
        { "4 K", 4096 },       { "4\tKiB", 4096 },       { "1M", 1 << 20 },    { "1MiB", 1 << 20 },
        { "1G", 1 << 30 },     { "1GiB", 1 << 30 },      { "1T", 1ull << 40 }, { "1TiB", 1ull << 40 },
        { "0x10M", 16 << 20 }, { "0008K", 8192 },        { "\"8K\"", 8192 },   { "1073741824K", 1ull << 40 },
    };
    static const struct {
        const char *text;
        uint64_t value;
    } times[] = {
        { "0", 0 },         { "none", 0 },    { "0s", 0 },
        { "1ms", 1 },       { "1s", 1000 },   { "2 s", 2000 },
        { "3min", 180000 }, { "0x10ms", 16 }, { "43200min", 2592000000 },
    };
    char line[64];

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(line, sizeof line, "memory = %s", sizes[i].text);
        assert_int_equal(guest_with(line)->memory, sizes[i].value);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        snprintf(line, sizeof line, "timeout = %s", times[i].text);
        assert_int_equal(guest_with(line)->timeout_ms, times[i].value);
    }
}

static void quotes_and_comments(void **state)
{
    assert_string_equal(guest_with("cmdline = a b  # c")->cmdline, "a b");
    assert_string_equal(guest_with("cmdline = a#b")->cmdline, "a");
    assert_string_equal(guest_with("cmdline = \"a # b\"# c")->cmdline, "a # b");
    assert_string_equal(guest_with("cmdline = \" a\\\"b\\\\c \" ")->cmdline, " a\"b\\c ");
    assert_string_equal(guest_with("cmdline = \"\"")->cmdline, "");
    assert_string_equal(guest_with("cmdline = a \"b\" \\c")->cmdline, "a \"b\" \\c");
    assert_string_equal(guest_with("cmdline=a=b")->cmdline, "a=b");
    assert_string_equal(guest_with("\t cmdline\t=\t\"a\tb\"\t")->cmdline, "a\tb");
    assert_string_equal(guest_with("cmdline = gr\xc3\xbc\xc3\x9f")->cmdline, "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(guest_with("cmdline = a] [b")->cmdline, "a] [b");
    expect_fine("# \x01\x7f anything in a comment\n  [ guest \t g ]  # ] here too\nimage=i#\n");
    assert_string_equal(conf.guests[0].name, "g");
}

static void line_ends_and_byte_order_mark(void **state)
{
    static const char nul_in_comment[] = "# a \0 b\n" GUEST;

    expect_fine("[guest g]\r\nimage = i\r\ncmdline = a b\r\n");
    assert_string_equal(conf.guests[0].cmdline, "a b");
    expect_fine("[guest g]\nimage = i");
    expect_fine("[guest g]\r\nimage = i\r");
    assert_string_equal(conf.guests[0].image, "\\slat\\i");
    expect_fine("\xef\xbb\xbf[guest g]\nimage = i\n");
    expect_fine("\n\n \n" GUEST "\n\n");
    assert_int_equal(parse_bytes(nul_in_comment, sizeof nul_in_comment - 1), 0);
    expect_error_in("\xef\xbb\xbf[x]", 6, 1, 2, "unknown section \"x\"; allowed: slat, guest, script");
}

static void flat_defaults(void **state)
{
    assert_int_equal(guest_with("start = real")->load, 0x7c00);
    assert_int_equal(guest_with("start = real")->entry, 0x7c00);
    assert_int_equal(guest_with("load = 0x8000\nstart = real")->entry, 0x8000);
    assert_int_equal(guest_with("start = 64")->load, 0x100000);
    assert_int_equal(guest_with("load = 64K")->entry, 0x10000);
    /* With format = auto nobody knows yet whether the default is needed. */
    assert_int_equal(guest_with("memory = 4K")->load, 0x100000);
    assert_int_equal(guest_with("memory = 4K\nformat = linux")->memory, 4096);
    assert_int_equal(guest_with("format = flat\nmemory = 1028K")->load, 0x100000);
}

/* Its addresses are the ROM's end. */
static void reset_vector_has_no_addresses(void **state)
{
    assert_int_equal(guest_with("start = reset")->start, FLAT_RESET);
    assert_int_equal(conf.guests[0].load, 0);
    assert_int_equal(conf.guests[0].entry, 0);
    assert_int_equal(guest_with("start = reset\nformat = flat\nmemory = 4K")->format, IMAGE_FLAT);
}

static void show_parses_to_the_same(void **state)
{
    static const char *const texts[] = {
        GUEST,
        "[slat]\nat-end = halt\nslice = 1500us\naudit = yes\n[guest a]\nimage = d/e f\nformat = linux\ncmdline = \"a "
        "\\\"b\\\\ # "
        "\xc3\"\n"
        "module = x\\y \\ \"z\" \nmodule = q\nlargest-page = 4K\nbacking = on-demand\nexpect = a\\*\n"
        "timeout = none\noutput-limit = 0\n[guest b]\nimage = i\nformat = flat\nstart = real\nmemory = 36K\n"
        "expect-end = exit 77\ntimeout = 1500ms\noutput-limit = 1025\n",
        GUEST "vmcs = 0x681e 0xffffffffffffffff\nvmcs = 0x800 8\n",
        GUEST "memory = 4K\nhypercalls = yes\n[slat]\nnx-large-pages = no\n",
        GUEST "[script]\ndo = \"a \\\"b\\\" # \\\\\"\ndo = x\n",
        "[slat]\nnx-large-pages = yes\n[script]\ndo = \"\"\n" GUEST,
        GUEST "memory = 4K\nload = 0\nstart = real\n",
        GUEST "memory = 5G\nload = 4G\nstart = 64\nentry = 0x100000001\n",
        GUEST "memory = 5G\nstart = reset\n",
        GUEST "format = pvh\n",
        GUEST "[slat]\ngdb = g\n",
    };
    char shown[8192];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect_fine(texts[i]);
        again = conf;
        assert_true(conf_show(&again, shown, sizeof shown) < sizeof shown);
        expect_fine(shown);
        assert_memory_equal(&conf, &again, sizeof conf);
    }
}

static void show_fills_in_every_default(void **state)
{
    char shown[2048];

    expect_fine(GUEST);
    conf_show(&conf, shown, sizeof shown);
    assert_string_equal(shown,
                        "[slat]\nat-end = poweroff\nslice = 5ms\naudit = no\nconsole = auto\nnx-large-pages = auto\n"
                        "apic-virtualization = auto\nprocessors = 64\n\n[guest "
                        "g]\nimage = \"i\"\nformat = auto\n"
                        "memory = 16M\nprocessors = 1\ncmdline = \"\"\nstart = 32\nload = 0x100000\n"
                        "entry = 0x100000\nlargest-page = 1G\nbacking = filled\nhypercalls = no\nexpect = \"\"\n"
                        "expect-end = exit 0\ntimeout = 1min\noutput-limit = 1M\n");
    assert_int_equal(conf_show(&conf, NULL, 0), strlen(shown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_key_of_a_guest),
        cmocka_unit_test(the_slat_section),
        cmocka_unit_test(the_script),
        cmocka_unit_test(every_word),
        cmocka_unit_test(expect_end_follows_expect),
        cmocka_unit_test(numbers_and_units),
        cmocka_unit_test(quotes_and_comments),
        cmocka_unit_test(line_ends_and_byte_order_mark),
        cmocka_unit_test(flat_defaults),
        cmocka_unit_test(reset_vector_has_no_addresses),
        cmocka_unit_test(show_parses_to_the_same),
        cmocka_unit_test(show_fills_in_every_default),
    };

    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
