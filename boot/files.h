/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that the configuration names. */
#ifndef BOOT_FILES_H
#define BOOT_FILES_H

#include <stddef.h>

#include "boot/handoff.h"

enum { FILES_MAX = CONF_MAX_GUESTS * (1 + CONF_MAX_MODULES) };

/* Writes the path of each file that a guest names, once, and returns how many there are, FILES_MAX at most. */
size_t files_collect(const struct slat_conf *conf, struct boot_file *files);

#endif
