/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/conf*.c: the exact text and place of every error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "boot/conf_error.h"
#include "tests/unit/conf_support.h"

static void errors_of_sections(void **state)
{
    static const struct wrong wrong[] = {
        { "", 1, 1, "the file has no guest, and needs one: [guest NAME]" },
        { "# nothing\n\n# here", 3, 1, "the file has no guest, and needs one: [guest NAME]" },
        { "\xef\xbb\xbf", 1, 1, "the file has no guest, and needs one: [guest NAME]" },
        { "[slat]\n", 1, 1, "the file has no guest, and needs one: [guest NAME]" },
        { "\n [gest a]", 2, 3, "unknown section \"gest\"; did you mean \"guest\"? allowed: slat, guest, script" },
        { "[]", 1, 2, "unknown section \"\"; allowed: slat, guest, script" },
        { "[Slat]", 1, 2, "unknown section \"Slat\"; did you mean \"slat\"? allowed: slat, guest, script" },
        { "[guest a", 1, 1, "\"[guest a\" has no \"]\"; allowed: [slat], [guest NAME], [script]" },
        { "[slat] x", 1, 8, "\"x\" after the section's name; allowed: a comment" },
        { "[guest a]]", 1, 10, "\"]\" after the section's name; allowed: a comment" },
        { "[slat a]", 1, 7, "\"a\" after \"slat\"; allowed: [slat]" },
        { "[script a]", 1, 9, "\"a\" after \"script\"; allowed: [script]" },
        { "[script]\n" GUEST "[script]", 4, 1, "[script] is given twice, first in line 1; allowed: once" },
        { "[slat]\n" GUEST "[slat]", 4, 1, "[slat] is given twice, first in line 1; allowed: once" },
        { "[guest]", 1, 7, "the guest name \"\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -" },
        { "[guest a b]", 1, 8, "the guest name \"a b\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -" },
        { "[guest :a]", 1, 8, "the guest name \":a\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -" },
        { "[guest a:b]", 1, 8, "the guest name \"a:b\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -" },
        { "[guest \xc3\xa4]", 1, 8, "the guest name \"\\xc3\\xa4\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -" },
        { "[guest abcdefghijklmnopqrstuvwx]", 1, 8,
          "the guest name \"abcdefghijklmnopqrstuvwx\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -" },
        { "[guest slat]", 1, 8, "the guest name \"slat\" would make its output look like slat's own" },
        { GUEST "\n[guest g]", 4, 8, "the guest name \"g\" is taken, in line 1" },
        { GUEST "[guest h]\nimage = j\n[guest h]", 5, 8, "the guest name \"h\" is taken, in line 3" },
        { "[guest a]\n[guest b]\nimage = i", 1, 1, "[guest a] has no image, and needs one: image = FILE" },
        { "[guest a]\nmemory = 1M\n[slat]", 1, 1, "[guest a] has no image, and needs one: image = FILE" },
        { "\xff\xfe[\0s", 1, 1, "the file is UTF-16; allowed: ASCII, UTF-8" },
        { "\xfe\xff", 1, 1, "the file is UTF-16; allowed: ASCII, UTF-8" },
    };

    EXPECT_ERRORS(wrong);
    expect_fine("[guest AZaz09_.-abcdefghijklmn]\nimage = i\n"); /* 23 */
    expect_error_in("[guest a\0b]", 11, 1, 8,
                    "the guest name \"a\\x00b\"; allowed: 1 to 23 characters of A-Z a-z 0-9 _ . -");
}

#define VMCS_ALLOWED "; allowed: 0x800 to 0x80e, 0x4800 to 0x4824, 0x6802, 0x6806 to 0x6826, even"
#define VMCS_NUMBERS "the numbers of a VMCS field and of its value"
#define GUEST_KEYS                                                                                                \
    "image, format, memory, processors, cmdline, module, load, entry, start, largest-page, backing, hypercalls, " \
    "expect, "                                                                                                    \
    "expect-end, timeout, output-limit, vmcs"

