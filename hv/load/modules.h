/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a kernel's modules lie: behind it, each at the next page boundary, where GRUB Legacy and QEMU put them; if there is
 * too little room, at the lowest free place from 1 MiB on.
 */
#ifndef HV_LOAD_MODULES_H
#define HV_LOAD_MODULES_H

#include "hv/load/loader.h"

/* Claims and writes all modules; the kernel ends at `kernel_end`. 0, or -EINVAL with result->error. */
int modules_place(struct loader *loader, uint64_t kernel_end, uint64_t bases[CONF_MAX_MODULES]);

#endif
