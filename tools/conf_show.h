/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a configuration: what conf_parse() reads, written. */
#ifndef TOOLS_CONF_SHOW_H
#define TOOLS_CONF_SHOW_H

#include <stddef.h>

#include "boot/guest_conf.h"

/*
 * Writes every setting, also those that have their default, in a text that parses to the same configuration. As snprintf:
 * returns the length of the whole text, of which as much as fits is in to[size], terminated when size > 0.
 */
size_t conf_show(const struct slat_conf *conf, char *to, size_t size);

/* The path of a file of a configuration as tools on the host write it: relative to the volume's root, with slashes. */
void conf_host_path(const char *path, char to[CONF_PATH_SIZE]);

#endif
