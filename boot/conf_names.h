/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of slat.conf for the values of each enum, with the value as index. NULL: the value has no word. */
#ifndef BOOT_CONF_NAMES_H
#define BOOT_CONF_NAMES_H

#include "boot/guest_conf.h"

enum { IMAGE_FORMAT_COUNT = IMAGE_PVH + 1, FLAT_START_COUNT = FLAT_RESET + 1 };
enum { CONF_PAGE_COUNT = CONF_PAGE_1G + 1, AT_END_COUNT = AT_END_HALT + 1, BACKING_COUNT = 2, YES_NO_COUNT = 2 };
enum { CHOICE_COUNT = CHOICE_NO + 1 };

extern const char *const image_format_names[IMAGE_FORMAT_COUNT];
extern const char *const flat_start_names[FLAT_START_COUNT];
extern const char *const conf_page_names[CONF_PAGE_COUNT];
extern const char *const at_end_names[AT_END_COUNT];
extern const char *const backing_names[BACKING_COUNT]; /* index: guest_conf.on_demand */
extern const char *const yes_no_names[YES_NO_COUNT];
extern const char *const choice_names[CHOICE_COUNT];

#endif
