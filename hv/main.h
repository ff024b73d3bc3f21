/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the hypervisor begins in C. */
#ifndef HV_MAIN_H
#define HV_MAIN_H

#include "boot/handoff.h"

/* `info` as boot/handoff.h promises. */
_Noreturn void hv_main(const struct boot_info *info);

#endif
