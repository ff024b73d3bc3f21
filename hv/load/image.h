/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Image loaders: from bytes that somebody else wrote to guest memory and the state in which the guest starts.
 * Every field of an image is hostile: no read outside [data, data + size), no write outside the guest's memory, a clear
 * reason for every refusal.
 */
#ifndef HV_LOAD_IMAGE_H
#define HV_LOAD_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "arch/x86/guest_start.h"
#include "boot/guest_conf.h"

struct vm_memory;

struct image {
    const uint8_t *data;
    uint64_t size;
};

struct load_request {
    struct vm_memory *memory;      /* RAM as in guest_memory_map.h, and image_rom_size() bytes; all zeros */
    uint64_t memory_size;          /* bytes; = conf->memory */
    const struct guest_conf *conf; /* format, command line, module strings, flat addresses */
    struct image image;
    struct image modules[CONF_MAX_MODULES]; /* conf->module_count of them, all present */
};

enum { LOAD_ERROR_SIZE = 160 };

struct load_result {
    struct guest_start start;
    const char *format;          /* "flat", "multiboot", "linux", "pvh"; NULL if it was refused before that was clear */
    char error[LOAD_ERROR_SIZE]; /* why it was refused: one line without the file's name */
};

/*
 * The memory that the guest must have at 4 GiB - result, in bytes, before image_load() writes its ROM there: a multiple of
 * 64 KiB, all zeros. 0: none, for all guests but those that start at the reset vector.
 */
uint64_t image_rom_size(const struct guest_conf *conf, const struct image *image);

/*
 * 0; -EINVAL: the image or a module cannot be loaded; -ENOMEM: the machine has no frame left. On error result->error is set,
 * result->start is zero and guest memory may be partly written; the guest is not started.
 */
int image_load(const struct load_request *request, struct load_result *result);

#endif
