/* SPDX-License-Identifier: BSD-2-Clause */
/* See files.h. */
#include "boot/files.h"

#include "hv/lib/string.h"

static size_t add(struct boot_file *files, size_t count, const char *path)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (strncmp(files[i].path, path, CONF_PATH_SIZE) == 0)
            return count;
    }
    memset(&files[count], 0, sizeof files[count]);
    memcpy(files[count].path, path, CONF_PATH_SIZE);
    return count + 1;
}

size_t files_collect(const struct slat_conf *conf, struct boot_file *files)
{
    size_t count = 0, i, j;

    for (i = 0; i < conf->guest_count; i++) {
        const struct guest_conf *guest = &conf->guests[i];

        count = add(files, count, guest->image);
        for (j = 0; j < guest->module_count; j++)
            count = add(files, count, guest->modules[j].path);
    }
    return count;
}