static void errors_of_keys(void **state)
{
    static const struct wrong wrong[] = {
        { "memory = 1M\n", 1, 1, "\"memory\" before the first section; allowed: [slat], [guest NAME], [script]" },
        { "[slat]\nslize = 1", 2, 1,
          "unknown key \"slize\" in [slat]; did you mean \"slice\"? allowed: at-end, slice, audit, console, "
          "nx-large-pages, "
          "apic-virtualization, processors, gdb" },
        { "[slat]\ngdb = h\n" GUEST, 2, 7, "gdb: there is no guest \"h\"" },
        { GUEST "[slat]\n gdb =G # g", 4, 7, "gdb: there is no guest \"G\"" },
        { GUEST "[slat]\ngdb = \"\"\n[script]", 4, 7, "gdb: there is no guest \"\"" },
        { GUEST "[slat]\ngdb = g\ngdb = g", 5, 1, "gdb is given twice, first in line 4; allowed: once" },
        { "[script]\ndo stats g", 2, 4, "\"stats g\" after the key do; allowed: =" },
        { "[script]\nmemory = 1", 2, 1, "unknown key \"memory\" in [script]; allowed: do" },
        { "[slat]\nnx-large-pages = on", 2, 18, "nx-large-pages: unknown word \"on\"; allowed: auto, yes, no" },
        { GUEST "hypercalls = auto", 3, 14, "hypercalls: unknown word \"auto\"; allowed: no, yes" },
        { "[slat]\nmemory = 1", 2, 1,
          "unknown key \"memory\" in [slat]; allowed: at-end, slice, audit, console, nx-large-pages, "
          "apic-virtualization, processors, gdb" },
        { GUEST " memroy = 1", 3, 2,
          "unknown key \"memroy\" in [guest]; did you mean \"memory\"? allowed: " GUEST_KEYS },
        { GUEST "MEMORY = 1", 3, 1,
          "unknown key \"MEMORY\" in [guest]; did you mean \"memory\"? allowed: " GUEST_KEYS },
        { GUEST "modules = 1", 3, 1,
          "unknown key \"modules\" in [guest]; did you mean \"module\"? allowed: " GUEST_KEYS },
        { GUEST "cpus = 1", 3, 1, "unknown key \"cpus\" in [guest]; allowed: " GUEST_KEYS },
        { GUEST "outputlimit 1", 3, 1,
          "unknown key \"outputlimit\" in [guest]; did you mean \"output-limit\"? allowed: " GUEST_KEYS },
        { GUEST "at-end = halt", 3, 1, "unknown key \"at-end\" in [guest]; allowed: " GUEST_KEYS },
        { GUEST "memory", 3, 7, "nothing after the key memory; allowed: =" },
        { GUEST "memory 16M", 3, 8, "\"16M\" after the key memory; allowed: =" },
        { GUEST "memory # = 16M", 3, 8, "\"# = 16M\" after the key memory; allowed: =" },
        { GUEST "= 16M", 3, 1, "\"= 16M\" without a key; allowed: KEY = VALUE, [SECTION]" },
        { GUEST "memory = 1M\nmemory = 1M", 4, 1, "memory is given twice, first in line 3; allowed: once" },
        { "[slat]\nslice = 1ms\nslice = 1ms", 3, 1, "slice is given twice, first in line 2; allowed: once" },
        { GUEST "image = j", 3, 1, "image is given twice, first in line 2; allowed: once" },
        { GUEST "format = linux\nload = 1M", 4, 8,
          "load is for flat images; allowed with format = linux: none of load, entry, start" },
        { GUEST "entry = 1M\nformat = multiboot", 3, 9,
          "entry is for flat images; allowed with format = multiboot: none of load, entry, start" },
        { GUEST "start = 32\nformat = linux", 3, 9,
          "start is for flat images; allowed with format = linux: none of load, entry, start" },
        { GUEST "start = reset\nformat = pvh", 3, 9,
          "start is for flat images; allowed with format = pvh: none of load, entry, start" },
        { GUEST "load = 1M\nstart = reset", 3, 8,
          "load is not possible with start = reset: the image ends at 4G and starts at 0xfffffff0" },
        { GUEST "start = reset\nentry = 0xfffffff0", 4, 9,
          "entry is not possible with start = reset: the image ends at 4G and starts at 0xfffffff0" },
    };

    EXPECT_ERRORS(wrong);
    /* The same key in two guests is not twice. */
    expect_fine("[guest a]\nimage = i\nmemory = 1M\n[guest b]\nimage = i\nmemory = 1M\n");
}

