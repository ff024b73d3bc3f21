/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Multiboot kernel is told: modules (modules.h) and the information structure.
 *
 * The information structure and all it points to (module list, memory map, strings) are in one page: 0x9000, where QEMU has
 * its structure, or the next page above it that is free. Never page 0, and not the first pages, which kernels overwrite
 * with trampolines for other processors.
 *
 * The command line is "NAME CMDLINE", NAME being the image's file name without its folder: the convention of GRUB and
 * QEMU, whose first word is the image. Without a command line it is NAME alone.
 */
#ifndef HV_LOAD_MULTIBOOT_INFO_H
#define HV_LOAD_MULTIBOOT_INFO_H

#include "hv/load/loader.h"

/* The kernel is claimed and ends at `kernel_end`. *info: the structure's address. 0, or -EINVAL with result->error. */
int multiboot_info_place(struct loader *loader, uint64_t kernel_end, uint64_t *info);

#endif
