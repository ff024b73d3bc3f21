/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of slat.conf. guest_end_names are also the words of the hypervisor's summary, so this file is linked there too. */
#include "boot/conf_names.h"

const char *const guest_end_names[GUEST_END_COUNT] = {
    [GUEST_END_NONE] = "running",
    [GUEST_END_EXIT] = "exit",
    [GUEST_END_EXPECT_SEEN] = "expect-seen",
    [GUEST_END_POWER_OFF] = "power-off",
    [GUEST_END_RESET] = "reset",
    [GUEST_END_STOPPED] = "stopped",
    [GUEST_END_HALT] = "halt",
    [GUEST_END_TRIPLE_FAULT] = "triple-fault",
    [GUEST_END_OUTSIDE_MEMORY] = "outside-memory",
    [GUEST_END_UNSUPPORTED] = "unsupported",
    [GUEST_END_ENTRY_FAILURE] = "entry-failure",
    [GUEST_END_TIMEOUT] = "timeout",
    [GUEST_END_BAD_IMAGE] = "bad-image",
    [GUEST_END_NO_MEMORY] = "no-memory",
    [GUEST_END_CANNOT_START] = "cannot-start",
};

const char *const image_format_names[IMAGE_FORMAT_COUNT] = {
    [IMAGE_AUTO] = "auto",   [IMAGE_FLAT] = "flat", [IMAGE_MULTIBOOT] = "multiboot",
    [IMAGE_LINUX] = "linux", [IMAGE_PVH] = "pvh",
};

const char *const flat_start_names[FLAT_START_COUNT] = {
    [FLAT_REAL] = "real",
    [FLAT_32] = "32",
    [FLAT_64] = "64",
    [FLAT_RESET] = "reset",
};

const char *const conf_page_names[CONF_PAGE_COUNT] = {
    [CONF_PAGE_4K] = "4K",
    [CONF_PAGE_2M] = "2M",
    [CONF_PAGE_1G] = "1G",
};

const char *const at_end_names[AT_END_COUNT] = {
    [AT_END_POWEROFF] = "poweroff",
    [AT_END_REBOOT] = "reboot",
    [AT_END_HALT] = "halt",
};

const char *const backing_names[BACKING_COUNT] = {
    [0] = "filled",
    [1] = "on-demand",
};

const char *const yes_no_names[YES_NO_COUNT] = {
    [0] = "no",
    [1] = "yes",
};

const char *const choice_names[CHOICE_COUNT] = {
    [CHOICE_AUTO] = "auto",
    [CHOICE_YES] = "yes",
    [CHOICE_NO] = "no",
};