static void errors_of_quotes(void **state)
{
    static const struct wrong wrong[] = {
        { GUEST "cmdline =", 3, 10, "cmdline has no value (an empty text is written \"\")" },
        { GUEST "cmdline =  # x", 3, 12, "cmdline has no value (an empty text is written \"\")" },
        { GUEST "cmdline = \"a # b", 3, 11, "cmdline: the closing quote is missing in \"\"a # b\"" },
        { GUEST "cmdline = \"a\\\"", 3, 11, "cmdline: the closing quote is missing in \"\"a\\\"\"" },
        { GUEST "cmdline = \"a\\", 3, 13, "cmdline: \"\\\" in quotes; allowed: \\\" and \\\\" },
        { GUEST "cmdline = \"a\\n", 3, 13, "cmdline: \"\\n\" in quotes; allowed: \\\" and \\\\" },
        { GUEST "cmdline = \"a\\n\"", 3, 13, "cmdline: \"\\n\" in quotes; allowed: \\\" and \\\\" },
        { GUEST "cmdline = \"a\" b", 3, 15, "cmdline: \"b\" after the closing quote; allowed: a comment" },
        { GUEST "cmdline = \"a\"\"b\"", 3, 14, "cmdline: \"\"b\"\" after the closing quote; allowed: a comment" },
        { GUEST "cmdline = a\x01", 3, 12, "cmdline: control character \"\\x01\"; allowed: printable text and tabs" },
        { GUEST "cmdline = \"\x7f\"", 3, 12, "cmdline: control character \"\\x7f\"; allowed: printable text and tabs" },
        { GUEST "cmdline = a\rb", 3, 12, "cmdline: control character \"\\x0d\"; allowed: printable text and tabs" },
    };

    EXPECT_ERRORS(wrong);
    expect_error_in(GUEST "cmdline = a\0b", sizeof(GUEST "cmdline = a\0b") - 1, 3, 12,
                    "cmdline: control character \"\\x00\"; allowed: printable text and tabs");
}

#define SIZES "a number of bytes, or one with K, M, G or T (16M)"

