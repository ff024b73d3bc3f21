/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of values in slat.conf: each function checks the text of one setting and converts it. */
#ifndef BOOT_CONF_VALUE_H
#define BOOT_CONF_VALUE_H

#include "boot/conf.h"
#include "boot/conf_lines.h"

/* One "key = value". */
struct conf_setting {
    const char *key;
    char text[CONF_CMDLINE_SIZE]; /* the value without its quotes, terminated, without a NUL inside */
    size_t length;
    struct conf_place place; /* of the value */
    struct conf_error *error;
    struct slat_conf *conf;
    struct guest_conf *guest; /* NULL in [slat] */
};

/* The largest of the units that divides a number is the one it is shown with. */
struct conf_unit {
    const char *name;
    uint64_t factor;
};

struct conf_number_rule {
    const struct conf_unit *units; /* up to a NULL name, the smallest first */
    const char *allowed;           /* in words */
    uint64_t least, most;
    uint64_t multiple; /* 0: any */
};

extern const struct conf_unit conf_size_units[]; /* of bytes */
extern const struct conf_unit conf_ms_units[];   /* of milliseconds */
extern const struct conf_unit conf_us_units[];   /* of microseconds */

/*
 * Reads a value from the rest of a line, behind the equals sign, into setting->text, ->length and ->place. `limit` is what
 * the setting's key allows, in bytes, less than the size of setting->text.
 *
 * This and all the functions below return 0, or -EINVAL with setting->error filled.
 */
int conf_value_read(struct conf_span rest, size_t limit, struct conf_setting *setting);

int conf_number(const struct conf_setting *setting, const struct conf_number_rule *rule, uint64_t *value);

/* The index of the word in names[0, count), where NULL is no word. */
int conf_word(const struct conf_setting *setting, const char *const *names, unsigned count, uint32_t *value);

/* From a path relative to \slat\ (the first `length` bytes of the value) to an absolute one with backslashes. */
int conf_path(const struct conf_setting *setting, size_t length, char to[CONF_PATH_SIZE]);

/* A number as conf_number() reads it. */
struct conf_number_text {
    char text[32];
};

struct conf_number_text conf_show_number(uint64_t value, const struct conf_unit *units);

/* Where boot volumes have the guests' files. */
#define CONF_FOLDER "\\slat\\"

enum { CONF_LONGEST_PATH = CONF_PATH_SIZE - sizeof CONF_FOLDER }; /* of those that conf_path() takes */

#endif
