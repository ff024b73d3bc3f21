/* SPDX-License-Identifier: BSD-2-Clause */
/* tools/slat-conf.c: its commands, what they print and where, and its exit status. Each test runs in a folder of its own. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define main slat_conf_main
int slat_conf_main(int argc, char **argv);
#include "tools/slat-conf.c"
#undef main

static char output[8192], errors[8192];

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Sends a stream into a file; returns the descriptor to put back. */
static int redirect(FILE *stream, const char *name)
{
    int old = dup(fileno(stream));

    assert_true(old >= 0);
    fflush(stream);
    assert_non_null(freopen(name, "w", stream));
    return old;
}

static void restore(FILE *stream, int old, const char *name, char *text, size_t size)
{
    FILE *file;

    fflush(stream);
    assert_true(dup2(old, fileno(stream)) >= 0);
    close(old);
    file = fopen(name, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

/* Runs slat-conf with the words of a command line. */
static int slat_conf(const char *words)
{
    char program[] = "slat-conf", line[256], *argv[10] = { program }, *rest = line, *word;
    int argc = 1, status, old_output, old_errors;

    snprintf(line, sizeof line, "%s", words);
    while ((word = strsep(&rest, " ")) && *word)
        argv[argc++] = word;
    old_output = redirect(stdout, "output");
    old_errors = redirect(stderr, "errors");
    status = slat_conf_main(argc, argv);
    restore(stdout, old_output, "output", output, sizeof output);
    restore(stderr, old_errors, "errors", errors, sizeof errors);
    return status;
}

static int start(void **state)
{
    static char folder[64];

    strcpy(folder, "/tmp/slat-conf-XXXXXX");
    *state = mkdtemp(folder);
    return !*state || chdir(folder) || mkdir("slat", 0777) || mkdir("slat/dir", 0777);
}

static int finish(void **state)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    return chdir("/") || system(command);
}

static void check_tells_the_count(void **state)
{
    write_file("c", "[guest a]\nimage = i\n");
    assert_int_equal(slat_conf("check c"), 0);
    assert_string_equal(output, "c: 1 guest, ok\n");
    write_file("c", "[guest a]\nimage = i\n[guest b]\nimage = i\n");
    assert_int_equal(slat_conf("check c"), 0);
    assert_string_equal(output, "c: 2 guests, ok\n");
    assert_string_equal(errors, "");
}

static void errors_have_their_place(void **state)
{
    write_file("c", "[guest a]\nimage = i\nmemory = 1\n");
    assert_int_equal(slat_conf("check c"), 1);
    assert_string_equal(output, "c:3:10: memory: \"1\" is out of range; allowed: 4K to 1T\n");
    /* Who reads the output of these must not get an error in the place of a file. */
    assert_int_equal(slat_conf("files c"), 1);
    assert_string_equal(output, "");
    assert_string_equal(errors, "c:3:10: memory: \"1\" is out of range; allowed: 4K to 1T\n");
    assert_int_equal(slat_conf("show c"), 1);
    assert_string_equal(output, "");
}

static void check_looks_for_the_files(void **state)
{
    write_file("c",
               "[guest a]\nimage = i\nmodule = dir\\m x # modules\n[guest b]\n# image = x\n image=dir/j\nmodule = k\n");
    assert_int_equal(slat_conf("check c --volume ."), 1);
    assert_string_equal(output, "c:2:9: image: ./slat/i: No such file or directory\n"
                                "c:3:10: module: ./slat/dir/m: No such file or directory\n"
                                "c:6:8: image: ./slat/dir/j: No such file or directory\n"
                                "c:7:10: module: ./slat/k: No such file or directory\n");
    write_file("slat/i", "x");
    write_file("slat/dir/m", "x");
    write_file("slat/dir/j", "");
    assert_int_equal(mkdir("slat/k", 0777), 0);
    assert_int_equal(slat_conf("check c --volume ."), 1);
    assert_string_equal(output, "c:6:8: image: ./slat/dir/j: it is empty\nc:7:10: module: ./slat/k: not a file\n");
    write_file("slat/dir/j", "x");
    assert_int_equal(rmdir("slat/k"), 0);
    write_file("slat/k", "x");
    assert_int_equal(slat_conf("check c --volume ."), 0);
    assert_string_equal(output, "c: 2 guests, ok\n");
}

static void files_are_listed_once(void **state)
{
    write_file("c", "[guest a]\nimage = dir/i\nmodule = m x\n[guest b]\nimage = dir\\i\nmodule = n\nmodule = m y\n");
    assert_int_equal(slat_conf("files c"), 0);
    assert_string_equal(output, "slat/dir/i\nslat/m\nslat/n\n");
}

static void what_show_prints_shows_the_same(void **state)
{
    char shown[sizeof output];

    write_file("c", "[slat]\nslice = 1ms\n[guest a]\nimage = dir/i\nmodule = m x\n");
    assert_int_equal(slat_conf("show c"), 0);
    strcpy(shown, output);
    assert_non_null(strstr(shown, "slice = 1ms\n"));
    assert_non_null(strstr(shown, "image = \"dir/i\"\n"));
    write_file("d", shown);
    assert_int_equal(slat_conf("show d"), 0);
    assert_string_equal(output, shown);
}

static void large_files_are_read_whole(void **state)
{
    size_t size = 200000;
    char *text = malloc(size + 1);

    assert_non_null(text);
    memset(text, '\n', size);
    memcpy(text, "[guest a]\nimage = i", 19);
    memcpy(text + size - 2, "x\n", 3);
    write_file("c", text);
    free(text);
    assert_int_equal(slat_conf("check c"), 1);
    assert_int_equal(strncmp(output, "c:199981:1: unknown key \"x\"", 27), 0);
}

static void wrong_usage(void **state)
{
    static const char *const lines[] = { "",           "check",        "frob c",           "check c d",
                                         "show c d e", "check c -v .", "check c --volume", "show c --volume ." };

    write_file("c", "[guest a]\nimage = i\n");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(slat_conf(lines[i]), 2);
        assert_string_equal(output, "");
        assert_int_equal(strncmp(errors, "usage: ", 7), 0);
    }
    assert_int_equal(slat_conf("check missing"), 2);
    assert_string_equal(errors, "slat-conf: cannot read missing: No such file or directory\n");
    assert_int_equal(slat_conf("check slat"), 2);
    assert_string_equal(errors, "slat-conf: cannot read slat: Is a directory\n");
    assert_int_equal(slat_conf("--help"), 0);
    assert_int_equal(strncmp(output, "usage: ", 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check_tells_the_count, start, finish),
        cmocka_unit_test_setup_teardown(errors_have_their_place, start, finish),
        cmocka_unit_test_setup_teardown(check_looks_for_the_files, start, finish),
        cmocka_unit_test_setup_teardown(files_are_listed_once, start, finish),
        cmocka_unit_test_setup_teardown(what_show_prints_shows_the_same, start, finish),
        cmocka_unit_test_setup_teardown(large_files_are_read_whole, start, finish),
        cmocka_unit_test_setup_teardown(wrong_usage, start, finish),
    };

    return cmocka_run_group_tests_name("slat-conf", tests, NULL, NULL);
}
