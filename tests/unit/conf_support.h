/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the parser share: a text, and the configuration or the error that it must give. */
#ifndef TESTS_UNIT_CONF_SUPPORT_H
#define TESTS_UNIT_CONF_SUPPORT_H

#include "boot/conf.h"

/* Of the last parse. */
extern struct slat_conf conf;
extern struct conf_error error;

int parse_bytes(const char *text, size_t size);

void expect_fine(const char *text);

/* The message is what stands behind the place. */
void expect_error_in(const char *text, size_t size, unsigned line, unsigned column, const char *message);

struct wrong {
    const char *text;
    unsigned line, column;
    const char *message;
};

void expect_errors(const struct wrong *wrong, size_t count);

#define EXPECT_ERRORS(wrong) expect_errors(wrong, sizeof(wrong) / sizeof *(wrong))

/* A guest with an image; more lines follow, from line 3. */
#define GUEST "[guest g]\nimage = i\n"

const struct guest_conf *guest_with(const char *lines);

#endif
