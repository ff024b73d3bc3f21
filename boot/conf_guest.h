/* SPDX-License-Identifier: BSD-2-Clause */
/* What may stand in a section of slat.conf. */
#ifndef BOOT_CONF_GUEST_H
#define BOOT_CONF_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/conf_value.h"

struct conf_key {
    const char *name;
    size_t limit; /* bytes of the value */
    bool repeatable;
    int (*set)(const struct conf_setting *setting); /* 0; -EINVAL with setting->error filled */
};

enum conf_guest_key {
    KEY_IMAGE,
    KEY_FORMAT,
    KEY_MEMORY,
    KEY_PROCESSORS,
    KEY_CMDLINE,
    KEY_MODULE,
    KEY_LOAD,
    KEY_ENTRY,
    KEY_START,
    KEY_LARGEST_PAGE,
    KEY_BACKING,
    KEY_HYPERCALLS,
    KEY_EXPECT,
    KEY_EXPECT_END,
    KEY_TIMEOUT,
    KEY_OUTPUT_LIMIT,
    KEY_VMCS,
    CONF_GUEST_KEYS,
};

extern const struct conf_key conf_guest_keys[CONF_GUEST_KEYS];

/* Everything but the name and the image. */
void conf_guest_set_defaults(struct guest_conf *guest);

/*
 * At the end of a section: the defaults that depend on other keys, and whether the values agree. given[key] is where the
 * key's value stands, line 0: nowhere. 0; -EINVAL with *error filled.
 */
int conf_guest_finish(struct guest_conf *guest, struct conf_place header, const struct conf_place *given,
                      struct conf_error *error);

/* A guest with so many bytes of memory has some at this guest-physical address. */
bool conf_address_in_memory(uint64_t address, uint64_t memory);

#endif