static void errors_of_numbers(void **state)
{
    static const struct wrong wrong[] = {
        { GUEST "memory = lots", 3, 10, "memory: \"lots\" is not a number; allowed: " SIZES },
        { GUEST "memory = \"\"", 3, 10, "memory: \"\" is not a number; allowed: " SIZES },
        { GUEST "memory = -1", 3, 10, "memory: \"-1\" is not a number; allowed: " SIZES },
        { GUEST "memory = 0x", 3, 10, "memory: \"0x\" is not a number; allowed: " SIZES },
        { GUEST "memory = 0xg", 3, 10, "memory: \"0xg\" is not a number; allowed: " SIZES },
        { GUEST "memory = 16Q", 3, 10, "memory: \"16Q\" has the unknown unit \"Q\"; allowed: " SIZES },
        { GUEST "memory = 16m", 3, 10, "memory: \"16m\" has the unknown unit \"m\"; allowed: " SIZES },
        { GUEST "memory = 16:", 3, 10, "memory: \"16:\" has the unknown unit \":\"; allowed: " SIZES },
        { GUEST "memory = 1.5G", 3, 10, "memory: \"1.5G\" has the unknown unit \".5G\"; allowed: " SIZES },
        { GUEST "memory = 16MB", 3, 10, "memory: \"16MB\" has the unknown unit \"MB\"; allowed: " SIZES },
        { GUEST "memory = 16 M M", 3, 10, "memory: \"16 M M\" has the unknown unit \"M M\"; allowed: " SIZES },
        { GUEST "memory = 12abc", 3, 10, "memory: \"12abc\" has the unknown unit \"abc\"; allowed: " SIZES },
        { GUEST "memory = 0", 3, 10, "memory: \"0\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 4095", 3, 10, "memory: \"4095\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 1099511627777", 3, 10, "memory: \"1099511627777\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 1025G", 3, 10, "memory: \"1025G\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 16777216T", 3, 10, "memory: \"16777216T\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 18446744073709555712", 3, 10, /* 2^64 + 4096 */
          "memory: \"18446744073709555712\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 0x10000000000001000", 3, 10,
          "memory: \"0x10000000000001000\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 340282366920938463463374607431768215552", 3, 10, /* overflows twice */
          "memory: \"340282366920938463463374607431768215552\" is out of range; allowed: 4K to 1T" },
        { GUEST "memory = 4097", 3, 10, "memory: \"4097\" is not a multiple of 4K" },
        { GUEST "processors = 33", 3, 14, "processors: \"33\" is out of range; allowed: 1 to 32" },
        { GUEST "processors = 0", 3, 14, "processors: \"0\" is out of range; allowed: 1 to 32" },
        { GUEST "processors = 2K", 3, 14,
          "processors: \"2K\" has the unknown unit \"K\"; allowed: a number from 1 to 32" },
        { GUEST "load = here", 3, 8, "load: \"here\" is not a number; allowed: an address, as 0x100000 or 1M" },
        { GUEST "load = 1026G", 3, 8, "load: \"1026G\" is out of range; allowed: 0 to 1025G" },
        { GUEST "timeout = 5", 3, 11,
          "timeout: \"5\" has no unit; allowed: a number with ms, s or min (60s), 0, none" },
        { GUEST "timeout = 5us", 3, 11,
          "timeout: \"5us\" has the unknown unit \"us\"; allowed: a number with ms, s or min (60s), 0, none" },
        { GUEST "timeout = never", 3, 11,
          "timeout: \"never\" is not a number; allowed: a number with ms, s or min (60s), 0, none" },
        { GUEST "timeout = 43201min", 3, 11, "timeout: \"43201min\" is out of range; allowed: 0 to 43200min" },
        { GUEST "vmcs = 0x6800 1", 3, 8, "vmcs: field 0x6800 is not allowed" VMCS_ALLOWED },
        { GUEST "vmcs = 0x4826 1", 3, 8, "vmcs: field 0x4826 is not allowed" VMCS_ALLOWED },
        { GUEST "vmcs = 0x2800 1", 3, 8, "vmcs: field 0x2800 is not allowed" VMCS_ALLOWED },
        { GUEST "vmcs = 0x6c16 1", 3, 8, "vmcs: field 0x6c16 is not allowed" VMCS_ALLOWED },
        { GUEST "vmcs = 0x681f 1", 3, 8, "vmcs: field 0x681f is not allowed" VMCS_ALLOWED },
        { GUEST "vmcs = RIP 1", 3, 8, "vmcs: \"RIP\" is not a number; allowed: " VMCS_NUMBERS },
        { GUEST "vmcs = 0x681e", 3, 8, "vmcs: \"\" is not a number; allowed: " VMCS_NUMBERS },
        { GUEST "vmcs = 0x681e  0 1", 3, 8, "vmcs: \"0 1\" has the unknown unit \"1\"; allowed: " VMCS_NUMBERS },
        { GUEST "output-limit = 2T", 3, 16, "output-limit: \"2T\" is out of range; allowed: 0 to 1T" },
        { "[slat]\nprocessors = 0", 2, 14, "processors: \"0\" is out of range; allowed: 1 to 64" },
        { "[slat]\nprocessors = 65", 2, 14, "processors: \"65\" is out of range; allowed: 1 to 64" },
        { "[slat]\nslice = 99us", 2, 9, "slice: \"99us\" is out of range; allowed: 100us to 1s" },
        { "[slat]\nslice = 1001ms", 2, 9, "slice: \"1001ms\" is out of range; allowed: 100us to 1s" },
        { "[slat]\nslice = 0", 2, 9, "slice: \"0\" is out of range; allowed: 100us to 1s" },
        { "[slat]\nslice = 5", 2, 9, "slice: \"5\" has no unit; allowed: a number with us, ms or s (5ms)" },
        { GUEST "expect-end = exit", 3, 14,
          "expect-end: \"\" is not a number; allowed: exit and a number of 32 bits, as exit 0 or exit 0xff" },
        { GUEST "expect-end = exit 0x100000000", 3, 14,
          "expect-end: \"0x100000000\" is out of range; allowed: 0 to 4294967295" },
        { GUEST "expect-end = exit 1K", 3, 14,
          "expect-end: \"1K\" has the unknown unit \"K\"; allowed: exit and a number of 32 bits, as exit 0 or exit "
          "0xff" },
    };

    EXPECT_ERRORS(wrong);
}

