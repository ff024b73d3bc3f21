/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the parser share. */
#include "tests/unit/conf_support.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct slat_conf conf;
struct conf_error error;

/* On the heap and exactly as long as the text, so that the address sanitizer sees every byte that is read too much. */
int parse_bytes(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    int result;

    assert_non_null(copy);
    memcpy(copy, text, size);
    memset(&conf, 0xa5, sizeof conf);
    memset(&error, 0xa5, sizeof error);
    result = conf_parse(copy, size, "slat.conf", &conf, &error);
    free(copy);
    return result;
}

void expect_fine(const char *text)
{
    if (parse_bytes(text, strlen(text)))
        fail_msg("%s\nwas refused: %s", text, error.text);
}

void expect_error_in(const char *text, size_t size, unsigned line, unsigned column, const char *message)
{
    char whole[CONF_ERROR_SIZE];

    if (parse_bytes(text, size) != -EINVAL)
        fail_msg("%s\nwas accepted, not refused with: %s", text, message);
    snprintf(whole, sizeof whole, "slat.conf:%u:%u: %s", line, column, message);
    assert_string_equal(error.text, whole);
    assert_int_equal(error.line, line);
    assert_int_equal(error.column, column);
}

void expect_errors(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_error_in(wrong[i].text, strlen(wrong[i].text), wrong[i].line, wrong[i].column, wrong[i].message);
}

const struct guest_conf *guest_with(const char *lines)
{
    char text[4096];

    snprintf(text, sizeof text, GUEST "%s", lines);
    expect_fine(text);
    return &conf.guests[0];
}
