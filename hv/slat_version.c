/* SPDX-License-Identifier: BSD-2-Clause */
/* The one file of hv/ that depends on what hypervisor.mk generates. */
#include "hv/slat_version.h"

#include "version.h"

const char slat_version[] = SLAT_VERSION;
