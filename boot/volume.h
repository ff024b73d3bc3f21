/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of the volume that the boot application was started from. */
#ifndef BOOT_VOLUME_H
#define BOOT_VOLUME_H

#include <stdint.h>

#include "boot/firmware.h"
#include "boot/handoff.h"

EFI_STATUS volume_open(void);

/*
 * Reads file->path into pages of type MEMORY_BOOT_DATA and fills in the rest of *file. The last page is zero behind the
 * content. A file of more than `limit` bytes is not read: BOOT_FILE_NO_MEMORY. Announces a file over 1 MiB.
 */
void volume_read(struct boot_file *file, uint64_t limit);

#endif
