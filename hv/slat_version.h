/* SPDX-License-Identifier: BSD-2-Clause */
/* Which slat this is: what git says of the tree that it was built from. */
#ifndef HV_SLAT_VERSION_H
#define HV_SLAT_VERSION_H

extern const char slat_version[];

#endif
