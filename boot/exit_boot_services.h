/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's memory map, and the end of boot services that hangs on it. */
#ifndef BOOT_EXIT_BOOT_SERVICES_H
#define BOOT_EXIT_BOOT_SERVICES_H

#include <stddef.h>

#include "boot/firmware.h"
#include "boot/memory_map.h"

struct map_buffer {
    void *bytes;
    size_t size;
};

/* Bytes that the map has now, and from one descriptor to the next. */
EFI_STATUS firmware_map_measure(size_t *size, size_t *stride);

/* The map as it is now, in the buffer. EFI_BUFFER_TOO_SMALL and so on if it cannot be had. */
EFI_STATUS firmware_map_read(const struct map_buffer *buffer, struct uefi_memory_map *map, UINTN *key);

/*
 * Ends boot services; *map is what the firmware leaves. From the call on there is no firmware console and no allocation, also
 * if it fails.
 */
EFI_STATUS exit_boot_services(const struct map_buffer *buffer, struct uefi_memory_map *map);

#endif