#define ENDS                                                                                            \
    "exit N, expect-seen, power-off, reset, stopped, halt, triple-fault, outside-memory, unsupported, " \
    "entry-failure, timeout, bad-image, no-memory, cannot-start"

static void errors_of_words(void **state)
{
    static const struct wrong wrong[] = {
        { GUEST "format = elf", 3, 10, "format: unknown word \"elf\"; allowed: auto, flat, multiboot, linux, pvh" },
        { GUEST "format = Linux", 3, 10,
          "format: unknown word \"Linux\"; did you mean \"linux\"? allowed: auto, flat, multiboot, linux, pvh" },
        { GUEST "format = ", 3, 10, "format has no value (an empty text is written \"\")" },
        { GUEST "format = \"\"", 3, 10, "format: unknown word \"\"; allowed: auto, flat, multiboot, linux, pvh" },
        { GUEST "start = 16", 3, 9, "start: unknown word \"16\"; allowed: real, 32, 64, reset" },
        { GUEST "largest-page = 1M", 3, 16,
          "largest-page: unknown word \"1M\"; did you mean \"2M\"? allowed: 4K, 2M, 1G" },
        { GUEST "backing = ondemand", 3, 11,
          "backing: unknown word \"ondemand\"; did you mean \"on-demand\"? allowed: filled, on-demand" },
        { "[slat]\nat-end = off", 2, 10, "at-end: unknown word \"off\"; allowed: poweroff, reboot, halt" },
        { GUEST "expect-end = running", 3, 14, "expect-end: unknown word \"running\"; allowed: " ENDS },
        { GUEST "expect-end = exit0", 3, 14,
          "expect-end: unknown word \"exit0\"; did you mean \"exit N\"? allowed: " ENDS },
        { GUEST "expect-end = tripel-fault", 3, 14,
          "expect-end: unknown word \"tripel-fault\"; did you mean \"triple-fault\"? allowed: " ENDS },
        { GUEST "expect-end = expect-seen", 3, 14, "expect-end: expect-seen needs a pattern: expect = TEXT" },
        { GUEST "expect = a\\", 3, 10,
          "expect: the pattern \"a\\\" ends with a backslash that quotes nothing; allowed: \\\\ for a backslash" },
        { GUEST "expect = \\\\\\", 3, 10,
          "expect: the pattern \"\\\\\\\" ends with a backslash that quotes nothing; allowed: \\\\ for a backslash" },
    };

    EXPECT_ERRORS(wrong);
    assert_string_equal(guest_with("expect = a\\\\")->expect, "a\\\\");
}

#define PATH_CHARACTERS "allowed: printable ASCII but \" * : < > ? |"
#define PATH_NAMES      "has an empty name; allowed: names with one separator between them"
#define PATH_ENDS       "has a name that begins with a space or ends with a space or a dot"

static void errors_of_paths(void **state)
{
    static const struct wrong wrong[] = {
        { "[guest g]\nimage = \"\"", 2, 9, "image: the path has 0 bytes; allowed: 1 to 121" },
        { "[guest g]\nimage = /i", 2, 9, "image: the path \"/i\" is absolute; allowed: a path relative to \\slat\\" },
        { "[guest g]\nimage = \\i", 2, 9, "image: the path \"\\i\" is absolute; allowed: a path relative to \\slat\\" },
        { "[guest g]\nimage = c:\\i", 2, 9, "image: the path has the character \":\"; " PATH_CHARACTERS },
        { "[guest g]\nimage = i?", 2, 9, "image: the path has the character \"?\"; " PATH_CHARACTERS },
        { "[guest g]\nimage = \xc3\xa4", 2, 9, "image: the path has the character \"\\xc3\"; " PATH_CHARACTERS },
        { "[guest g]\nimage = a\tb", 2, 9, "image: the path has the character \"\\x09\"; " PATH_CHARACTERS },
        { "[guest g]\nimage = a//b", 2, 9, "image: the path \"a//b\" " PATH_NAMES },
        { "[guest g]\nimage = a/\\b", 2, 9, "image: the path \"a/\\b\" " PATH_NAMES },
        { "[guest g]\nimage = a/", 2, 9, "image: the path \"a/\" " PATH_NAMES },
        { "[guest g]\nimage = ..", 2, 9, "image: the path \"..\" " PATH_ENDS },
        { "[guest g]\nimage = a/../b", 2, 9, "image: the path \"a/../b\" " PATH_ENDS },
        { "[guest g]\nimage = ..\\b", 2, 9, "image: the path \"..\\b\" " PATH_ENDS },
        { "[guest g]\nimage = ./b", 2, 9, "image: the path \"./b\" " PATH_ENDS },
        { "[guest g]\nimage = a./b", 2, 9, "image: the path \"a./b\" " PATH_ENDS },
        { "[guest g]\nimage = a /b", 2, 9, "image: the path \"a /b\" " PATH_ENDS },
        { "[guest g]\nimage = a/ b", 2, 9, "image: the path \"a/ b\" " PATH_ENDS },
        { GUEST "module = ../m a", 3, 10, "module: the path \"../m\" " PATH_ENDS },
        { GUEST "module = \" m\"", 3, 10, "module: the path has 0 bytes; allowed: 1 to 121" },
    };

    EXPECT_ERRORS(wrong);
    expect_fine("[guest g]\nimage = .a/b c/d..e~\n");
    assert_string_equal(conf.guests[0].image, "\\slat\\.a\\b c\\d..e~");
    expect_fine(GUEST "module = m ../x: /\n");
    assert_string_equal(conf.guests[0].modules[0].text, "m ../x: /");
}

