/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's ELF file, which lies within the boot application: what is in it, and putting it into memory. */
#ifndef BOOT_LOAD_HYPERVISOR_H
#define BOOT_LOAD_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HYPERVISOR_MAX_SEGMENTS = 8 };

struct hypervisor_segment {
    uint64_t virtual;     /* a multiple of 4 KiB */
    uint64_t memory_size; /* bytes */
    uint64_t file_offset;
    uint64_t file_size; /* bytes, at most memory_size */
    bool writable;
    bool executable; /* never both */
};

struct hypervisor_layout {
    uint64_t entry; /* within an executable segment */
    uint64_t size;  /* bytes from IMAGE_BASE to the end of the last segment, a multiple of 4 KiB */
    uint32_t segment_count;
    struct hypervisor_segment segments[HYPERVISOR_MAX_SEGMENTS]; /* sorted by address; no two share a page */
};

/* Returns 0, or -EINVAL and in *reason what is wrong with the file. */
int hypervisor_check(const void *elf, size_t size, struct hypervisor_layout *layout, const char **reason);

/* Fills `image`, layout->size bytes, which will be seen at IMAGE_BASE; what no segment fills is zero. */
void hypervisor_load(const void *elf, const struct hypervisor_layout *layout, void *image);

#endif
