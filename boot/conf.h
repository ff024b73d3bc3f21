/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of slat.conf (docs/slat.conf.md), for the boot application and for the host tools: no C library, no
 * allocation, no recursion; any bytes are input, and the time is proportional to them.
 */
#ifndef BOOT_CONF_H
#define BOOT_CONF_H

#include <stddef.h>

#include "boot/guest_conf.h"

enum { CONF_ERROR_SIZE = 400 };

struct conf_error {
    unsigned line, column;      /* from 1; columns count bytes, without a byte order mark */
    char text[CONF_ERROR_SIZE]; /* "file:line:column: what was found, and what is allowed": one printable line */
};

/*
 * Reads `size` bytes of text; `file` is the name to print. 0; or -EINVAL with *error filled, which is the first error, and
 * *conf undefined. After success every string in *conf is terminated and padded with NUL, and every value is in the
 * range that docs/slat.conf.md has for it.
 */
int conf_parse(const char *text, size_t size, const char *file, struct slat_conf *conf, struct conf_error *error);

#endif