/* Up to 3 edits, and at most one for each three letters. */
static void only_near_names_are_suggested(void **state)
{
    static const char *const names[] = { NULL, "abcdefghi", "Zebra", "abcdefghijklmnopqrstuvwx", "32", "Az" };
    static const struct {
        const char *found, *nearest;
    } cases[] = {
        { "abcdefghi", "abcdefghi" },
        { "ABCDEFGHI", "abcdefghi" },
        { "abcxyzghi", "abcdefghi" },
        { "abcwxyzhi", NULL },
        { "abcdef", NULL }, /* 3 edits, but 2 are the most for 6 letters */
        { "abcdefg", "abcdefghi" },
        { "abcdefxghixx", "abcdefghi" },
        { "xxabcdefxghixx", NULL },
        { "zEbrA", "Zebra" },
        { "bra", NULL },
        { "ebra", "Zebra" },
        { "33", "32" },
        { "45", NULL },
        { "", NULL },
        { "abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx" },
        { "abcdefghijklmnopqrstuvw", "abcdefghijklmnopqrstuvwx" },
        { "abcdefghijklmnopqrstu", "abcdefghijklmnopqrstuvwx" },
        { "abcdefghijklmnopqrst", NULL },
        { "aZx", "Az" },
        { "abcdefghijklmnopqrstuvwxy", NULL }, /* longer than any name */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];

        snprintf(expected, sizeof expected, "%s%s%s allowed: abcdefghi, Zebra, abcdefghijklmnopqrstuvwx, 32, Az",
                 cases[i].nearest ? "; did you mean \"" : ";", cases[i].nearest ? cases[i].nearest : "",
                 cases[i].nearest ? "\"?" : "");
        assert_string_equal(conf_suggest(cases[i].found, strlen(cases[i].found), names, 6).text, expected);
    }
}

/* 50 bytes are shown; an escape is shown whole or not at all. */
static void long_text_is_cut(void **state)
{
    for (size_t letters = 0; letters <= 60; letters++) {
        char text[64], expected[80];

        memset(text, 'a', letters);
        memcpy(text + letters, "\xff", 2);
        if (letters + 4 <= 50)
            snprintf(expected, sizeof expected, "\"%.*s\\xff\"", (int)letters, text);
        else
            snprintf(expected, sizeof expected, "\"%.*s...\"", letters < 50 ? (int)letters : 50, text);
        assert_string_equal(conf_quote(text, letters + 1).text, expected);
    }
    assert_string_equal(conf_quote(" ~\x1f\x7f", 4).text, "\" ~\\x1f\\x7f\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_of_sections),
        cmocka_unit_test(errors_of_keys),
        cmocka_unit_test(errors_of_quotes),
        cmocka_unit_test(errors_of_numbers),
        cmocka_unit_test(errors_of_words),
        cmocka_unit_test(errors_of_paths),
        cmocka_unit_test(only_near_names_are_suggested),
        cmocka_unit_test(long_text_is_cut),
    };

    return cmocka_run_group_tests_name("conf_errors", tests, NULL, NULL);
}
